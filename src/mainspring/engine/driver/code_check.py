"""The check of a run's history against the current code: its body, and why the code cannot continue it. Pure: no store, no clock.

The driver of a worker and the replay before a deployment share it, so that both stop a run for the same reasons.
"""

from collections.abc import Callable
from typing import TypeVar

from mainspring.domain.runs.change_versions import read_change_versions
from mainspring.domain.runs.fork_origin import read_counted_origin
from mainspring.domain.runs.journal import History
from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.engine.body.body import Body
from mainspring.engine.body.drift import Drift
from mainspring.engine.body.programs import Program, last_request_number
from mainspring.engine.body.step_names import REPEATABLE, StepNames
from mainspring.engine.body.versions import find_unknown_change
from mainspring.engine.definitions.reachable_names import find_versions
from mainspring.engine.driver.run_end import (
    RunHalt,
    add_seed_hint,
    build_drift_halt,
    build_moved_step_halt,
    build_renamed_step_halt,
    build_unstoppable_halt,
)
from mainspring.store.commands.runs import ClaimedRun

B = TypeVar("B", bound=Body)


def build_body(run: ClaimedRun, program: Program, history: History | None, payload_max: int = DEFAULT_LIMIT) -> Body:
    """Return the body of a run, before its first instruction."""
    return build_body_of(Body, run, program, history, payload_max)


def build_body_of(
    kind: type[B], run: ClaimedRun, program: Program, history: History | None, payload_max: int = DEFAULT_LIMIT
) -> B:
    """Return the body of a run as an object of this class, before its first instruction."""
    outcomes, after = (history.outcomes, (0, 0)) if history is not None else ([], (0, 0))
    if run.undoing and history is not None:
        outcomes, after = [], (last_request_number(history), run.rank)
    origin = read_counted_origin(run.fork, (outcome.rank for outcome in outcomes))
    versions = read_change_versions(run.versions)
    body = kind(run.id, run.generation, program.main, outcomes, run.started_at, payload_max, after, origin, versions)
    body.names = StepNames.of(history, program.automation)
    if history is not None:
        body.superseded, body.read_input = history.superseded, history.read_input
    return body


def find_body_halt(body: Body, run: ClaimedRun, seal: Callable[[bytes | None], bytes | None]) -> RunHalt | None:
    """Return why the body stops for a person: it drifted, or it continues after its cancel. Raises SealedError."""
    if body.drift is not None:
        return add_seed_hint(build_drift_halt(body.drift, seal), run.hash_seed)
    return build_unstoppable_halt() if body.refusals.are_over else None


def find_name_halt(body: Body, program: Program, run: ClaimedRun) -> RunHalt | None:
    """Return why none of the new requests may start: one of them may repeat a saved step under another name or identity, or be of the
    other side of a change.
    """
    for request in body.new:
        if not request.open:
            continue
        if request.kind in REPEATABLE and run.has_newer_code and (drift := _find_change_of_newer_code(body, program)):
            return build_drift_halt(drift, lambda data: data)
        if (missing := body.names.missing_step(body, program, request)) is not None:
            return add_seed_hint(build_renamed_step_halt(missing), run.hash_seed)
        if (moved := body.names.moved_step(body, program, request)) is not None:
            return add_seed_hint(build_moved_step_halt(moved), run.hash_seed)
    return None


def _find_change_of_newer_code(body: Body, program: Program) -> Drift | None:
    """Return the drift of a run on the new side of a change for which this older code does not ask: it would take the old side."""
    automation = program.automation
    if automation is None or automation.fn is None:
        return None
    return find_unknown_change(body, {*find_versions(automation.fn), *automation.definition.option("gone")})
