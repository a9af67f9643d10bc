"""One simulated process: its part of the loop, its store with a committer without a thread, and its worker.

A node can be killed (nothing of it happens any more), paused (everything of it waits, then happens late) and fenced.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from mainspring.domain.errors import FencedError, StoreUnavailableError
from mainspring.domain.runs.journal import History
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker import Worker
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.store.base import CommitChanges
from mainspring.store.commands.sessions import CloseSession, DeclareSessionDead, OpenSession
from mainspring.store.read.runs.worker_reads import WorkerReads
from tests.simulation.unsure import UnsureDatabase
from tests.simulation.workload import NODE

_POLL_S = 0.4
_WATCH_S = 0.2


class SkewedClock:
    """The world's clock as one machine shows it."""

    def __init__(self, world: Any, skew_ms: int) -> None:
        self._world = world
        self.skew_ms = skew_ms
        self.passed: Callable[[], float] | None = getattr(world.clock, "passed", None)
        """Seconds that no one can set; None = no one looks whether the clock was set."""

    def now(self) -> int:
        """Return the instant that this machine believes in."""
        return self._world.clock.now() + self.skew_ms

    def random_bits(self, bits: int) -> int:
        """Return random bits of the seed."""
        return self._world.dice.getrandbits(bits)


class NodeLoop:
    """The loop as code of one node sees it: its callbacks wait while it is paused and never come once it is dead."""

    def __init__(self, node: "Node", loop: asyncio.AbstractEventLoop) -> None:
        self._node = node
        self._loop = loop

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:
        return self._guarded(lambda guard: self._loop.call_soon(guard), callback, args, context)

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:
        return self._guarded(lambda guard: self._loop.call_later(delay, guard), callback, args, context)

    def _guarded(
        self, arrange: Any, callback: Callable[..., Any], args: tuple[Any, ...], context: Any
    ) -> asyncio.Handle:
        def run() -> None:
            if not handle.cancelled():
                if context is not None:
                    context.run(callback, *args)
                else:
                    callback(*args)

        handle: asyncio.Handle = arrange(lambda: self._node.guard(run))
        return handle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


