"""Several processes at once on few things, by chance from a seed; afterwards a calm in which all that can continue does."""

import contextlib
import random
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Self

import msgspec

from mainspring.domain.definitions.start_options import KEY_POLICIES
from mainspring.domain.errors import FencedError, StoreUnavailableError
from mainspring.domain.runs.journal import FactKind, OutcomeKind
from mainspring.domain.states import FailureReason, RunState
from mainspring.store import failpoints
from mainspring.store.commands.automations import (
    AcquireLock,
    ApplyRetention,
    CancelLockWait,
    MakeSlot,
    ReleaseLock,
    SetQueue,
)
from mainspring.store.commands.inbox import CloseWait, OpenWait, RejectFact
from mainspring.store.commands.results import LockGranted, Refused, StartAnswer
from mainspring.store.commands.run_control import PauseRun, ResumeRun, RunPauseRequest
from mainspring.store.commands.runs import (
    CancelRun,
    ClaimedRuns,
    ClaimRuns,
    DiscardRun,
    ParentLink,
    ReopenRun,
    RunKey,
    StartRequest,
)
from mainspring.store.commands.sessions import DeclareSessionDead
from tests.contract.store.process import BOOM, audited, event, fail, finish, halt, outcome, signal, suspend, wait_for

LIMITS = {"pair": 2, "one": 1}
RATE, RATE_MS = 3, 1_000
BACKLOG = 4
_EVENTS, _PARTITIONS, _KEYS, _LOCKS = ("paid", "sent"), ("p", "q"), ("k1", "k2"), ("l1", "l2")

SEVERAL_LIVE = """
    select automation, run_key from runs where run_key is not null and finished_at is null and coalesce(blocked, '') <> 'key'
    group by automation, run_key having count(*) > 1"""
"""Keys with several live runs. One that waits for the end of the run that it replaces is not live."""
SLOTS = 2
LIMITED = b'{"options":{"concurrency":2}}'
SLOT_ERRORS = f"""
    select concurrency_key, count(*) from runs where has_slot = 1 group by automation, concurrency_key having count(*) > {SLOTS}
    union all
    select id, 0 from runs where concurrency_key is not null and has_slot <> case when ready = 1 or state = 'running' then 1 else 0 end"""
"""Concurrency keys whose runs have more slots than there are, and runs that are ready or run without a slot, or have one and do neither."""


class Books:
    """What all processes together know. What is noted here is never more than what is so, so that too much here is too much there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.running: dict[str, dict[str, int]] = defaultdict(dict)
        self.holding: dict[str, set[str]] = defaultdict(set)
        self.declared_dead: set[int] = set()
        self.reopened: set[str] = set()
        self.tokens: dict[str, list[int]] = defaultdict(list)
        self.runs: list[str] = []
        self.slots: list[int] = []
        self.errors: list[str] = []
        self.groups = self.sent_again = 0

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def start_run(self, run: Any, session: int, partition: str | None) -> None:
        if session in self.declared_dead:
            return
        if run.queue in LIMITS:
            self.running[run.queue][run.id] = session
            if len(self.running[run.queue]) > LIMITS[run.queue]:
                self.errors.append(f"too many run in {run.queue}: {sorted(self.running[run.queue])}")
        if partition is not None:
            self.holding[partition].add(run.id)
            if len(self.holding[partition]) > 1:
                self.errors.append(f"two hold {partition}: {sorted(self.holding[partition])} by {run.id} of {session}")

    def pauses(self, run: Any) -> None:
        self.running[run.queue].pop(run.id, None)

    def ends(self, run: Any) -> None:
        self.pauses(run)
        self.release_run(run.id)

    def release_run(self, run: str) -> None:
        for holders in self.holding.values():
            holders.discard(run)

    def declare_dead(self, session: int) -> None:
        """Its runs may continue elsewhere as soon as the burial is sent."""
        self.declared_dead.add(session)
        for queue, running in self.running.items():
            self.running[queue] = {run: owner for run, owner in running.items() if owner != session}


class Owned:
    """A run in the hands of a process."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.rank = run.rank
        self.facts = list(run.facts)
        self.requested = run.rank
        self.waits: list[str] = []


