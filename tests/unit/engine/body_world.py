"""A tiny world for one body: completes what it asks for in an order chosen by a seed, keeps the journal, counts what it executed.

No store and no driver: the journal is a list, and a cut of it is the state after a crash.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.runs.fork_origin import ForkOrigin, InheritedPart
from mainspring.domain.runs.journal import STOP_KINDS, Outcome, OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.codec import encode
from mainspring.engine.body.body import Body
from mainspring.engine.body.programs import run_to_end
from mainspring.engine.body.request import (
    AskCall,
    ChildCall,
    FlagCall,
    ReplyCall,
    Request,
    SendCall,
    SignalCall,
    StartCall,
    StepCall,
    TimerCall,
)
from mainspring.engine.body.run import Run
from mainspring.engine.body.run_middleware import RunInvocation, run_through

RUN, FORK = "r01", "r02"
_MOST_UPDATES = 3
STARTED_AT = 1_700_000_000_000
FACTS = {"automation": "w", "created_at": STARTED_AT, "key": None, "headers": {}}
Main = Callable[[Run, list[Any]], Coroutine[Any, Any, Any]]


class WatchedBody(Body):
    """A body that tells in which order it asked for what."""

    requested: list[tuple[Any, ...]]

    def register(self, request: Request) -> None:
        super().register(request)
        due_at = request.call.due_at if isinstance(request.call, TimerCall) else None
        self.requested.append((request.ident, str(request.kind), due_at))


@dataclass
class Life:
    """What one life of a run showed. `marks[k]` = how much of trace and requests stood after k outcomes had been handed over."""

    journal: list[Outcome]
    trace: list[Any] = field(default_factory=list)
    requested: list[tuple[Any, ...]] = field(default_factory=list)
    marks: dict[int, tuple[int, int]] = field(default_factory=dict)
    executed: Counter[str] = field(default_factory=Counter)
    end: Any = None
    body: Any = None


def new_body(
    main: Main, journal: Sequence[Outcome], life: Life, middleware: Sequence[Any] = (), inherited: int = 0
) -> WatchedBody:
    """Make the body of a workflow over a saved journal, with middleware around its run; of a fork whose first outcomes are inherited."""

    def start(body: Body) -> Coroutine[Any, Any, Any]:
        def call() -> Coroutine[Any, Any, Any]:
            return run_to_end(main(Run(body, FACTS, None), life.trace), body)

        return run_through(middleware, body, RunInvocation(body, FACTS, (), {}), call) if middleware else call()

    if inherited:
        origin = ForkOrigin(RUN, "", (InheritedPart(inherited, RUN, STARTED_AT),))
        body = WatchedBody(FORK, 0, start, list(journal), STARTED_AT + 10_000, origin=origin)
    else:
        body = WatchedBody(RUN, 0, start, list(journal), STARTED_AT)
    body.requested = life.requested
    life.body = body
    return body


def end_of(body: Body) -> Any:
    """Tell how a body ended, comparably."""
    if not body.done:
        return "stuck" if body.stuck else "waits"
    task = body.task
    assert task is not None
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    return ("result", repr(task.result())) if error is None else ("error", repr(error))


class World:
    """The world outside of one body: steps that take their time, timers, signals, sometimes a cancel."""

    def __init__(self, seed: int, *, stops: bool = True, middleware: Sequence[Any] = (), inherited: int = 0) -> None:
        self.middleware = middleware
        self.inherited = inherited
        self.dice = random.Random(seed)
        self.time = STARTED_AT
        self.cancel_at = STARTED_AT + self.dice.randrange(5, 400) if stops and self.dice.random() < 0.15 else None
        self._order = 0
        self._upcoming: list[tuple[int, int, Request]] = []

    def live(self, main: Main, journal: Sequence[Outcome] = (), *, at_most: int = 5_000) -> Life:
        """Continue a run from its journal until its body rests for good; return all it showed."""
        life = Life(list(journal))
        body = new_body(main, journal, life, self.middleware, self.inherited)
        body.begin()
        if journal:
            self.time = max(self.time, *(o.at for o in journal))
        self._mark(life)
        while not body.done and body.drift is None:
            self._take_up(body, life)
            outcome = self._next(body, life)
            if outcome is None:
                break
            life.journal.append(outcome)
            assert len(life.journal) < at_most, "the run does not end"
            request = body.waiting.get(outcome.ident)
            if request is not None and request.decode and outcome.output is not None and self.dice.random() < 0.5:
                body.deliver(
                    outcome, request.read(outcome.name, outcome.output)
                )  # as the driver does it: the value it has already
            else:
                body.deliver(outcome)
            self._mark(life)
        life.end = end_of(body)
        body.close()
        return life

    def _mark(self, life: Life) -> None:
        life.marks[len(life.journal)] = (len(life.trace), len(life.requested))

    def _take_up(self, body: WatchedBody, life: Life) -> None:
        for request in body.new:
            if request.open:
                if request.kind in (OutcomeKind.STEP, OutcomeKind.UNDO, OutcomeKind.CHILD):
                    life.executed[request.ident] += 1
                self._order += 1
                heapq.heappush(self._upcoming, (self._when(request), self._order, request))
        body.new.clear()

    def _when(self, request: Request) -> int:
        if isinstance(request.call, TimerCall):
            return max(self.time, request.call.due_at)
        if request.kind in (OutcomeKind.SIGNAL, OutcomeKind.EVENT):
            return self.time + self.dice.choice((1, 50, 10**9))
        return self.time + self.dice.choice((0, 0, 1, 3, 10, 40, 200))

    def _next(self, body: WatchedBody, life: Life) -> Outcome | None:
        cancelled_requests, body.cancelled_requests = body.cancelled_requests, []
        for request in cancelled_requests:
            if request.kind is OutcomeKind.STEP and self.dice.random() < 0.7:
                state = self.dice.choice((OutcomeState.CANCELLED, OutcomeState.SUCCEEDED))
                late = self._outcome(life, request, state)
                life.journal.append(late)
                body.deliver(late)
                self._mark(life)
        while self._upcoming and not self._upcoming[0][2].open:
            heapq.heappop(self._upcoming)
        if self.cancel_at is not None and (not self._upcoming or self.cancel_at <= self._upcoming[0][0]):
            self.time, self.cancel_at = max(self.time, self.cancel_at), None
            rank = len(life.journal) + 1
            is_second = any(outcome.kind in STOP_KINDS for outcome in life.journal)
            kind = self.dice.choice(
                (OutcomeKind.CANCEL, OutcomeKind.CLEANUP_TIMEOUT if is_second else OutcomeKind.DEADLINE)
            )
            if not is_second and self.dice.random() < 0.5:
                self.cancel_at = self.time + self.dice.choice((0, 3, 300))
            return Outcome(
                rank, f"{kind}#{rank}", str(kind), kind, OutcomeState.SUCCEEDED, 0, 0, 0, self.time, self.time, 0
            )
        if (update := self._update(body, life)) is not None:
            return update
        if not self._upcoming:
            return None
        when, _, request = heapq.heappop(self._upcoming)
        self.time = max(self.time, when)
        fails = (
            isinstance(request.call, StepCall | ChildCall)
            and b"may fail" in request.call.input
            and self.dice.random() < 0.4
        )
        return self._outcome(life, request, OutcomeState.FAILED if fails else OutcomeState.SUCCEEDED)

    def _update(self, body: WatchedBody, life: Life) -> Outcome | None:
        """Now and then accept an update for a handler of the body."""
        names = body.updates.names
        if not names or self.dice.random() > 0.2:
            return None
        name, rank = self.dice.choice(names), len(life.journal) + 1
        number = 1 + sum(outcome.kind is OutcomeKind.UPDATE and outcome.name == name for outcome in life.journal)
        if number > _MOST_UPDATES:
            return None
        kind, state, at = OutcomeKind.UPDATE, OutcomeState.SUCCEEDED, self.time
        ident, source, count = f"update:{name}#{number}", encode([at, rank]), body.request_count
        return Outcome(rank, ident, name, kind, state, count, 1, 0, at, at, 0, source, encode(number))

    def _outcome(self, life: Life, request: Request, state: OutcomeState) -> Outcome:
        call, output, failure = request.call, None, None
        name = self.dice.choice(sorted(call.any_of)) if isinstance(call, SignalCall) and call.any_of else request.name
        if isinstance(call, ReplyCall):
            output = call.input
        elif isinstance(call, StartCall):
            output = encode({"id": f"r_{request.ident}", "created": True})
        elif isinstance(call, FlagCall):
            output = encode(self.dice.random() < 0.5)
        elif isinstance(call, AskCall) and b'"form"' in call.question:
            output = encode({"text": f"{request.ident} done"})
        elif state is OutcomeState.SUCCEEDED and not isinstance(call, TimerCall | SendCall):
            output = encode(f"{request.ident} done")
        if state is OutcomeState.FAILED:
            failure = Failure("Boom", "boom", f"{request.ident} broke", FailureKind.PERMANENT)
        # Another worker's clock may be behind: the body's own time must not go back for that.
        at = self.time if isinstance(call, TimerCall) else self.time + self.dice.choice((0, 0, 0, -7, 5))
        saved = call.input if isinstance(call, StepCall | ReplyCall | SendCall | StartCall | ChildCall) else None
        if isinstance(call, AskCall):
            saved = encode([at, "web:ana", f"note {len(life.journal)}"])
        return Outcome(
            len(life.journal) + 1,
            request.ident,
            name,
            request.kind,
            state,
            request.request_number,
            1,
            0,
            at,
            at,
            1,
            saved,
            output,
            failure,
        )
