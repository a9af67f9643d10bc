"""Monitors: pure functions from what one look read (`facts`) to what is wrong, one file a noun.

To add one: a kind in `domain/incidents/incident.py`; a file here with a Struct of its tuning, `judge(facts, tuning, now_at)` that yields a
`Judged` for each subject it has figures of, and a `MONITOR` with its line and its rule; a row in `table.py`; a section in
docs/reference/monitors.md. `[monitors]` of the configuration and `mainspring monitors` follow from the table. What it needs and is
not read yet is a field of `facts`, a statement `watch_*.sql`, and its reading in `alerting/inputs/facts.py`.

Rules: `docs/adr/0011-monitors.md`. A verdict hangs on the store and the time alone; what nobody expects is never wrong.
"""
