"""Replay of one saved journal for a test: every difference between the saved history and what today's code requests.

A worker stops a run only if a step could run twice. This replay also reports what is safe for runs in flight and still differs: removed
steps, new steps in front of saved ones, inputs of steps that failed. See docs/adr/0061-replay-of-saved-journals.md.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from mainspring.domain.errors import DefinitionError, UnknownNameError
from mainspring.domain.failures.error_location import locate_full_path
from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.runs.step_identity import read_step_name
from mainspring.domain.states import FailureReason
from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.engine.body.drift import Drift
from mainspring.engine.body.moved_steps import find_gaps
from mainspring.engine.body.programs import Program, build_program
from mainspring.engine.body.request import Request
from mainspring.engine.body.step_names import REPEATABLE, list_names_in
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.code_check import build_body_of
from mainspring.engine.driver.replay import (
    FailureBuilder,
    ReplayVerdict,
    SavedRun,
    compare_end,
    describe_end,
    find_halt,
    has_ended,
)
from mainspring.engine.driver.replay_trace import TracedBody, TracedRequest
from mainspring.engine.driver.run_end import RunEnd, RunHalt, build_run_end

_MOST_STEPS = 5
_ANSWERS = frozenset({OutcomeKind.FLAG, OutcomeKind.VERSION})
"""Code stops asking for these when a change is complete."""


class ReplayOutcome(StrEnum):
    """The outcome of the replay of a journal."""

    SAME = "same"
    CHANGED_INPUT = "changed-input"
    NEW_STEP = "new-step"
    MISSING_STEP = "missing-step"
    MOVED_STEP = "moved-step"
    UNREADABLE_VALUE = "unreadable-value"
    DIFFERENT_RESULT = "different-result"
    OLDER_CODE = "older-code"
    NOT_DETERMINISTIC = "not-deterministic"
    BLOCKED = "blocked"
    NOT_REPLAYED = "not-replayed"


class JournalDifference(msgspec.Struct, frozen=True):
    """One difference. `step` = identity of the step; `place` = the line of today's call, "FILE:LINE in FUNCTION", or "".

    `changes` = the parts of a value that differ, each with path, was and now. `names` = old and new name of a step.
    """

    outcome: ReplayOutcome
    text: str
    step: str | None = None
    place: str = ""
    changes: list[dict[str, str]] = []
    names: list[str] = []


class JournalReplay(msgspec.Struct, frozen=True):
    """One replay: its differences, the most important one first, the requests of the code, and how it ended or stopped."""

    differences: list[JournalDifference]
    requests: list[TracedRequest] = []
    end: str = ""


def replay_journal(
    saved: SavedRun, registry: Registry, failure_of: FailureBuilder, payload_max: int = DEFAULT_LIMIT
) -> JournalReplay:
    """Replay a saved run against the loaded code. Never raises for what the code does, as long as it returns."""
    run = replace(saved.run, undoing=False)
    try:
        program = build_program(run, registry, run.input, payload_max)
        body = build_body_of(TracedBody, run, program, saved.history, payload_max)
    except (UnknownNameError, DefinitionError, ImportError) as error:
        return JournalReplay([JournalDifference(ReplayOutcome.NOT_REPLAYED, failure_of(error).headline)])
    except Exception as error:  # noqa: BLE001  whatever a worker would halt the run for
        return JournalReplay([_build_unreadable(failure_of, error)])
    try:
        body.begin()
        differences, end = _compare(body, program, saved, failure_of)
        return JournalReplay(differences, body.requests, end)
    except Exception as error:  # noqa: BLE001  such as a saved value that the current type cannot read
        return JournalReplay([_build_unreadable(failure_of, error)], body.requests, type(error).__name__)
    finally:
        body.close()


def _build_unreadable(failure_of: FailureBuilder, error: Exception) -> JournalDifference:
    failure = failure_of(error)
    place = locate_full_path(failure.frames)
    return JournalDifference(
        ReplayOutcome.UNREADABLE_VALUE, f"the code cannot read the saved run: {failure.headline}", None, place
    )


def _compare(
    body: TracedBody, program: Program, saved: SavedRun, failure_of: FailureBuilder
) -> tuple[list[JournalDifference], str]:
    """Return the differences of a replayed body, and how it ended."""
    found = [
        _build_input_difference(body, item.drift, f"the saved {item.kind} {item.drift.name!r} (it failed)")
        for item in body.input_drifts
    ]
    halt = find_halt(body, program, saved.run)
    if halt is not None:
        is_saved = halt.reason is saved.reason and halt.reason is not FailureReason.DRIFT
        return [*found, *([] if is_saved else [_build_halt_difference(body, halt)])], f"stops: {halt.reason}"
    missing = list(_list_missing(body, program, saved))
    if has_ended(body):
        end = build_run_end(body, program, failure_of)
        result = _compare_end(end, saved)
        # An error of the code explains the steps that it does not reach; a missing step explains another result.
        parts = [result, missing] if end.failure is not None else [missing, result]
        return [*found, *parts[0], *parts[1]], _describe_body_end(end)
    return [*found, *_compare_waits(body, saved, missing)], _describe_waits(body)


def _compare_end(end: RunEnd, saved: SavedRun) -> list[JournalDifference]:
    verdict = compare_end(end, saved)
    if verdict.verdict is ReplayVerdict.SAME:
        return []
    place = "" if end.failure is None else locate_full_path(end.failure.frames)
    return [
        JournalDifference(ReplayOutcome.DIFFERENT_RESULT, verdict.text, verdict.ident, place, verdict.changes),
    ]


def _compare_waits(body: TracedBody, saved: SavedRun, missing: list[JournalDifference]) -> Iterator[JournalDifference]:
    """Yield the differences of a body that continues at the end of the saved history."""
    known = {outcome.ident for outcome in saved.history.outcomes}
    known |= {record.ident for record in saved.history.attempts} | set(saved.history.children)
    new = [request for request in body.new if request.open and request.ident not in known]
    new.sort(key=lambda request: request.request_number)
    if saved.has_own_end:
        if not new:
            end = describe_end(saved.state, saved.failure)
            yield JournalDifference(ReplayOutcome.NEW_STEP, f"the saved run {end}, and the code waits")
        for request in new[:_MOST_STEPS]:
            yield _build_new_step(body, saved, request, missing)
        return
    # Beyond the history of an unfinished run a request is no fault. In front of a saved step it is.
    steps = [request for request in new if request.kind in REPEATABLE] if missing else []
    for request in steps[:_MOST_STEPS]:
        yield _build_new_step(body, saved, request, missing)
    if not steps:
        yield from (replace(item, text=f"{item.text}; it {_describe_waits(body)}") for item in missing)


def _build_new_step(
    body: TracedBody, saved: SavedRun, request: Request, missing: list[JournalDifference]
) -> JournalDifference:
    text = f"the code requests {_name_request(request)}, which the saved history lacks"
    if missing:
        idents = ", ".join(str(item.step) for item in missing[:_MOST_STEPS])
        text += f". Saved, and not requested before it: {idents}{', ...' if len(missing) > _MOST_STEPS else ''}"
    elif saved.has_own_end:
        text += f": the saved run {describe_end(saved.state, saved.failure)}"
    names = [next((item.names[0] for item in missing), ""), request.name]
    return JournalDifference(ReplayOutcome.NEW_STEP, text, request.ident, body.place_of(request.ident), names=names)


def _list_missing(body: TracedBody, program: Program, saved: SavedRun) -> Iterator[JournalDifference]:
    """Yield the saved outcomes that the code did not request, in their order."""
    declared = set() if program.automation is None else set(program.automation.definition.option("gone"))
    declared |= {old for old, new in saved.history.renames.items() if new is None}
    gaps = find_gaps(saved.history)
    for outcome in sorted(body.unclaimed.values(), key=lambda outcome: outcome.rank):
        is_certain = not any(start < outcome.rank < end for start, end in gaps)
        if is_certain and not _is_excepted(outcome, saved) and not declared.intersection(_names_of(outcome)):
            text = f"the code does not request the saved {outcome.kind} {outcome.name!r} ({outcome.ident}) any more"
            yield JournalDifference(ReplayOutcome.MISSING_STEP, text, outcome.ident, names=[outcome.name, ""])
    started = {record.ident: record.name for record in saved.history.attempts}
    started |= {ident: read_step_name(ident) for ident in saved.history.children}
    for ident, name in started.items():
        if ident in body.names.marked and not declared.intersection({ident, name}):
            text = f"the code does not request {name!r} ({ident}), which has started and not ended"
            yield JournalDifference(ReplayOutcome.MISSING_STEP, text, ident, names=[name, ""])


def _is_excepted(outcome: Outcome, saved: SavedRun) -> bool:
    """Return whether unchanged code need not request an outcome."""
    return outcome.kind in _ANSWERS or (outcome.kind is OutcomeKind.UNDO and saved.run.undoing)


def _names_of(outcome: Outcome) -> set[str]:
    return {outcome.ident, *list_names_in(outcome.ident, outcome.name)}


def _build_halt_difference(body: TracedBody, halt: RunHalt) -> JournalDifference:
    failure, drift = halt.failure, body.drift
    text = str(halt.reason) if failure is None else failure.message
    if drift is not None:
        return _build_drift_difference(body, drift, text)
    renamed: dict[str, Any] = halt.detail.get("renamed", {})
    if not renamed:
        return JournalDifference(ReplayOutcome.DIFFERENT_RESULT, text)
    changes = failure.data if failure is not None and isinstance(failure.data, list) else []
    is_moved = any(change.get("path") == "identity of a step" for change in changes)
    new = str(renamed["new"])
    ident = next((change["now"] for change in changes), "") if is_moved else ""
    request = next((r for r in body.requests if r.ident == ident or (not is_moved and new in (r.name, r.ident))), None)
    return JournalDifference(
        ReplayOutcome.MOVED_STEP if is_moved else ReplayOutcome.MISSING_STEP,
        text,
        halt.ident,
        "" if request is None else request.place,
        names=[str(renamed["old"]), new],
    )


def _build_drift_difference(body: TracedBody, drift: Drift, text: str) -> JournalDifference:
    outcome = ReplayOutcome.CHANGED_INPUT
    if drift.unread is not None:
        outcome = ReplayOutcome.UNREADABLE_VALUE
    elif drift.is_reply:
        outcome = ReplayOutcome.DIFFERENT_RESULT
    elif drift.is_newer_version:
        outcome = ReplayOutcome.OLDER_CODE
    return replace(_build_input_difference(body, drift, ""), outcome=outcome, text=text)


def _build_input_difference(body: TracedBody, drift: Drift, subject: str) -> JournalDifference:
    return JournalDifference(
        ReplayOutcome.CHANGED_INPUT,
        f"the code requests {subject} with another input",
        drift.ident,
        body.place_of(drift.ident),
        [change._asdict() for change in drift.changes],
    )


def _describe_body_end(end: RunEnd) -> str:
    if end.restart is not None:
        return f"restarts with {end.restart.decode(errors='replace')}"
    result = "" if end.result is None else f" with {end.result.decode(errors='replace')}"
    return f"{describe_end(end.state, end.failure)}{result}"


def _describe_waits(body: TracedBody) -> str:
    requests = [_name_request(request) for request in body.new if request.open]
    return f"waits for {', '.join(requests[:_MOST_STEPS])}" if requests else "waits"


def _name_request(request: Request) -> str:
    return f"{request.kind} {request.name!r} ({request.ident})"
