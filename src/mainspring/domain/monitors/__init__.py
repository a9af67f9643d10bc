"""Monitors: pure functions from the inputs of one evaluation to findings, one file a subject.

To add one: a kind in `domain/incidents/incident.py`; a file here with a Struct of its tuning, `evaluate(facts, tuning, now_at)` that yields
an `Evaluation` for each subject it has figures of, and a `MONITOR` with its line and its rule; a row in `registry.py`; a section in
docs/reference/monitors.md. `[monitors]` of the configuration and `mainspring monitors` follow from the table. An input that is not read yet
needs a field of `MonitorInputs`, a statement `watch_*.sql`, and its reading in `alerting/inputs/monitor_inputs.py`.

Rules: `docs/adr/0011-monitors.md`. An evaluation depends on the store and the time alone. Work that is not expected is never failing.
"""
