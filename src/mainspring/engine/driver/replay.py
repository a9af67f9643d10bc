"""Replay of a stored run against the current code: what this code would do with the run. No step starts, and nothing is written.

The body gets the saved outcomes in rank order, as in a worker. When they are used up, an unfinished run stops there: its code is unloaded
under refusal. A finished run must end as it is stored.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from mainspring.domain.errors import BodyError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import History, OutcomeKind
from mainspring.domain.states import FailureReason, RunState
from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.domain.values.saved_call import compare_values
from mainspring.engine.body.body import Body
from mainspring.engine.body.programs import Program, build_program
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.code_check import build_body, find_body_halt, find_name_halt
from mainspring.engine.driver.run_end import RunEnd, RunHalt, build_run_end
from mainspring.store.commands.runs import ClaimedRun

FailureBuilder = Callable[[BaseException], Failure]

_OWN_ENDS = frozenset(
    {
        FailureReason.PERMANENT_ERROR,
        FailureReason.RETRIES_EXHAUSTED,
        FailureReason.ROLLED_BACK,
        FailureReason.VALUE_REFUSED,
        FailureReason.BODY_ERROR,
        FailureReason.NO_OUTPUT,
    }
)
"""Reasons of failures that the body itself ends with."""
_CODE_ERRORS = _OWN_ENDS - {FailureReason.RETRIES_EXHAUSTED, FailureReason.ROLLED_BACK}


class SavedRun(msgspec.Struct, frozen=True):
    """A stored run with its history. All values are opened."""

    run: ClaimedRun
    state: RunState
    reason: FailureReason | None
    result: bytes | None
    failure: Failure | None
    history: History
    has_restarted: bool = False
    """Whether it ended to restart with another input."""
    restart_input: bytes | None = None
    """The input with which it restarted; None = it did not, or the next run was deleted."""
    is_declared_done: bool = False
    """Whether a person declared it done, so that its code did not end it."""

    def rename(self, former_names: Mapping[str, str]) -> "SavedRun":
        """Return the run under the current name of its automation; `former_names` = former name -> name."""
        name = former_names.get(self.run.automation)
        return self if name is None else replace(self, run=replace(self.run, automation=name))

    @property
    def has_own_end(self) -> bool:
        """Whether the code of the run ended it, so that a replay must end the same way."""
        if self.run.undoing or self.is_declared_done:
            return False
        kinds = {outcome.kind for outcome in self.history.outcomes}
        match self.state:
            case RunState.SUCCEEDED:
                return self.result is not None or self.has_restarted  # otherwise a person declared it done
            case RunState.FAILED:
                is_stopped = self.reason is FailureReason.DEADLINE and OutcomeKind.DEADLINE in kinds
                return self.reason in _OWN_ENDS or is_stopped
            case RunState.CANCELLED:
                return OutcomeKind.CANCEL in kinds
        return False


class ReplayVerdict(StrEnum):
    """Verdict of a replay on the current code."""

    SAME = "same"
    """It ends as stored, or uses all saved outcomes and continues."""
    DRIFT = "drift"
    """It requests a saved step in another way: the run would stop for a person."""
    HALTS = "halts"
    """It cannot load or continue the run, which would stop for a person."""
    OTHER_END = "other-end"
    """It ends with another result or error."""
    CONTINUES = "continues"
    """It continues although the stored run ended."""


class ReplayResult(msgspec.Struct, frozen=True):
    """The result of one replay. `changes` = the differences, each with path, was and now; `ident` = the step."""

    verdict: ReplayVerdict
    text: str = ""
    ident: str | None = None
    changes: list[dict[str, str]] = []
    hint: str | None = None
    versions: dict[str, int] = {}
    """The versions of changes that the run takes, by the id of the change."""


_SAME = ReplayResult(ReplayVerdict.SAME)


def replay_run(
    saved: SavedRun, registry: Registry, failure_of: FailureBuilder, payload_max: int = DEFAULT_LIMIT
) -> ReplayResult:
    """Replay a run against the loaded code. Never raises for what the code does, as long as it returns."""
    run = replace(saved.run, undoing=False)
    try:
        program = build_program(run, registry, run.input, payload_max)
        body = build_body(run, program, saved.history, payload_max)
    except Exception as error:  # noqa: BLE001  whatever a worker would halt the run for
        return _build_halted(failure_of(error))
    try:
        body.begin()
        return msgspec.structs.replace(_evaluate(body, program, saved, failure_of), versions=body.versions.answers)
    except Exception as error:  # noqa: BLE001  such as a saved value that the current type cannot read
        return _build_halted(failure_of(error))
    finally:
        body.close()


def query_run(
    run: ClaimedRun, history: History, registry: Registry, name: str, data: bytes, payload_max: int = DEFAULT_LIMIT
) -> bytes:
    """Return the answer of the loaded code to a query, with the state that the saved outcomes of the run make. All values are opened.

    Raises:
        BodyError: the current code cannot continue the run.
        Exception: whatever the function of the query raises, or building the program of the run.
    """
    run = replace(run, undoing=False)
    program = build_program(run, registry, run.input, payload_max)
    body = build_body(run, program, history, payload_max)
    try:
        body.begin()
        halt = find_body_halt(body, run, lambda value: value)
        if halt is not None:
            reason = halt.reason if halt.failure is None else halt.failure.message
            raise BodyError(f"the current code cannot continue the run: {reason}")
        return body.queries.answer(name, data)
    finally:
        body.close()


def find_halt(body: Body, program: Program, run: ClaimedRun) -> RunHalt | None:
    """Return why a worker would stop the run for a person at the end of its history."""
    halt = find_body_halt(body, run, lambda data: data)
    return find_name_halt(body, program, run) if halt is None and not has_ended(body) else halt


def has_ended(body: Body) -> bool:
    """Return whether the body has ended, or awaits what can never be."""
    return body.done or body.stuck


def _evaluate(body: Body, program: Program, saved: SavedRun, failure_of: FailureBuilder) -> ReplayResult:
    halt = find_halt(body, program, saved.run)
    if halt is not None:
        return _build_halt_result(halt)
    if has_ended(body):
        return compare_end(build_run_end(body, program, failure_of), saved)
    if not saved.has_own_end:
        return _SAME
    request = next((request for request in body.new if request.open), None)
    then = "waits" if request is None else f"requests {request.kind} {request.name!r}"
    return ReplayResult(
        ReplayVerdict.CONTINUES,
        f"the stored run {describe_end(saved.state, saved.failure)}, and the code {then}",
        None if request is None else request.ident,
    )


def _build_halt_result(halt: RunHalt) -> ReplayResult:
    verdict = ReplayVerdict.DRIFT if halt.reason is FailureReason.DRIFT else ReplayVerdict.HALTS
    failure = halt.failure
    if failure is None:
        return ReplayResult(verdict, str(halt.reason), halt.ident)
    changes = failure.data if isinstance(failure.data, list) else []
    return ReplayResult(verdict, failure.message, halt.ident, changes, failure.hint)


def _build_halted(failure: Failure) -> ReplayResult:
    return ReplayResult(ReplayVerdict.HALTS, failure.headline, hint=failure.hint)


def compare_end(end: RunEnd, saved: SavedRun) -> ReplayResult:
    """Return the verdict about the end of a run."""
    if not saved.has_own_end:
        # Without an identity it is no saved failure of a step, but an error of the code itself.
        is_code_error = end.failed_ident is None and end.reason in _CODE_ERRORS
        if not is_code_error or end.failure is None:
            return _SAME
        text = f"the run is {saved.state}, and the code fails: {end.failure.headline}"
        return ReplayResult(ReplayVerdict.OTHER_END, text, hint=end.failure.hint)
    was, now = describe_end(saved.state, saved.failure), describe_end(end.state, end.failure)
    if (saved.state, _identify(saved.failure)) != (end.state, _identify(end.failure)):
        text, changes = f"the stored run {was}, and the code {now}", []
    elif end.state is RunState.SUCCEEDED and (changes := _compare_results(end, saved)):
        text = "the code restarts with another input" if end.restart else "the code ends with another result"
    else:
        return _SAME
    return ReplayResult(ReplayVerdict.OTHER_END, text, end.failed_ident, changes)


def _compare_results(end: RunEnd, saved: SavedRun) -> list[dict[str, str]]:
    """Return the differences of two results; a run that restarts has none."""
    if end.restart is not None or saved.result is None:
        if end.restart is not None and saved.restart_input is not None:
            return [change._asdict() for change in compare_values(saved.restart_input, end.restart)]
        was, now = _describe_result(saved.result), _describe_result(end.result)
        return [] if was == now else [{"path": "$", "was": was, "now": now}]
    return [change._asdict() for change in compare_values(saved.result, end.result or b"null")]


def _describe_result(result: bytes | None) -> str:
    return "(restart)" if result is None else result.decode()


def _identify(failure: Failure | None) -> tuple[Any, ...]:
    """Return what identifies a failure: not its frames, because lines move."""
    return () if failure is None else (failure.type, failure.code, failure.message)


def describe_end(state: RunState, failure: Failure | None) -> str:
    """Return how a run ended: "failed: KeyError: 'b'"."""
    if state is RunState.FAILED:
        return "failed" if failure is None else f"failed: {failure.headline}"
    return "was cancelled" if state is RunState.CANCELLED else str(state)