class Actor:
    """One process after the other: anyone who finds its session declared dead is followed by a new one."""

    def __init__(self, open_process: Callable[[], Any], books: Books, theme: str, seed: int, groups: int) -> None:
        self.theme = theme
        self.rng = random.Random(seed)
        self.open_process = open_process
        self.books = books
        self.left = groups
        self.error: BaseException | None = None
        self.process: Any = None
        self.owned: dict[str, Owned] = {}
        self.tokens: dict[str, int] = {}
        self.lock_waits: dict[str, str] = {}
        self.number = 0

    def live(self) -> None:
        try:
            while self.left > 0:
                with contextlib.suppress(
                    FencedError
                ):  # another one may declare it dead before it has announced anything
                    self.process = self.open_process()
                    self.owned, self.tokens, self.lock_waits = {}, {}, {}
                    while self.left > 0:
                        self.left -= 1
                        self.act()
        except BaseException as error:
            self.error = error

    def send(self, commands: list[Any]) -> list[Any]:
        again = False
        while True:
            try:
                results = self.process.database.commit(commands, again=again).results
            except StoreUnavailableError:
                again = True
                with self.books as books:
                    books.sent_again += 1
            else:
                with self.books as books:
                    books.groups += 1
                for command, result in zip(commands, results, strict=True):
                    if isinstance(result, BaseException):
                        raise AssertionError(f"{command} failed") from result
                return results

    def act(self) -> None:
        commands: list[Any] = []
        callbacks: list[Callable[[Any], None]] = []
        for _ in range(self.rng.choice((1, 1, 2, 4))):
            kind = self.rng.choice(THEMES[self.theme])
            for command, callback in kind(self):
                commands.append(command)
                callbacks.append(callback)
        if commands:
            for callback, result in zip(callbacks, self.send(commands), strict=True):
                callback(result)

    def name(self, prefix: str) -> str:
        return str(self.process.name(prefix))

    def some_run(self) -> str | None:
        runs = self.books.runs[-6:]
        return self.rng.choice(runs) if runs else None

    def some_owned(self) -> Owned | None:
        free = list(self.owned.values())
        return self.rng.choice(free) if free else None

    # What an actor may do: pairs of a command and what to do with its answer.

    def start(self) -> list[Any]:
        queue = self.rng.choice(("default", "pair", "one", "rated", "tight"))
        options: dict[str, Any] = {"queue": queue}
        lines, keys = _FAVOURS.get(self.theme, (0.4, 0.2))
        if self.rng.random() < lines:
            options["partition"], options["queue"] = self.rng.choice(_PARTITIONS), "default"
        elif self.rng.random() < keys:
            policy = self.rng.choice(KEY_POLICIES)
            options["run_key"], options["queue"] = RunKey(self.rng.choice(_KEYS), "h", policy), "default"
            if self.rng.random() < 0.3:
                options["request"] = StartRequest(f"req{self.rng.randrange(20)}", "h")
        if self.rng.random() < 0.3:
            options["due_at"] = self.process.clock.now() + self.rng.choice((1, 500))
        if self.theme == "slots":
            options["concurrency_key"] = self.rng.choice(_KEYS)
            options["priority"] = self.rng.choice((0, 0, 1))
        if (owner := self.some_owned()) is not None and self.rng.random() < 0.4:
            self.number += 1
            options |= {"partition": None, "queue": "default"}
            options["parent"] = ParentLink(owner.run.id, f"c{self.number}", owner.run.claim)
        command = self.process.starting("b" if "parent" in options else "a", title=options.get("partition"), **options)
        return [(command, self.started)]

    def started(self, answer: Any) -> None:
        if isinstance(answer, StartAnswer):
            self.books.runs.append(answer.run)

    def claim(self) -> list[Any]:
        return [(ClaimRuns(self.name("c"), self.rng.choice((1, 3))), self.claimed)]

    def claimed(self, answer: Any) -> None:
        assert isinstance(answer, ClaimedRuns)
        with self.books as books:
            for run in answer.runs:
                self.owned[run.id] = Owned(run)
                books.start_run(run, self.process.session, run.title)

    def check(self) -> list[Any]:
        for fact in self.process.engine_reads.facts_after(self.process.session, 0):
            owned = self.owned.get(fact.run)
            if owned is not None and fact.seq not in {known.seq for known in owned.facts}:
                owned.facts.append(fact)
        return []

    def check_keys(self) -> list[Any]:
        """Read in one snapshot that no key has two live runs, whatever was committed last."""
        return self._expect_none(SEVERAL_LIVE, "keys with several live runs")

    def check_slots(self) -> list[Any]:
        """Read in one snapshot that no key has more slots than its limit, whatever was committed last."""
        return self._expect_none(SLOT_ERRORS, "slots")

    def _expect_none(self, text: str, name: str) -> list[Any]:
        rows = self.process.reader.read_text(text, ())
        if rows:
            with self.books as books:
                books.errors.append(f"{name}: {rows}")
        return []

    def pause(self) -> list[Any]:
        run = self.some_run()
        if run is None:
            return []
        if self.rng.random() < 0.5:
            return [(PauseRun(run, self.name("p"), RunPauseRequest("ann", None)), ignore)]
        return [(ResumeRun(run, self.name("r")), ignore)]

    def accept_delivery(self, owned: Owned) -> list[Any]:
        """Accept whatever the owner has seen."""
        commands = []
        for fact in owned.facts:
            owned.rank += 1
            ident = fact.ident or f"{fact.kind}:{fact.seq}"
            saved = outcome(
                owned.run, owned.rank, f"{ident}@{fact.seq}", kind=OutcomeKind.STEP, inbox=fact.seq, marked=True
            )
            commands.append((saved, ignore))
        return commands

    def release(self, make: Callable[[Owned, int], Any], *, ends: bool) -> list[Any]:
        owned = self.some_owned()
        if owned is None:
            return []
        del self.owned[owned.run.id]
        seen = max((fact.seq for fact in owned.facts), default=0)
        commands = self.accept_delivery(owned)
        with self.books as books:
            if ends:
                books.ends(owned.run)
            else:
                books.pauses(owned.run)
        return [*commands, (make(owned, seen), ignore)]

    def suspend(self) -> list[Any]:
        due_at = self.rng.choice((None, self.process.clock.now() + 300))
        return self.release(lambda o, seen: suspend(o.run, seen=seen, rank=o.rank, due_at=due_at), ends=False)

    def finish(self) -> list[Any]:
        return self.release(lambda o, _: finish(o.run, rank=o.rank), ends=True)

    def restart(self) -> list[Any]:
        """End a run so that another continues it."""
        successor = self.process.starting(id=self.name("successor"))

        def build_end(owned: Owned, _: int) -> Any:
            key = None if owned.run.run_key is None else RunKey(owned.run.run_key, "h", "continue")
            return finish(
                owned.run,
                rank=owned.rank,
                then=msgspec.structs.replace(successor, run_key=key, automation=owned.run.automation),
            )

        found = self.release(build_end, ends=True)
        if found:
            with self.books as books:
                books.runs.append(successor.id)
        return found

    def reject(self) -> list[Any]:
        """Do not read one of the messages that the owner has seen."""
        owned = self.some_owned()
        facts = (
            [] if owned is None else [fact for fact in owned.facts if fact.kind in (FactKind.SIGNAL, FactKind.EVENT)]
        )
        if owned is None or not facts:
            return []
        fact = self.rng.choice(facts)
        owned.facts.remove(fact)
        name = fact.name if fact.kind is FactKind.EVENT else None
        return [(RejectFact(owned.run.id, owned.run.claim, fact.seq, BOOM, name), ignore)]

    def fail(self) -> list[Any]:
        return self.release(lambda o, _: fail(o.run, rank=o.rank), ends=True)

    def halt(self) -> list[Any]:
        return self.release(lambda o, _: halt(o.run, reason=FailureReason.DRIFT, rank=o.rank), ends=False)

    def save(self) -> list[Any]:
        owned = self.some_owned()
        if owned is None:
            return []
        owned.rank += 1
        self.number += 1
        return [(outcome(owned.run, owned.rank, f"s{self.number}@{self.process.session}"), ignore)]

    def wait(self) -> list[Any]:
        owned = self.some_owned()
        if owned is None:
            return []
        self.number += 1
        ident = f"w{self.number}@{self.process.session}"
        owned.waits.append(ident)
        watched = self.some_run()
        if watched is not None and watched != owned.run.id and self.rng.random() < 0.4:
            return [(OpenWait(owned.run.id, owned.run.claim, ident, "run", watched), ignore)]
        return [(wait_for(owned.run, self.rng.choice(_EVENTS), ident, since_at=0), ignore)]

    def close_wait(self) -> list[Any]:
        owned = self.some_owned()
        if owned is None or not owned.waits:
            return []
        return [(CloseWait(owned.run.id, owned.run.claim, owned.waits.pop()), ignore)]

    def deliver(self) -> list[Any]:
        run = self.some_run()
        return [] if run is None else [(signal(run, self.name("src")), ignore)]

    def publish(self) -> list[Any]:
        return [(event(self.rng.choice(_EVENTS)), ignore)]

    def cancel(self) -> list[Any]:
        run = self.some_run()
        if run is None:
            return []
        with self.books as books:
            books.release_run(run)
        return [(audited(CancelRun(run, f"x-{run}"), f"x-{run}"), ignore)]

    def reopen(self) -> list[Any]:
        run = self.some_run()
        if run is None:
            return []
        with self.books as books:
            books.reopened.add(run)
        return [(ReopenRun(run), ignore)]

    def lock(self) -> list[Any]:
        name = self.rng.choice(_LOCKS)
        if name in self.tokens:
            return [(ReleaseLock(name, self.tokens.pop(name)), ignore)]
        owner = self.lock_waits.pop(name, None) or self.name("owner")
        wait_ms = self.rng.choice((0, 500, 60_000))
        if self.rng.random() < 0.2:
            return [(CancelLockWait(name, owner), ignore)]

        def note_answer(answer: Any) -> None:
            if isinstance(answer, Refused) and wait_ms:
                self.lock_waits[name] = owner
            if isinstance(answer, LockGranted):
                self.tokens[name] = answer.token
                with self.books as books:
                    books.tokens[name].append(answer.token)

        return [(AcquireLock(name, owner, None, 1, wait_ms), note_answer)]

    def slot(self) -> list[Any]:
        slot_at = self.rng.randrange(40)

        def made(answer: Any) -> None:
            if not isinstance(answer, Refused):
                self.started(answer)
                with self.books as books:
                    books.slots.append(slot_at)

        return [(MakeSlot("a", slot_at, slot_at + 1, "run", self.process.starting()), made)]

    def prune(self) -> list[Any]:
        return [(ApplyRetention(self.process.clock.now() - 5_000, None, None, None, None, limit=2), ignore)]

    def announce(self) -> list[Any]:
        self.process.announce("a", "b", fingerprint="code-1", definition=LIMITED)
        return []

    def declare_dead_sessions(self) -> list[Any]:
        if self.rng.random() > 0.1:
            return []
        rest_of_them = [session.id for session in self.process.read("sessions") if session.id != self.process.session]
        if not rest_of_them:
            return []
        dead = self.rng.choice(rest_of_them)
        with self.books as books:
            books.declare_dead(dead)
        return [(DeclareSessionDead(dead), ignore)]

    def forward(self) -> list[Any]:
        self.process.clock.forward(self.rng.choice((1, 50, 400)))
        return []


