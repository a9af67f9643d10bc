"""The waits of one loaded run: timers, retries, its deadline, signals, events, answers, children; and its inbox.

Facts stay in the inbox until the body requests them, except a cancel and a result entered by a person, which are accepted
at once. An accepted fact is an outcome like any other: it gets its rank, and the same commit deletes it from the inbox.
"""

import functools
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.domain.errors import CodecUnavailableError, ValueRefusedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import (
    Fact,
    FactKind,
    History,
    Outcome,
    OutcomeKind,
    origin_of,
)
from mainspring.domain.runs.question import split_answer
from mainspring.domain.states import FailureReason, OutcomeState
from mainspring.domain.time.clock_step import STEP_MS
from mainspring.engine.body.request import (
    WAIT_TIMER_SUFFIX,
    AskCall,
    ChildCall,
    EventCall,
    Request,
    SignalCall,
    StepCall,
    TimerCall,
    UndoChildCall,
)
from mainspring.engine.driver.child_undos import ChildUndos
from mainspring.engine.driver.loaded_run import halt_run_on_error
from mainspring.engine.driver.run_end import RunHalt
from mainspring.engine.driver.run_updates import RunUpdates
from mainspring.store.base import CommitCallback
from mainspring.store.commands.inbox import CloseWait, ExpireWait, OpenWait, RejectFact, ReturnFact
from mainspring.store.commands.results import CommandDone, InboxFacts, Refused, StartAnswer

if TYPE_CHECKING:
    from mainspring.engine.driver.loaded_run import LoadedRun

_FACT_KINDS = {
    OutcomeKind.SIGNAL: FactKind.SIGNAL,
    OutcomeKind.EVENT: FactKind.EVENT,
    OutcomeKind.ANSWER: FactKind.ANSWER,
    OutcomeKind.CHILD: FactKind.CHILD,
    OutcomeKind.UNDO: FactKind.CHILD,
}

_PAUSE_FACTS = frozenset({FactKind.PAUSE, FactKind.RESUME})
_MESSAGE_FACTS = frozenset({FactKind.SIGNAL, FactKind.EVENT, FactKind.ANSWER})
"""Facts that any sender may send, with data of any type."""


