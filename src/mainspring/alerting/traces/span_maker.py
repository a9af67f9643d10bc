"""The span maker: turns committed commands into spans, with ids and names only, never a value, a message or a key.

For the committing thread. It remembers each run from its claim until it is released.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.fingerprint import fingerprint_of
from mainspring.domain.runs.journal import STOP_KINDS, OutcomeKind
from mainspring.domain.runs.trace_span import (
    SpanAttribute,
    SpanLink,
    TraceSpan,
    link_to_run,
    run_span_id,
    step_span_id,
    trace_id_of,
    work_span_id,
)
from mainspring.domain.states import AttemptState, FailureReason, OutcomeState, RunState
from mainspring.engine.body.child_runs import choose_child_id
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.journal import SaveAttempt, SaveOutcome
from mainspring.store.commands.results import CommandDone
from mainspring.store.commands.run_control import EnterPause
from mainspring.store.commands.runs import (
    ClaimedRun,
    ClaimedRuns,
    ClaimRuns,
    CompleteRun,
    FinishRun,
    HaltRun,
    ReleaseRun,
    SuspendRun,
)

MOST_RUNS = 100_000
"""Most runs that are remembered at once: more than any worker has."""
_NS_IN_MS, _NS_IN_US = 1_000_000, 1_000
_WAITS = frozenset({OutcomeKind.TIMER, OutcomeKind.SIGNAL, OutcomeKind.EVENT, OutcomeKind.ANSWER})
_FAILED_STATES = frozenset({OutcomeState.FAILED, OutcomeState.REFUSED, OutcomeState.IN_DOUBT})


_OWNERS = (SaveOutcome, SaveAttempt, CompleteRun, FinishRun, SuspendRun, EnterPause, ReleaseRun, HaltRun)


class _OwnedRun(msgspec.Struct, frozen=True):
    """A run that this worker has: `run` without its input, and when it was claimed."""

    run: ClaimedRun
    claimed_at: int


class SpanMaker:
    """Makes the spans of one worker."""

    def __init__(self) -> None:
        self._owned: dict[str, _OwnedRun] = {}
        self._makers: dict[type, Callable[[Any, int], Iterator[TraceSpan]]] = {
            SaveOutcome: self._outcome,
            SaveAttempt: self._attempt,
            CompleteRun: self._complete,
            FinishRun: self._finish,
            SuspendRun: self._release,
            EnterPause: self._release,
            ReleaseRun: self._release,
            HaltRun: self._release,
        }

    def spans(self, command: StoreCommand[object], result: object, now: int) -> Iterator[TraceSpan]:
        """Yield the spans of a command and its result; `now` = ms UTC."""
        if type(command) is ClaimRuns:
            self._claim(result, now)
            return
        make = self._makers.get(type(command))
        if make is None:
            return
        if isinstance(result, CommandDone):
            yield from make(command, now)
        elif not isinstance(result, Exception) and isinstance(command, _OWNERS):  # refused: the run is another's
            self._owned.pop(command.run, None)

    def _claim(self, result: object, now: int) -> None:
        if not isinstance(result, ClaimedRuns):
            return
        for run in result.runs:
            self._owned[run.id] = _OwnedRun(msgspec.structs.replace(run, input=b"", facts=(), title=None), now)
        while len(self._owned) > MOST_RUNS:
            del self._owned[next(iter(self._owned))]

    # -- steps ----------------------------------------------------------------------------------------------------------

    def _outcome(self, done: SaveOutcome, _now: int) -> Iterator[TraceSpan]:
        if done.kind in STOP_KINDS:
            return
        links: tuple[SpanLink, ...] = ()
        if done.kind in _WAITS:
            links = (SpanLink(trace_id_of(done.run), work_span_id(done.run, done.claim)),)
        elif done.kind in (OutcomeKind.CHILD, OutcomeKind.START) and (owned := self._owned.get(done.run)) is not None:
            links = (link_to_run(choose_child_id(owned.run, done.ident)),)
        attributes = self._build_attributes(done.run, done.automation, kind=str(done.kind), state=str(done.state))
        first_at = done.started_at if done.first_at is None else min(done.first_at, done.started_at)
        is_error = done.state in _FAILED_STATES
        end_ns = _ended_at_ns(done)
        yield self._child_span(
            done.run,
            step_span_id(done.run, done.ident, done.generation),
            done.name,
            (first_at * _NS_IN_MS, end_ns),
            {**attributes, "mainspring.attempt": done.attempt, **self._failure_attributes(done.failure)},
            links=links,
            is_error=is_error,
            error=_failure_code(done.failure) or (str(done.state) if is_error else ""),
        )
        if done.attempt > 1:
            yield self._attempt_span(done, done.failure, (done.started_at * _NS_IN_MS, end_ns), is_error=is_error)

    def _attempt(self, tried: SaveAttempt, _now: int) -> Iterator[TraceSpan]:
        if tried.ended_at is None or tried.state is AttemptState.STARTED:
            return
        yield self._attempt_span(
            tried, tried.failure, (tried.started_at * _NS_IN_MS, tried.ended_at * _NS_IN_MS), is_error=True
        )

    def _attempt_span(
        self, attempt: SaveOutcome | SaveAttempt, failure: Failure | None, span: tuple[int, int], *, is_error: bool
    ) -> TraceSpan:
        attributes = self._build_attributes(attempt.run, attempt.automation, kind="attempt", state=str(attempt.state))
        return self._child_span(
            attempt.run,
            step_span_id(attempt.run, attempt.ident, attempt.generation, attempt.attempt),
            f"{attempt.name} attempt",
            span,
            {**attributes, "mainspring.attempt": attempt.attempt, **self._failure_attributes(failure)},
            parent_id=step_span_id(attempt.run, attempt.ident, attempt.generation),
            is_error=is_error,
            error=_failure_code(failure) or (str(attempt.state) if is_error else ""),
        )

    # -- runs ----------------------------------------------------------------------------------------------------------

    def _complete(self, done: CompleteRun, now: int) -> Iterator[TraceSpan]:
        yield from self._outcome(done.outcome(), now)
        owned = self._owned.pop(done.run, None)
        if owned is not None:
            yield self._run_span(owned.run, done.at, RunState.SUCCEEDED, None, None)

    def _finish(self, end: FinishRun, now: int) -> Iterator[TraceSpan]:
        owned = self._owned.pop(end.run, None)
        if owned is not None:
            yield self._work_span(owned, end.claim, now, str(end.state), "")
            yield self._run_span(owned.run, now, end.state, end.failure, end.reason)

    def _release(self, end: SuspendRun | EnterPause | ReleaseRun | HaltRun, now: int) -> Iterator[TraceSpan]:
        owned = self._owned.pop(end.run, None)
        if owned is None:
            return
        if isinstance(end, HaltRun):
            yield self._work_span(owned, end.claim, now, str(RunState.NEEDS_ATTENTION), str(end.reason), end.failure)
        elif isinstance(end, EnterPause):
            yield self._work_span(owned, end.claim, now, str(RunState.PAUSED), "")
        else:
            yield self._work_span(
                owned, end.claim, now, str(end.state if isinstance(end, SuspendRun) else RunState.QUEUED), ""
            )

    def _run_span(
        self, run: ClaimedRun, now: int, state: RunState, failure: Failure | None, reason: FailureReason | None
    ) -> TraceSpan:
        attributes = self._build_attributes(run.id, run.automation, kind=run.kind, state=str(state))
        attributes |= {"mainspring.version": run.version, "mainspring.queue": run.queue}
        if reason is not None:
            attributes["mainspring.reason"] = str(reason)
        if run.parent is not None:
            attributes["mainspring.parent"] = run.parent
        return TraceSpan(
            trace_id=trace_id_of(run.id),
            span_id=run_span_id(run.id),
            name=run.automation,
            start_ns=run.started_at * _NS_IN_MS,
            end_ns=max(now, run.started_at) * _NS_IN_MS,
            attributes=attributes | self._failure_attributes(failure),
            links=() if run.parent is None else (link_to_run(run.parent),),
            is_error=state is RunState.FAILED,
            error=_failure_code(failure) or str(reason or "") if state is RunState.FAILED else "",
        )

    def _work_span(
        self, owned: _OwnedRun, claim: int, now: int, state: str, error: str, failure: Failure | None = None
    ) -> TraceSpan:
        run = owned.run
        attributes = self._build_attributes(run.id, run.automation, kind="work", state=state)
        return self._child_span(
            run.id,
            work_span_id(run.id, claim),
            "work",
            (owned.claimed_at * _NS_IN_MS, max(now, owned.claimed_at) * _NS_IN_MS),
            {**attributes, "mainspring.claim": claim, **self._failure_attributes(failure)},
            is_error=bool(error),
            error=error,
        )

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _child_span(
        self,
        run: str,
        span_id: bytes,
        name: str,
        span: tuple[int, int],
        attributes: dict[str, SpanAttribute],
        *,
        parent_id: bytes | None = None,
        links: tuple[SpanLink, ...] = (),
        is_error: bool = False,
        error: str = "",
    ) -> TraceSpan:
        return TraceSpan(
            trace_id=trace_id_of(run),
            span_id=span_id,
            parent_id=parent_id or run_span_id(run),
            name=name,
            start_ns=span[0],
            end_ns=max(span),
            attributes=attributes,
            links=links,
            is_error=is_error,
            error=error,
        )

    def _build_attributes(self, run: str, automation: str, **more: str) -> dict[str, SpanAttribute]:
        return {
            "mainspring.run": run,
            "mainspring.automation": automation,
            **{f"mainspring.{name}": value for name, value in more.items()},
        }

    def _failure_attributes(self, failure: Failure | None) -> dict[str, SpanAttribute]:
        if failure is None:
            return {}
        return {
            "error.type": failure.type,
            "mainspring.error.code": failure.code,
            "mainspring.error.kind": str(failure.kind),
            "mainspring.error.fingerprint": fingerprint_of(failure).id,
        }


def _failure_code(failure: Failure | None) -> str:
    return "" if failure is None else failure.code


def _ended_at_ns(done: SaveOutcome) -> int:
    """Return when an outcome ended, in ns: durations of attempts are finer than instants."""
    if done.duration_us:
        return done.started_at * _NS_IN_MS + done.duration_us * _NS_IN_US
    return done.at * _NS_IN_MS