def ignore(answer: Any) -> None:
    """A refusal is an answer too."""


OPERATIONS: tuple[Callable[[Actor], list[Any]], ...] = (
    *(Actor.start,) * 5,
    *(Actor.claim,) * 6,
    *(Actor.check,) * 3,
    *(Actor.suspend,) * 4,
    *(Actor.finish,) * 4,
    *(Actor.wait, Actor.wait, Actor.close_wait, Actor.deliver, Actor.deliver, Actor.publish, Actor.publish),
    *(Actor.fail, Actor.halt, Actor.save, Actor.save, Actor.cancel, Actor.reopen, Actor.reopen),
    *(Actor.lock, Actor.lock, Actor.slot, Actor.prune, Actor.announce, Actor.declare_dead_sessions, Actor.forward),
)


THEMES: dict[str, tuple[Callable[[Actor], list[Any]], ...]] = {
    "all": OPERATIONS,
    "lines": (
        *(Actor.start,) * 4,
        *(Actor.claim,) * 3,
        *(Actor.finish,) * 3,
        *(Actor.cancel,) * 4,
        Actor.suspend,
        Actor.forward,
    ),
    "events": (
        *(Actor.start, Actor.start, *(Actor.claim,) * 3, Actor.check, Actor.suspend, Actor.finish),
        *(*(Actor.wait,) * 4, *(Actor.close_wait,) * 3, *(Actor.publish,) * 4),
    ),
    "chains": (
        *(
            Actor.start,
            Actor.start,
            *(Actor.claim,) * 4,
            *(Actor.check,) * 3,
            Actor.suspend,
            Actor.reopen,
            Actor.cancel,
        ),
        *(*(Actor.wait,) * 3, Actor.close_wait, *(Actor.publish,) * 3, *(Actor.deliver,) * 2),
        *(*(Actor.restart,) * 4, *(Actor.reject,) * 3, Actor.declare_dead_sessions, Actor.forward),
    ),
    "keys": (
        *(*(Actor.start,) * 4, *(Actor.claim,) * 3, *(Actor.fail,) * 3, Actor.finish, *(Actor.reopen,) * 4),
        *(Actor.restart, Actor.cancel, Actor.cancel, Actor.declare_dead_sessions, Actor.check_keys, Actor.check_keys),
    ),
    "slots": (
        *(
            *(Actor.start,) * 4,
            *(Actor.claim,) * 4,
            *(Actor.finish,) * 2,
            Actor.fail,
            Actor.halt,
            *(Actor.suspend,) * 3,
            Actor.wait,
        ),
        *(
            *(Actor.deliver,) * 2,
            Actor.cancel,
            Actor.reopen,
            Actor.pause,
            Actor.pause,
            Actor.check_slots,
            Actor.check_slots,
        ),
        *(Actor.declare_dead_sessions, Actor.forward),
    ),
    "ends": (
        *(
            *(Actor.start,) * 4,
            *(Actor.claim,) * 4,
            *(Actor.finish,) * 3,
            *(Actor.suspend,) * 3,
            Actor.wait,
            Actor.wait,
        ),
        *(Actor.deliver, Actor.deliver, Actor.cancel, Actor.check, Actor.declare_dead_sessions),
    ),
}
_FAVOURS = {
    "lines": (1.0, 0.0),
    "keys": (0.0, 1.0),
    "slots": (0.2, 0.0),
    "events": (0.0, 0.0),
    "chains": (0.0, 0.0),
    "ends": (0.2, 0.0),
}
"""How many of the starts ask for a partition, and how many of the others for a key."""