class RunWaits:
    """The open waits of one run."""

    def __init__(self, loaded: "LoadedRun", history: History | None) -> None:
        self._loaded = loaded
        self._child_undos = ChildUndos(loaded, self)
        self._updates = RunUpdates(loaded, history)
        self._open: dict[str, Request] = {}
        self._deferred_timers: list[tuple[int, Request]] = []
        """Timers that expired while a fact could not be opened."""
        self._facts: dict[int, Fact] = {}
        self._returning = 0
        self.accepting: dict[str, Request] = {}
        """Waits whose signal is being written to the journal."""
        self.seen = 0
        self.stop_sent = False
        """Whether a cancel, the deadline or the end of the cleanup is being written to the journal: nothing new starts before it."""

    # -- starting and cancelling ---------------------------------------------------------------------------------------

    def start(self, request: Request) -> None:
        """Start a wait."""
        call = request.call
        if isinstance(call, TimerCall):
            self._loaded.wakeups.push(self._to_wall_time(request, call.due_at), request)
            return
        if isinstance(call, UndoChildCall):
            self._child_undos.start(request, call)
            return
        self._open[request.ident] = request
        loaded = self._loaded
        if isinstance(call, EventCall):
            self._open_wait(
                request,
                "event",
                request.name,
                self._limit_of(request, call.until_at),
                since_at=call.since_at,
                where=dict(call.where),
                schema=None if call.schema is None else call.schema.decode(),
            )
        elif isinstance(call, AskCall):
            until_at = self._limit_of(request, call.until_at)
            question = loaded.host.seal(call.question)
            self._open_wait(request, "ask", request.name, until_at, question=question, plan=call.plan)
        elif isinstance(call, ChildCall):
            self._start_child(request, call)

    def await_run(self, request: Request, run: str) -> None:
        """Wait for the end of a run that is no child of the request."""
        self._open[request.ident] = request
        self._open_wait(request, "run", run, None)

    def _to_wall_time(self, request: Request, run_at: int) -> int:
        """Return the clock time of an instant of run time, which was requested as a span from the newest outcome.

        Run time never goes back: after the clock was put back, it is ahead of that outcome's instant. The clock may have been set since.
        """
        ahead_ms = request.requested_at - request.base_at
        moved_ms = self._loaded.clock_steps.moved(request.requested_after)
        return run_at + moved_ms - (ahead_ms if ahead_ms > STEP_MS else 0)

    def _limit_of(self, request: Request, run_at: int | None) -> int | None:
        return None if run_at is None else self._to_wall_time(request, run_at)

    def _start_child(self, request: Request, call: ChildCall) -> None:
        loaded = self._loaded
        loaded.journal.saving += 1
        loaded.host.store.submit(loaded.host.child_of(loaded.run, request, call), self._child_started(request))

    def _open_wait(self, request: Request, kind: str, name: str, until_at: int | None, **more: Any) -> None:
        """Record a wait in the store; `more` = the other fields of `OpenWait`."""
        loaded, number = self._loaded, request.request_number
        command = OpenWait(
            loaded.run.id, loaded.claim, request.ident, kind, name, until_at, request_number=number, **more
        )
        loaded.journal.saving += 1
        loaded.host.store.submit(command, self._wait_saved)

    @halt_run_on_error
    def _wait_saved(self, result: CommandDone | Refused | BaseException) -> None:
        self._loaded.journal.saving -= 1
        if self._answered(result):
            self._loaded.host.read_inboxes()
            self._loaded.advance()

    def _child_started(self, request: Request) -> CommitCallback[StartAnswer | Refused]:
        def started(result: StartAnswer | Refused | BaseException) -> None:
            loaded = self._loaded
            loaded.journal.saving -= 1
            if loaded.is_unloaded:
                return
            if isinstance(result, Refused) and result.code != "claim_lost":
                failure = loaded.host.refusal_of(request.name, result)
                if request.detached:  # the body no longer awaits it
                    loaded.halt = loaded.halt or RunHalt(FailureReason.BODY_ERROR, failure, request.ident, {})
                    loaded.advance()
                    return
                self._open.pop(request.ident, None)
                call = request.call
                assert isinstance(call, ChildCall)
                loaded.journal.save(request, OutcomeState.FAILED, failure=failure, input=call.input)
            elif self._answered(result):
                if isinstance(result, StartAnswer) and result.by_key:
                    # Its run key matches a run that is not a child, or a child of another run: wait for its end all the same.
                    self.await_run(request, result.run)
                loaded.host.read_inboxes()
                loaded.advance()

        return started

    def cancel(self, request: Request) -> None:
        """Close a wait that the body cancelled. A replay sends the command again: a crash may have come before the first."""
        is_started = self._open.pop(request.ident, None) is not None
        loaded, call = self._loaded, request.call
        if request.kind in (OutcomeKind.EVENT, OutcomeKind.ANSWER):
            loaded.host.store.submit(CloseWait(loaded.run.id, loaded.claim, request.ident), self._answered)
        elif isinstance(call, ChildCall) and call.plan.close == "cancel":
            loaded.host.cancel_child(loaded.run, request, undo=self._child_undos.choose_undo(call))
        elif isinstance(call, ChildCall) and request.detached and not is_started:
            self._start_child(request, call)

    # -- due times -----------------------------------------------------------------------------------------------------

    def watch_deadline(self, deadline_at: int) -> None:
        """End the run when its deadline passes; at once, before any step starts, if it has passed already."""
        if self._loaded.body.stop.kind is not None or self._loaded.body.done:
            return
        self._loaded.wakeups.deadline_at = deadline_at
        self._handle_due(self._loaded.host.clock.now())
        self._loaded.wakeups.arm_first()

    def limit_cleanup(self) -> None:
        """After a cancel or the deadline: let the time for cleanup begin, counted from it."""
        loaded, stop, cleanup_ms = self._loaded, self._loaded.body.stop, self._loaded.program.cleanup_ms
        self.stop_sent = False
        if stop.kind is None or stop.cleanup_end is not None or cleanup_ms is None or loaded.body.done:
            return
        loaded.wakeups.deadline_at = stop.at + loaded.clock_steps.moved(stop.rank) + cleanup_ms
        loaded.wakeups.arm_first()

    def rearm(self) -> None:
        """Handle what became due while the run was suspended."""
        self._loaded.wakeups.disarm()
        self.wake()

    @halt_run_on_error
    def wake(self) -> None:
        """Handle what is due now, and arm the timer for what is due next."""
        loaded = self._loaded
        if loaded.is_unloaded or loaded.is_suspended:
            return
        now = loaded.host.clock.now()
        if loaded.halt is None and not loaded.starts_nothing:
            self._handle_due(now)
        self._loaded.wakeups.arm_first(after=now)
        loaded.advance()

    def _handle_due(self, now: int) -> None:
        deadline_at = self._loaded.wakeups.deadline_at
        if self._loaded.body.rolling_back:
            self._loaded.wakeups.deadline_at = None  # a rollback is completed
        elif deadline_at is not None and deadline_at <= now:
            is_first = self._loaded.body.stop.kind is None
            kind = OutcomeKind.DEADLINE if is_first else OutcomeKind.CLEANUP_TIMEOUT
            self._stop(kind, max(now, deadline_at), None)
        while (popped := self._loaded.wakeups.pop(now)) is not None:
            due_at, request = popped
            retry = self._loaded.wakeups.retries.pop(request.ident, None)
            if retry is not None:
                self._loaded.start_retry(*retry)
            elif isinstance(request.call, TimerCall):
                wait = self._open.get(request.ident.removesuffix(WAIT_TIMER_SUFFIX))
                if wait is None:
                    self._loaded.journal.save(request, OutcomeState.SUCCEEDED, at=max(now, due_at))
                else:
                    self._expire(wait, request, due_at)

    def _expire(self, wait: Request, timer: Request, due_at: int) -> None:
        """End a wait whose time is over, unless its fact was committed before: the store decides that, not the order of reading."""
        loaded = self._loaded
        loaded.journal.saving += 1
        command = ExpireWait(loaded.run.id, loaded.claim, wait.ident)
        loaded.host.store.submit(command, functools.partial(self._expired, wait, timer, due_at))

    @halt_run_on_error
    def _expired(
        self, wait: Request, timer: Request, due_at: int, result: InboxFacts | Refused | BaseException
    ) -> None:
        loaded = self._loaded
        loaded.journal.saving -= 1
        if not self._answered(result):
            return
        assert isinstance(result, InboxFacts)
        self.add_facts(result.facts)
        if loaded.halt is None and not loaded.starts_nothing:
            saving = loaded.journal.saving
            self.match_facts()
            if loaded.awaits_codec:
                self._deferred_timers.append((due_at, timer))
            elif self._is_returning() or (wait.ident in self._open and loaded.journal.saving > saving):
                self._loaded.wakeups.push(due_at, timer)  # a signal or an event may still come back to this wait
            elif wait.ident in self._open and timer.open:
                self._open.pop(wait.ident)
                loaded.journal.save(timer, OutcomeState.SUCCEEDED, at=max(loaded.host.clock.now(), due_at))
        elif loaded.pausing and timer.open:
            loaded.wakeups.push(due_at, timer)  # a person may resume the run before it is paused
        loaded.advance()

    def expire_again(self) -> None:
        """Repeat the timers that expired while a fact could not be opened: the wait may be for that fact."""
        expired, self._deferred_timers = self._deferred_timers, []
        for due_at, timer in expired:
            self._loaded.wakeups.push(due_at, timer)
        if expired:
            self.rearm()

    def _stop(self, kind: OutcomeKind, at: int, fact: Fact | None) -> None:
        loaded = self._loaded
        self.stop_sent = True
        self._loaded.wakeups.deadline_at = None
        ident = f"{kind}#{loaded.journal.rank + 1}"
        generation = loaded.run.generation
        outcome = Outcome(
            *(loaded.journal.rank + 1, ident, str(kind), kind, OutcomeState.SUCCEEDED, 0, 0, generation, at, at, 0),
            output=fact.payload if fact is not None else None,
        )
        loaded.journal.append(outcome, inbox=fact.seq if fact is not None else None)

    # -- facts ---------------------------------------------------------------------------------------------------------

    def add_facts(self, facts: Any) -> None:
        """Note new facts; none is accepted yet."""
        for fact in facts:
            if fact.seq > self.seen:
                self.seen = fact.seq
                if fact.kind in _PAUSE_FACTS:
                    self._loaded.pausing = fact.kind is FactKind.PAUSE
                else:
                    self._loaded.pausing &= fact.kind is not FactKind.CANCEL
                    self._facts[fact.seq] = fact

    def match_facts(self) -> None:
        """Accept the facts that the body waits for, in the order of arrival."""
        if not self._facts:
            return
        for fact in list(self._facts.values()):
            if fact.kind is FactKind.SIGNAL and self._is_returning():
                continue  # an earlier signal may still be returned to the inbox
            if fact.kind is FactKind.CANCEL:
                del self._facts[fact.seq]
                if not self.stop_sent and self._loaded.body.stop.cleanup_end is None:
                    self._stop(OutcomeKind.CANCEL, self._loaded.host.clock.now(), fact)
                continue
            if fact.kind is FactKind.UPDATE:
                matched = self._updates.match(fact)
                if matched is None:
                    return
                if matched:
                    del self._facts[fact.seq]
                continue
            request = self._request_for(fact)
            if request is not None:
                try:
                    opened = self._loaded.host.open_fact(fact)
                except CodecUnavailableError:  # facts keep their order: later ones wait too
                    self._loaded.await_codec()
                    return
                del self._facts[fact.seq]
                self._accept(request, opened)

    def _is_returning(self) -> bool:
        """Whether an accepted signal is being returned to the inbox, or will be, because the body cancelled its wait."""
        return self._returning > 0 or any(not request.open for request in self.accepting.values())

    def _request_for(self, fact: Fact) -> Request | None:
        if fact.kind is FactKind.RESULT:
            return self._loaded.body.waiting.get(fact.ident or "")
        if fact.ident is not None:
            request = self._open.get(fact.ident)
            return request if request is not None and _FACT_KINDS.get(request.kind) is fact.kind else None
        for request in self._open.values():
            if fact.kind is FactKind.SIGNAL and request.receives(fact.name) and self._is_in_time(request, fact):
                return request
        return None

    def _is_in_time(self, request: Request, signal: Fact) -> bool:
        """Return whether a signal was committed before the time of its wait ended; the store filters late answers and events.

        A signal from the future was written before the clock was put back.
        """
        call = request.call
        until_at = self._limit_of(request, call.until_at) if isinstance(call, SignalCall) else None
        return until_at is None or signal.at < until_at or signal.at > self._loaded.host.clock.now()

    def _accept(self, request: Request, fact: Fact) -> None:
        self._loaded.wakeups.retries.pop(request.ident, None)
        if fact.kind is FactKind.RESULT:  # a person entered it: the step does not start, nor is it retried
            self._loaded.body.new = [new for new in self._loaded.body.new if new is not request]
        call = request.call
        fact, origin = split_answer(fact)
        value: Any = None
        has_value = fact.kind in _MESSAGE_FACTS and fact.payload is not None and request.decode is not None
        if has_value:
            try:
                value = request.read(fact.name, fact.payload)  # type: ignore[arg-type]
            except Exception as error:  # noqa: BLE001 - any error of the user's type: the fact cannot be read
                self._reject(request, fact, error)
                return
        self._open.pop(request.ident, None)
        if fact.kind is FactKind.SIGNAL:
            self.accepting[request.ident] = request
        state, output, failure = OutcomeState.SUCCEEDED, fact.payload, fact.failure
        if isinstance(call, UndoChildCall):  # a child that has undone its steps ends as cancelled
            output = failure = None
        if failure is not None:
            state = OutcomeState.FAILED
        elif fact.kind is FactKind.RESULT and (mismatch := self._result_mismatch(request, output)) is not None:
            # The person did not know the step's type. The step stays unsettled: it is not repeated.
            state, output, failure = OutcomeState.REFUSED, None, mismatch
        self._loaded.journal.save(
            request,
            state,
            value=value,
            has_value=has_value,
            output=output,
            failure=failure,
            inbox=fact.seq,
            marked=request.kind is not OutcomeKind.SIGNAL,
            input=_input_of(call, fact) if origin is None else origin,
            name=fact.name if fact.kind is FactKind.SIGNAL else None,
            undo=call.undo if isinstance(call, ChildCall) else None,
        )

    def _reject(self, request: Request, fact: Fact, error: Exception) -> None:
        """Reject a fact that the code cannot read, for a person to see. The wait and its time-out continue."""
        loaded = self._loaded
        failure = loaded.host.failure_of(error)
        loaded.host.lines.life.fact_rejected(loaded.run, fact, failure)
        sealed = loaded.host.seal_failure(failure)
        assert sealed is not None
        event = request.name if fact.kind is FactKind.EVENT else None
        loaded.journal.saving += 1
        loaded.host.store.submit(RejectFact(loaded.run.id, loaded.claim, fact.seq, sealed, event), self._wait_saved)

    def return_undelivered_facts(self) -> None:
        """Return facts to the inbox whose wait the body had cancelled: the next wait of the run or its chain gets them."""
        loaded = self._loaded
        undelivered, loaded.body.undelivered = loaded.body.undelivered, []
        if loaded.halt is not None or loaded.body.drift is not None or (loaded.body.done and not loaded.body.restarts):
            return
        for outcome in undelivered:
            at, source = origin_of(outcome)
            if source is None:
                continue  # written by an earlier version without the source
            event, seq = (None, source) if isinstance(source, int) else (source, 0)
            payload = loaded.host.seal(outcome.output)
            kind = FactKind.UPDATE if outcome.kind is OutcomeKind.UPDATE else FactKind.SIGNAL
            command = ReturnFact(loaded.run.id, loaded.claim, outcome.rank, outcome.name, payload, at, seq, event, kind)
            loaded.journal.saving += 1
            self._returning += 1
            signal = Fact(seq, loaded.run.id, kind, outcome.name, at, payload=outcome.output)
            loaded.host.store.submit(command, self._returned(signal if event is None else None))

    def _returned(self, signal: Fact | None) -> CommitCallback[CommandDone | Refused]:
        def returned(result: CommandDone | Refused | BaseException) -> None:
            self._returning -= 1
            if signal is not None and not self._loaded.is_unloaded:
                self._facts[signal.seq] = signal
                self._facts = dict(sorted(self._facts.items()))
            self._wait_saved(result)

        return returned

    def _result_mismatch(self, request: Request, output: bytes | None) -> Failure | None:
        """Return the failure if a result entered by hand does not have the step's type."""
        if output is None or request.decode is None:
            return None
        try:
            request.decode(output)
        except ValueRefusedError as error:
            refused = ValueRefusedError(
                f"the {error.value_name} that was set by hand", error.path, error.reason, hint=error.hint
            )
            return self._loaded.host.failure_of(refused)
        return None

    # -- for people ----------------------------------------------------------------------------------------------------

    def describe(self) -> bytes | None:
        """Return the open waits as JSON for `runs show` and `explain`."""
        waiting: list[dict[str, Any]] = []
        for request in sorted(self._loaded.body.waiting.values(), key=lambda request: request.request_number)[:20]:
            call = request.call
            run_at = call.due_at if isinstance(call, TimerCall) else getattr(call, "until_at", None)
            until_at = self._limit_of(request, run_at)
            if request.ident in self._loaded.wakeups.retries:
                until_at = self._loaded.wakeups.due_at_of(request)
            if isinstance(call, TimerCall) and request.ident.endswith(WAIT_TIMER_SUFFIX):
                continue
            kind = "retry" if request.ident in self._loaded.wakeups.retries else str(request.kind)
            awaited: dict[str, bytes | None] = {request.name: getattr(call, "schema", None)}
            if isinstance(call, SignalCall) and call.any_of:
                awaited = {name: signal.schema for name, signal in call.any_of.items()}
            for name, schema in awaited.items():
                entry: dict[str, Any] = {"kind": kind, "name": name, "ident": request.ident, "until_at": until_at}
                if isinstance(call, SignalCall) and schema is not None:
                    entry |= {"schema": msgspec.Raw(schema), "session": self._loaded.host.store.session}
                waiting.append(entry)
        waiting += [
            {"kind": "update", "name": name, "ident": f"update:{name}", "until_at": None}
            for name in self._loaded.body.updates.names[:20]
        ]
        return msgspec.json.encode(waiting) if waiting else None

    def close(self) -> None:
        """Drop all waits in memory."""
        self._loaded.wakeups.clear()
        self._open.clear()

    def _answered(self, result: object) -> bool:
        return self._loaded.accepts(result)


def _input_of(call: Any, fact: Fact) -> bytes | None:
    """Return the input to save with the outcome: that of the call, or when (ms) a message was sent and its number or source."""
    if isinstance(call, StepCall | ChildCall):
        return call.input
    if fact.kind is FactKind.SIGNAL:
        return msgspec.json.encode([fact.at, fact.seq])
    return msgspec.json.encode([fact.at, fact.source]) if fact.kind is FactKind.EVENT else None
