"""The body of one run: its code on its own deterministic loop. It makes requests and gets outcomes in rank order, without store or clock.

Invariants. Outcomes are delivered one at a time, each when the ready queue is empty, live exactly as in replay.
The driver sees no request before the saved history is used up. A request's identity is fixed at the call. Saved
outcomes that are not (or not yet) requested wait in `unclaimed`; the rest of them is listed on the run. Nothing here
blocks, and randomness depends only on the run's id.
"""

import asyncio
import contextvars
import heapq
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from mainspring.domain.errors import BodyError, SealedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.change_versions import NONE_KNOWN, ChangeVersions
from mainspring.domain.runs.fork_origin import ForkOrigin
from mainspring.domain.runs.journal import STOP_KINDS, Outcome, OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.domain.values.plain_json import LATEST_INSTANT
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.body.body_stop import BodyStop
from mainspring.engine.body.deterministic_loop import READ_ONLY, BodyTask, DeterministicLoop, Timer
from mainspring.engine.body.drift import Drift, build_unread_drift, detect_drift
from mainspring.engine.body.failed_outcomes import FailedOutcomes
from mainspring.engine.body.identities import BodyIdentities
from mainspring.engine.body.queries import BodyQueries
from mainspring.engine.body.request import (
    ChildCall,
    RefusalLimit,
    ReplyCall,
    Request,
    Restarted,
    SendCall,
    StartCall,
    StepCall,
    TimerCall,
)
from mainspring.engine.body.run_annotations import RunAnnotations
from mainspring.engine.body.step_names import StepNames
from mainspring.engine.body.streams import BodyStreams
from mainspring.engine.body.unawaited_calls import UnawaitedCalls
from mainspring.engine.body.updates import BodyUpdates
from mainspring.engine.body.versions import BodyVersions

T = TypeVar("T")
_UNSET: Any = object()
_MAX_CLOSED = 64
_MESSAGE_KINDS = frozenset({OutcomeKind.SIGNAL, OutcomeKind.EVENT, OutcomeKind.ANSWER})
_RETURNABLE_KINDS = frozenset({OutcomeKind.SIGNAL, OutcomeKind.EVENT, OutcomeKind.UPDATE})
_UNREQUESTED_KINDS = STOP_KINDS | {OutcomeKind.UPDATE}
"""Outcomes that the body did not request: each is delivered at its rank."""
_DOUBTFUL_STATES = frozenset({OutcomeState.REFUSED, OutcomeState.IN_DOUBT})
_STATES_WITHOUT_VALUE = _DOUBTFUL_STATES | {OutcomeState.CANCELLED}