def prepare(process: Any) -> None:
    """Make the queues with their limits."""
    process.do(
        *(SetQueue(name, concurrency=most) for name, most in LIMITS.items()),
        SetQueue("rated", rate_count=RATE, rate_per_ms=RATE_MS),
        SetQueue("tight", max_backlog=BACKLOG),
    )


def storm(open_process: Callable[[], Any], theme: str, seed: int, *, actors: int, groups: int) -> Books:
    """Let so many processes send so many groups each, all at once."""
    books = Books()
    group = [Actor(open_process, books, theme, seed * 1_000 + n, groups) for n in range(actors)]
    threads = [threading.Thread(target=actor.live, daemon=True) for actor in group]
    failpoints.install(_Straggler(seed))
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
            assert not thread.is_alive(), "a process never came to its end"
    finally:
        failpoints.install(None)
    for actor in group:
        if actor.error is not None:
            raise actor.error
    return books


class _Straggler:
    """Lets some groups stand a moment before they are committed, so that others come while it is not known what becomes of them."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._never = threading.Event()

    def __call__(self, place: str) -> None:
        if place == "commit.before" and self._rng.random() < 0.5:
            self._never.wait(self._rng.random() * 0.01)


def calm(process: Any) -> None:
    """Declare all other sessions dead and let everything come to its end; a run that waits for nothing that can come is sent a message."""
    for session in process.read("sessions"):
        if session.id != process.session:
            process.do(DeclareSessionDead(session.id))
    for run in process.list_runs(states=(RunState.PAUSED,), limit=1_000).runs:
        process.do(ResumeRun(run.id, f"calm-{run.id}"))
    for run in process.list_runs(states=(RunState.NEEDS_ATTENTION,), limit=1_000).runs:
        process.do(DiscardRun(run.id))
    for _ in range(1_000):
        process.clock.forward(1_000)
        # A run that was lost with several processes waits for the one of probation.
        claims = [process.claim(50, probation=probation) for probation in (False, True)]
        for run in (run for claimed in claims for run in claimed.runs):
            process.do(finish(run, rank=run.rank))
        if not any(claimed.runs or claimed.more for claimed in claims):
            waiting = process.list_runs(states=(RunState.WAITING,), limit=1_000).runs
            if not waiting:
                return
            for run in waiting:
                process.do(signal(run.id, f"calm-{run.id}"))