class Node:
    """A process. `world` gives time, chance, faults; `works` = it has a worker."""

    def __init__(self, world: Any, name: str, *, works: bool = True) -> None:
        self.world = world
        self.name = name
        self.dead = False
        self.declared_dead = False
        self.draining = False
        self.registry: Registry = world.choose_registry(name)
        """What it has loaded."""
        self.unreachable_until = 0.0
        """Until when the store is out of its reach."""
        self.session: int | None = None
        self._held: deque[Callable[[], None]] = deque()
        self._resumed: asyncio.Event = asyncio.Event()
        self._resumed.set()
        self.clock = SkewedClock(world, world.dice.choice(world.skews) if works else 0)
        self.loop: Any = NodeLoop(self, world.loop)
        self.process_clock = world.process_clock()
        self.sealing = world.blobs.sealing(fails=True)
        opened = world.store.open(self.clock, world, works=works, process_clock=self.process_clock)
        self.database = world.wrap(UnsureDatabase(opened, world, world.truth))
        self._queue: deque[tuple[Any, Any]] = deque()
        self._committing = False
        self._answer_at = 0.0
        self._answers: deque[tuple[list[tuple[Any, Any]], CommitChanges]] = deque()
        self._at_commit: Callable[[], None] | None = None
        self.worker: Worker | None = None
        self._works = works
        # A program with a worker: there is no supervisor here that would start a probation process.
        opening = OpenSession(f"u{world.next_number()}", "app" if works else "cli", "h", "h", 1, "", "")
        self.submit(opening, self._opened)
        world.loop.call_later(_POLL_S, self._poll)
        if works and world.store.lease_ms is not None:
            world.loop.call_later(_WATCH_S, self._watch_lease)

    def __repr__(self) -> str:
        return f"<{self.name}, session {self.session}>"

    def _opened(self, result: Any) -> None:
        self.session = result.number
        if self._works:
            self.submit(build_announcement(self.registry, self.clock.now()), self._announced)

    def _announced(self, result: Any) -> None:
        dice = self.world.dice
        settings = WorkerOptions(concurrency=dice.choice((2, 5, 64)), max_suspended=dice.choice((0, 1, 50)))
        reads = WorkerReads(self.world.reader)
        clock = self.process_clock or self.clock
        self.worker = Worker(
            *(self.loop, self, reads, self.registry, clock),
            settings=settings,
            sealing=self.sealing,
            off_loop=self._off_loop,
        )
        self.worker.attempts.step_context.run(NODE.set, self)
        self.worker.on_idle = self._idle
        self.worker.start()

    # -- life and death ------------------------------------------------------------------------------------------------

    def guard(self, run: Callable[[], None]) -> None:
        """Run something of this process now, or when it continues, or never."""
        if self.dead:
            return
        if self._resumed.is_set():
            run()
        else:
            self._held.append(run)

    async def sleep(self, seconds: float) -> None:
        """Let a step of this process take its time."""
        await asyncio.sleep(seconds * self.world.dice.choice((0.5, 1, 1, 3)))
        await self._resumed.wait()

    def kill(self, then: Callable[[], None], *, in_commit: bool) -> None:
        """End without a word: now, or between the next commit and its reply. `then` is called at that moment."""
        if in_commit:
            self._at_commit = then
        else:
            self._end()
            then()

    def _killed_in_commit(self) -> None:
        then, self._at_commit = self._at_commit, None
        assert then is not None
        self.world.hits["killed after commit, before reply"] += 1
        self._end()
        then()

    def _end(self) -> None:
        if not self.dead:
            self.dead = True
            self._queue.clear()
            if self.worker is not None:
                self.worker.stop()
            self.database.close()

    def pause(self) -> None:
        """Stop in mid-air, as SIGSTOP does."""
        self._resumed.clear()

    def resume(self) -> None:
        """Continue, with all that should have happened meanwhile."""
        self._resumed.set()
        while self._held and self._resumed.is_set():
            self.guard(self._held.popleft())

    def drain(self) -> None:
        """End in order."""
        if self.worker is not None and not self.dead and not self.draining:
            self.draining = True
            self.loop.call_soon(self.worker.drain)
            self.loop.call_later(3.0, self.worker.hurry)

    def _idle(self) -> None:
        self.world.hits["drained"] += 1
        self.submit(CloseSession(), lambda result: self.loop.call_soon(self._end))

    def _fenced(self) -> None:
        if self.lease_is_over:
            self.world.hits["lease over"] += 1
        elif not self.declared_dead:
            self.world.errors.append(f"{self} was fenced although it was not declared dead")
        self.world.hits["zombie fenced"] += self.declared_dead
        self._end()
        if self.world.store.lease_ms is not None:
            self.loop.call_later(self.world.dice.uniform(0.5, 3), self.world.replace, self)

    # -- where sessions have leases ------------------------------------------------------------------------------------

    @property
    def lease_is_over(self) -> bool:
        """Tell whether this process must take its session for lost."""
        return self.database.lease is not None and self.database.lease.is_over

    @property
    def is_awake(self) -> bool:
        """Tell whether it lives and moves."""
        return not self.dead and self._resumed.is_set()

    def _is_unreachable(self) -> bool:
        return bool(self.world.loop.time() < self.unreachable_until)

    def _watch_lease(self) -> None:
        """What a thread of the real store does: end, without a word, once the lease is over. It need not be the first to wake up."""
        if not self.dead:
            if self.is_awake and self.lease_is_over:
                self._fenced()
            self.world.loop.call_later(_WATCH_S, self._watch_lease)

    def _declare_silent_dead(self) -> None:
        """What the upkeep of a real worker does: declare dead anyone who was not heard of for longer than the lease."""
        silent_ms = self.world.store.lease_ms
        text = "select id from sessions where state in ('alive', 'draining') and beat_at < ? and id <> ?"
        for (session,) in self.world.rows(text, self.world.clock.now() - silent_ms, self.session or 0):
            self.submit(DeclareSessionDead(session, silent_ms=silent_ms), _ignore)

    def apply(self, command: Any) -> Any:
        """No one may block here."""
        raise NotImplementedError

    def apply_in_order(self, commands: Any) -> Any:
        """No one may block here."""
        raise NotImplementedError

    # -- the store as the worker sees it -------------------------------------------------------------------------------

    def submit(self, command: Any, on_done: Any) -> None:
        """Queue a command; Committer's contract: order, groups, `again` until the outcome is known."""
        if not self.dead:
            self._queue.append((command, on_done))
            if not self._committing:
                self._committing = True
                self.loop.call_later(self._latency(), self._commit)

    def _latency(self) -> float:
        return self.world.dice.choice((0.0, 0.0005, 0.002, 0.02))

    def _commit(self) -> None:
        size = min(len(self._queue), self.world.dice.choice((1, 4, 512)))
        self._try([self._queue.popleft() for _ in range(size)], again=False, pause=0.02)

    def _try(self, group: list[tuple[Any, Any]], *, again: bool, pause: float) -> None:
        try:
            if self._is_unreachable():
                raise StoreUnavailableError("simulated: out of reach")
            report = self.database.commit([command for command, _ in group], again=again)
        except StoreUnavailableError:
            self.loop.call_later(pause, lambda: self._try(group, again=True, pause=min(pause * 2, 1.0)))
            return
        except FencedError:
            self._fenced()
            return
        if self._at_commit is not None:
            self._killed_in_commit()
            return
        self._answer_at = max(self._answer_at, self.world.loop.time() + self._latency())
        wait = self._answer_at - self.world.loop.time()
        answers = [(on_done, result) for (_, on_done), result in zip(group, report.results, strict=True)]
        self._answers.append((answers, report.changes))
        self.loop.call_later(wait, self._answer)
        self._committing = bool(self._queue)
        if self._queue:
            self.loop.call_later(self._latency(), self._commit)

    def _answer(self) -> None:
        """Answer the oldest group: timers of one instant come in no order, answers do."""
        answers, changes = self._answers.popleft()
        if changes.clock_step is not None:  # before what came of it, as a committer does
            self._changed(CommitChanges(clock_step=changes.clock_step))
            changes = replace(changes, clock_step=None)
        for on_done, result in answers:
            if not self.dead:
                on_done(result)
        self._changed(changes)

    def _changed(self, changes: CommitChanges) -> None:
        if self.worker is not None and not self.dead:
            self.worker.changed(changes)

    def _poll(self) -> None:
        if not self.dead:
            self.guard(self._check)
            self.world.loop.call_later(_POLL_S, self._poll)

    def _check(self) -> None:
        leased = self._works and self.world.store.lease_ms is not None
        if leased and (self._is_unreachable() or self.world.dice.random() < self.world.fault_rate):
            return
        try:
            changed = self.database.poll()
        except FencedError:
            self._fenced()
            return
        if changed:
            self._changed(CommitChanges(ready=True, facts=True, triggers=True))
            if leased and self.session is not None:
                self._declare_silent_dead()

    def _off_loop(self, read: Callable[[], Any], then: Callable[[Any], None]) -> None:
        def run() -> None:
            if self._is_unreachable() or self.world.dice.random() < self.world.fault_rate:
                self.world.hits["read failed"] += 1
                result: Any = StoreUnavailableError("simulated: the read failed")
            else:
                result = read()
                if isinstance(result, list):
                    self.world.hits["history loaded"] += sum(isinstance(item, History) for item in result)
            self.loop.call_later(self._latency(), then, result)

        self.loop.call_later(self._latency(), run)


def _ignore(result: Any) -> None:
    """Nothing follows."""