class Body:
    """Drives one coroutine, made by `main(body)`. `outcomes` = counted history in rank order, `now_at` = the run's first instant."""

    def __init__(
        self,
        run_id: str,
        generation: int,
        main: Callable[["Body"], Coroutine[Any, Any, Any]],
        outcomes: Sequence[Outcome],
        now_at: int,
        payload_max: int = DEFAULT_LIMIT,
        after: tuple[int, int] = (0, 0),  # number of earlier requests, rank of the last delivered outcome
        origin: ForkOrigin | None = None,
        versions: ChangeVersions = NONE_KNOWN,
    ) -> None:
        self.run_id, self.generation, self.payload_max = run_id, generation, payload_max
        self._started_at, self._origin = now_at, origin
        self.inherited_rank = 0 if origin is None else origin.last_rank
        first = None if origin is None else origin.find_part(after[1])
        self.now_at = self.base_at = now_at if first is None else first.started_at
        self.context = contextvars.Context()  # no variable of the code that drives it reaches it
        self.loop = DeterministicLoop(self, run_id)  # type: ignore[abstract]  # the rest is set by `_refuse`
        self.waiting: dict[str, Request] = {}
        self.new: list[Request] = []
        self.cancelled_requests: list[Request] = []
        self.undoable: list[Request] = []
        self.superseded: Sequence[Outcome] = ()
        self.read_input: Callable[[bytes], bytes] | None = None
        self.unclaimed: dict[str, Outcome] = {}
        self.doubts: dict[str, Outcome] = {}
        self.notes = RunAnnotations()
        self.drift: Drift | None = None
        self.failures, self.refusals = FailedOutcomes(), RefusalLimit()
        self.undelivered: list[Outcome] = []  # accepted signals and events whose wait was cancelled by then
        self.stop = BodyStop(self)
        self.rolling_back, self.live, self.is_read_only = False, not outcomes, False
        self.calls = UnawaitedCalls()
        self.names = StepNames()
        self.identities = BodyIdentities(self)
        self._main, self._history = main, outcomes
        self.updates, self.queries, self.streams = BodyUpdates(self), BodyQueries(self), BodyStreams(self)
        self.versions = BodyVersions(self, outcomes, versions)
        self._saved = {outcome.ident: outcome for outcome in outcomes if outcome.kind not in _UNREQUESTED_KINDS}
        self._early: list[tuple[int, Outcome]] = []
        self._registered: list[Request] = []
        self._request_count, self._delivered_rank = after
        self.headers: Mapping[str, str] = {}
        """The headers of the run, for its children."""
        self.task: BodyTask | None = None
        self._requests_done: asyncio.Future[Any] | None = None

    # -- driving -------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start the coroutine and deliver the whole history; afterwards `new` holds the requests to start."""
        self.context.run(IN_BODY.set, True)
        self.task = self.context.run(self.loop.create_task, self._main(self), context=self.context)
        self._drive()
        position = 0
        while self.drift is None and not self.task.done():
            if self._early:
                self._deliver(heapq.heappop(self._early)[1], _UNSET)
                continue
            if self._requests_done is not None and self._end_requests_wait():
                continue
            if position >= len(self._history):
                break
            outcome = self._history[position]
            position += 1
            # Also for an outcome that no code awaits now: live it was delivered and ignored.
            self._advance(outcome)
            if (
                outcome.kind in _UNREQUESTED_KINDS
                or outcome.state in _STATES_WITHOUT_VALUE
                or outcome.ident in self.waiting
            ):
                self._deliver(outcome, _UNSET)
            elif outcome.ident in self._saved:  # otherwise it was requested and cancelled
                self.unclaimed[outcome.ident] = outcome
            else:
                self._note_undelivered(outcome)
        rest = self._history[position:] if self.done else ()
        self.unclaimed |= {
            outcome.ident: outcome
            for outcome in rest
            if outcome.state is not OutcomeState.CANCELLED and outcome.ident in self._saved
        }
        for outcome in rest:
            if outcome.kind in _RETURNABLE_KINDS:
                self._note_undelivered(outcome)
        self._history, self.live = (), True

    def deliver(self, outcome: Outcome, value: Any = _UNSET) -> None:
        """Deliver one outcome (`value` = its value, if already decoded) and the older ones that the code then requests."""
        self._deliver(outcome, value)
        while self.drift is None and not self.done:
            if self._early:
                self._deliver(heapq.heappop(self._early)[1], _UNSET)
            elif self._requests_done is None or not self._end_requests_wait():
                break

    def _deliver(self, outcome: Outcome, value: Any) -> None:
        self._advance(outcome)
        if outcome.state is OutcomeState.CANCELLED:  # cancelled: a new request for it gets its own outcome
            return
        if outcome.kind in STOP_KINDS:
            self.stop.receive(outcome)
        elif outcome.kind is OutcomeKind.UPDATE:
            if self.done:
                self._note_undelivered(outcome)
                return
            self.updates.start(outcome)
        elif outcome.state in _DOUBTFUL_STATES:
            self.doubts[outcome.ident] = outcome
            return
        else:
            request = self.waiting.pop(outcome.ident, None)
            self.doubts.pop(outcome.ident, None)
            if request is None or not request.open or (self.done and outcome.kind in _MESSAGE_KINDS):
                self._note_undelivered(outcome)
                return
            self._settle(request, outcome, value)
        self._drive()

    def _advance(self, outcome: Outcome) -> None:
        """Advance the run's time to an outcome. It never goes back; `base_at` does if the clock was put back."""
        if outcome.rank >= self._delivered_rank:
            self.base_at, self._delivered_rank = outcome.at, outcome.rank
            self.streams.outcome_delivered(is_inherited=outcome.rank <= self.inherited_rank)
            if outcome.rank == self.inherited_rank:  # from here on the time is that of the fork
                self.base_at, self.now_at = self._started_at, max(self.now_at, self._started_at)
                self.live = self.live or len(self._history) == self.inherited_rank
        self.now_at = max(self.now_at, outcome.at)

    @property
    def first_id(self) -> str:
        """The id of the run that began what this run does, which is the key of a flag without `by`: of a fork that of the first run."""
        parts = () if self._origin is None else self._origin.parts
        return parts[0].run if parts else self.run_id

    @property
    def origin_id(self) -> str:
        """The id of the run that made the next outcome: while a fork repeats inherited ones, that of their run."""
        part = None if self._origin is None else self._origin.find_part(self._delivered_rank)
        return self.run_id if part is None else part.run

    @property
    def request_count(self) -> int:
        """The number of requests so far."""
        return self._request_count

    @property
    def delivered_rank(self) -> int:
        """The rank of the newest delivered outcome."""
        return self._delivered_rank

    def _note_undelivered(self, outcome: Outcome) -> None:
        self.failures.add_undelivered(outcome)
        if outcome.kind in _RETURNABLE_KINDS and outcome.state is OutcomeState.SUCCEEDED:
            self.undelivered.append(outcome)

    def _settle(self, request: Request, outcome: Outcome, value: Any) -> None:
        request.open, request.outcome = False, outcome
        if outcome.kind is OutcomeKind.REPLY:
            request.take(None, None)
        elif outcome.state is OutcomeState.FAILED:
            self.failures.add_delivered(outcome, request.task)
            request.take(None, outcome.failure)
        elif isinstance(request.call, TimerCall):
            self.loop.fire(request.call.timer)
        elif value is not _UNSET:
            request.take(value, None)
        elif outcome.output is None or request.decode is None:
            request.take(None, None)
        elif request.kind not in _MESSAGE_KINDS:
            request.take(request.decode(outcome.output), None)
        else:
            try:
                decoded = request.read(outcome.name, outcome.output)
            except Exception as error:  # noqa: BLE001 - any error of the user's type: the code has changed since
                self.drift = self.drift or build_unread_drift(outcome, error)
                return
            request.take(decoded, None)

    def _drive(self) -> None:
        self.loop.drive()
        registered = self._registered
        if registered:
            for request in registered:
                if request.open:
                    request.offered = True
                    self.new.append(request)
            registered.clear()
            # In a replay drop the requests that were answered meanwhile.
            if len(self.new) > 2 * len(self.waiting) + _MAX_CLOSED:
                self.new = [request for request in self.new if request.open]

    async def requests_done(self) -> None:
        """Wait until the body is at rest and none of its tasks awaits a step, or a child that must complete."""
        self.updates.is_closed = True
        self._requests_done = self.future()
        await self._requests_done

    def _end_requests_wait(self) -> bool:
        """End the wait of `requests_done` if its condition holds; call it at rest. Return whether it was ended."""
        waiter = self._requests_done
        if waiter is None or (self.updates.running and self.waiting):
            return False  # a handler that waits for nothing saved can never end: it is cancelled with the other tasks
        if any(request.open and _must_complete(request) for request in self.waiting.values()):
            return False
        self._requests_done = None
        if waiter.done():
            return False
        waiter.set_result(None)
        self._drive()
        return True

    def detach_independent_runs(self) -> None:
        """Detach the children with close="keep", and runs to start: they start although no task will await them."""
        for request in self.waiting.values():
            request.detached = _is_independent(request)

    def release_independent_runs(self) -> None:
        """Let the independent runs that the code has requested start, for the code ends here."""
        self.detach_independent_runs()
        for request in [request for request in self.waiting.values() if request.detached]:
            self.cancel_request(request)

    @property
    def done(self) -> bool:
        """Whether the coroutine has ended."""
        return self.task is not None and self.task.done()

    @property
    def restarts(self) -> bool:
        """Whether the coroutine has ended to restart."""
        task = self.task
        return task is not None and task.done() and not task.cancelled() and isinstance(task.exception(), Restarted)

    @property
    def stuck(self) -> bool:
        """Whether the body awaits something that is neither a request nor an update."""
        return not self.done and not self.waiting and not self.updates.names

    def close(self) -> bool:
        """Unload: every further call is refused and records nothing. False if the code swallowed its end and is left unfinished."""
        self.refusals.renew()
        ended = self.loop.unload()
        self.calls.close()
        self.waiting.clear()
        return ended

    def call_read_only(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function of the code while the body is at rest. It may read the body's state and change nothing.

        Raises:
            BodyError: it calls `run.*`, or something that would wake a task; it raises something that is no `Exception`.
            Exception: what it raises.
        """
        self.is_read_only = True
        try:
            with self.calls.refused(), self.loop.frozen():
                return self.context.copy().run(function, *arguments)
        except Exception:
            raise
        except BaseException as error:
            raise BodyError(f"a check of an update or a query raised {type(error).__name__}") from error
        finally:
            self.is_read_only = False

    def refuse_if_read_only(self) -> None:
        """Raise BodyError while code runs that may only read, or MiddlewareError while that of a middleware runs."""
        if self.is_read_only:
            raise BodyError(READ_ONLY)
        if self.loop.refuse_task is not None:
            self.loop.refuse_task()

    def refuse_requests(self, refuse: Callable[[], None] | None) -> None:
        """Call `refuse`, which may raise, before each request, while code of a middleware runs; None = allow them."""
        self.loop.refuse_task = self.calls.refuse = refuse

    # -- for the loop (LoopOwner) --------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the run's time in seconds."""
        return self.now_at / 1000

    def add_timer(self, handle: Timer) -> None:
        """Add a request for a timer of the body."""
        ident = (
            handle.request
            if isinstance(handle.request, str)
            else self.identities.of_request("timer", None, handle.task)
        )
        due_at = int(-(-min(handle.when() * 1000, LATEST_INSTANT) // 1))
        request = Request(OutcomeKind.TIMER, ident, "timer", TimerCall(due_at, handle), None, _ignore_value)
        handle.request = request
        self.register(request)

    def cancel_timer(self, handle: Timer) -> None:
        """Cancel the request of a timer."""
        if isinstance(handle.request, Request):
            self.cancel_request(handle.request)

    def name_branch(self, task: BodyTask, coro: Coroutine[Any, Any, Any], *, is_part_of_parent: bool) -> None:
        """Name the branch of a new task."""
        self.identities.name_branch(task, coro, is_part_of_parent=is_part_of_parent)

    # -- for the API of the run ----------------------------------------------------------------------------------------

    def set_timer(self, ident: str, due_at: int, callback: Callable[[], None]) -> Timer:
        """Set a timer with its own identity."""
        timer = Timer(due_at / 1000, callback, (), self.loop)
        timer._scheduled = True  # type: ignore[attr-defined]
        timer.request = ident
        self.add_timer(timer)
        return timer

    def register(self, request: Request) -> None:
        """Register a request; the driver sees it when the body is at rest."""
        self.refuse_if_stopped()
        if self.refusals.are_over:
            return
        if request.ident in self.waiting:
            fix = f"give each call its own key, run.options(key=...).step({request.name}, ...)"
            raise BodyError(f"{request.ident} is called twice at the same time: {fix}")
        self.number(request)
        request.task = self.loop.current()
        self.waiting[request.ident] = request
        if self.names.marked:
            self.names.marked.pop(request.ident, None)
        if self.unclaimed and (outcome := self.unclaimed.pop(request.ident, None)) is not None:
            heapq.heappush(self._early, (outcome.rank, outcome))
        self._registered.append(request)

    def number(self, request: Request) -> None:
        """Give a request its place in the order of requests, and compare it with its saved outcome."""
        self._request_count += 1
        request.request_number, request.requested_after, request.requested_at = (
            self._request_count,
            self._delivered_rank,
            self.now_at,
        )
        request.base_at = self.base_at
        if (
            self._saved
            and (saved := self._saved.pop(request.ident, None)) is not None
            and saved.rank > self.inherited_rank  # a fork may have another input
        ):
            try:
                drift = detect_drift(request, saved, self.read_input)
            except SealedError as error:  # the blob of its input cannot be read: the code of the user must not see that
                drift = build_unread_drift(saved, error)
            self.drift = self.drift or drift

    def find_saved(self, ident: str) -> Outcome | None:
        """Return the saved outcome of an identity that was not requested yet."""
        return self._saved.get(ident)

    def refuse_if_stopped(self) -> None:
        """Refuse a request while the body is unloaded, or after its cleanup was ended."""
        if self.loop.closed or self.stop.cleanup_end is not None:
            self.refusals.refuse(self)

    def cancel_request(self, request: Request) -> None:
        """Cancel a request that the body no longer awaits."""
        if request.open:
            request.open = False
            if self.waiting.get(request.ident) is request:
                del self.waiting[request.ident]
            if request.offered or request.detached:
                self.cancelled_requests.append(request)

    def future(self) -> "asyncio.Future[Any]":
        """Create a future of the body's loop that user code never sees, so that its hash does not matter."""
        return asyncio.Future(loop=self.loop)


def _must_complete(request: Request) -> bool:
    """Return whether a request must complete although the body's function has returned."""
    if request.kind is OutcomeKind.CHILD:
        return isinstance(request.call, ChildCall) and request.call.plan.close != "keep"
    return isinstance(request.call, StepCall | ReplyCall | SendCall | StartCall)


def _is_independent(request: Request) -> bool:
    """Return whether a request is for a run that outlives this one."""
    call = request.call
    return isinstance(call, StartCall) or (isinstance(call, ChildCall) and call.plan.close == "keep")


def _ignore_value(_value: Any, _failure: Failure | None) -> None:
    """Do nothing: the loop itself fires timers."""
