"""One simulation: a seed, some processes, some runs, faults for a while, then peace until all has ended."""

import asyncio
import contextlib
import random
import shutil
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec

from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.ids import make_id
from mainspring.domain.runs.journal import FactKind
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.definitions.run_start import build_start_command
from mainspring.store.commands.automations import SetQueue
from mainspring.store.commands.inbox import DeliverFact, PublishEvent
from mainspring.store.commands.results import Refused, StartAnswer
from mainspring.store.commands.run_control import PauseRun, ResumeRun, RunPauseRequest
from mainspring.store.commands.runs import CancelRun, GiveResult, ReopenRun
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.commands.updates import RequestUpdate, UpdateRequest
from mainspring.store.store_clock import StoreClock
from mainspring.testing import FakeClock, VirtualLoop
from tests.simulation import invariants
from tests.simulation.blobs import WorldBlobs
from tests.simulation.effects import Effects
from tests.simulation.forks import Forks
from tests.simulation.node import Node
from tests.simulation.stores import FOLDER, STORES
from tests.simulation.trees import HOWS, count, expect, grow
from tests.simulation.truth import LIMITS, Truth
from tests.simulation.workload import REGISTRY, SURROUNDED

CHAOS_S = 10.0
LAST = (["act", "last", "ok"], ["act", "last", "bad"], ["act", "last", "broken"], ["rollback"])
PEACE_S = 240.0


class StartedRun(msgspec.Struct):
    """A run of the simulation and what is to happen to it."""

    id: str
    automation: str
    tree: Any
    acked: bool = False
    cancelled: bool = False


class World:
    """All of it; `errors` is what must not be, `hits` which faults and recoveries were reached."""

    skews: tuple[int, ...] = (0, 0, -400, 250, 1_500)
    """How far the clock of a machine is from the others' (ms)."""
    final: tuple[str, ...] = ("hurried", "chain")
    """Automations whose failed runs no person continues."""
    hurried: tuple[str, ...] = ("hurried",)
    """Automations with a short deadline."""
    misfortunes: tuple[str, ...] = ("kill", "kill", "pause", "mistake", "mistake", "drain", "skew")

    def __init__(self, seed: int, folder: Path, *, wrap: Any = None, store: str = "sqlite") -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.clock = self.make_clock()
        self.loop = VirtualLoop(self.clock)
        self.store = STORES[store](folder)
        self.reader = self.store.reader
        self.wrap = wrap or (lambda database: database)
        self.hits: Counter[str] = Counter()
        self.errors: list[str] = []
        self.effects = Effects()
        self.truth = Truth(self.effects, self.hits, self.rows)
        self.truth.on_death = self._was_declared_dead
        self.fault_rate = self.dice.choice((0.01, 0.05, 0.2))
        self.runs: dict[str, StartedRun] = {}
        self.paused: set[str] = set()
        """Runs that a person wants to pause: one that waits for its partition lets the next run go first."""
        self.nodes: list[Node] = []
        self.blobs = WorldBlobs(self)
        self.forks = Forks(self)
        self.tenants: defaultdict[str, set[str | None]] = defaultdict(set)
        """What the steps of a run saw in its header."""
        self._machines = random.Random(f"machines {seed}")
        self.chain: StartedRun | None = None
        """The first run of a chain that restarts while facts come for it."""
        self._number = 0
        self._is_over = False
        self._checked: set[str] = set()
        self.client: Node = None  # type: ignore[assignment]  # made in the loop

    def make_clock(self) -> FakeClock:
        """Return the clock of the seed."""
        return FakeClock(seed=self.seed)

    def process_clock(self) -> StoreClock | None:
        """Return the clock by which a new process computes; None = its machine's."""
        return None

    def grow_tree(self, size: int, number: int) -> Any:
        """Return what a run has to do."""
        return grow(self.dice, size, number)

    def choose_registry(self, name: str) -> Registry:
        """Return what a new process of this name has loaded."""
        return SURROUNDED if self._machines.random() < 0.3 else REGISTRY

    def expect_result(self, started_run: StartedRun) -> Any:
        """Return the result that a run must give. Raises Failing: it must fail."""
        return expect(started_run.tree)

    def take_stop(self, run: str, ident: str, reason: str) -> None:
        """Take note of a run that needs a person for another reason than a step in doubt."""
        self.errors.append(f"run {run} needs attention: {reason} at {ident}")

    def befall(self, name: str) -> bool:
        """Let a misfortune happen that is of all processes; return whether it is one."""
        return False

    def next_number(self) -> int:
        """Return a number that nothing else has."""
        self._number += 1
        return self._number

    def rows(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read the store."""
        return self.reader.read_text(text, values)

    def live(self) -> None:
        """Run it to its end, and check."""
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._live())
        finally:
            self._is_over = True
            for node in [*self.nodes, self.client]:
                node._end()
            self._close()
        self.errors += self.truth.errors + self.effects.check()

    def _close(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()
        self.store.close()
        asyncio.set_event_loop(None)

    async def _live(self) -> None:
        self.client = Node(self, "client", works=False)
        self.client.submit(SetQueue("narrow", LIMITS["narrow"], None, None, None), _ignore)
        for n in range(self.dice.randint(3, 5)):
            self.loop.call_later(self.dice.uniform(0, 1), self._new_node, f"worker {n}")
        for n in range(self.dice.randint(6, 11)):
            self._plan_run(n)
        if self.seed % 4 == 0:
            self._plan_chain(random.Random(f"chain {self.seed}"))
        for _ in range(self.dice.randint(3, 10)):
            self.loop.call_later(self.dice.uniform(0.1, CHAOS_S), self._misfortune)
        for _ in range(int(CHAOS_S)):
            await asyncio.sleep(1)
            self._be_the_person()
        self._make_peace()
        until = self.loop.time() + PEACE_S
        while not (ended := self._all_ended()) and self.loop.time() < until:
            await asyncio.sleep(0.5)
            self._be_the_person()
        if not ended:
            self.errors.append(f"not ended in time: {self._unfinished()}")
        self.errors += invariants.check(self)

    # -- runs and what comes for them ----------------------------------------------------------------------------------

    def _plan_run(self, number: int) -> None:
        dice = self.dice
        name = dice.choice(("plain", "plain", "narrow", "narrow", "partitioned", "partitioned", "undone", "hurried"))
        tree = self.grow_tree(dice.choice((1, 4, 9, 14)), number)
        if name == "undone":
            tree = [
                "seq",
                [
                    ["undoable", f"u{dice.randrange(10**9)}"],
                    tree,
                    ["act", "last", dice.choice(("ok", "bad", "broken"))],
                ],
            ]
        if number % 4 == 3:
            name, tree = "single", ["act", f"a{number}", dice.choice(HOWS)]
        started_run = StartedRun(make_id("r", self.clock.now(), dice.getrandbits(80)), name, tree)
        self.runs[started_run.id] = started_run
        starts_at = dice.uniform(0, 7)
        self.loop.call_later(starts_at, self._start, started_run)
        if dice.random() < 0.3:  # the same call again: one run
            self.loop.call_later(starts_at + dice.uniform(0, 2), self._start, started_run)
        for n in range(count(tree, "signal")):
            fact = DeliverFact(started_run.id, FactKind.SIGNAL, "go", f"s{started_run.id}{n}", payload=b'"go"')
            self.loop.call_later(starts_at + dice.uniform(0, 12), self._deliver, fact)
        for n in range(count(tree, "event")):
            event = PublishEvent(f"e{started_run.id}{n}", f"ev{number}", b"{}", self.clock.now() + 10**9)
            self.loop.call_later(starts_at + dice.uniform(0, 12), self.client_submit, event)
        if dice.random() < 0.15:
            self.loop.call_later(starts_at + dice.uniform(0, 8), self._cancel, started_run)
        self._plan_pause(started_run, starts_at)

    def _plan_pause(self, started_run: StartedRun, starts_at: float) -> None:
        """Pause some runs, and resume each of them a little later; what they do is the same."""
        dice = random.Random(f"pause {started_run.id}")
        if dice.random() < 0.2:
            self.paused.add(started_run.id)
            paused_at = starts_at + dice.uniform(0, 8)
            pause = PauseRun(started_run.id, f"p{started_run.id}", RunPauseRequest("a person"))
            self.loop.call_later(paused_at, self.client_submit, pause)
            self.loop.call_later(paused_at + dice.uniform(0, 4), self._resume, started_run.id)

    def _resume(self, run: str) -> None:
        self.hits["resumed by a person"] += bool(self.rows("select 1 from run_pauses where run = ?", run))
        self.client_submit(ResumeRun(run, "resume"))

    def _plan_chain(self, dice: random.Random) -> None:
        """Plan a run that restarts again and again, and what comes for it: each counts exactly once in the chain."""
        started_run = self.chain = StartedRun(make_id("r", self.clock.now(), dice.getrandbits(80)), "chain", None)
        self._start(started_run)
        for n in range(invariants.CHAINED):
            data = msgspec.json.encode({"for": "chain", "number": n})
            event = PublishEvent(f"tick {n}", "tick", data, self.clock.now() + 10**9)
            self.loop.call_later(dice.uniform(0.5, 12), self.client_submit, event)
            fact = DeliverFact(started_run.id, FactKind.SIGNAL, "tock", f"tock {n}", payload=str(n).encode())
            self.loop.call_later(dice.uniform(0, 12), self._deliver, fact)
            update = RequestUpdate(started_run.id, UpdateRequest("put", f"put {n}", str(n).encode(), f"hash {n}"))
            for _ in range(2):  # the same request again: one update
                self.loop.call_later(dice.uniform(0, 12), self.client_submit, update)

    def client_submit(self, command: Any, on_done: Any = None) -> None:
        """Send something from outside."""
        self.client.submit(command, on_done or _ignore)

    def _start(self, started_run: StartedRun) -> None:
        data: dict[str, Any] = (
            {"tree": started_run.tree}
            if started_run is not self.chain
            else {"total": 3 * invariants.CHAINED, "got": []}
        )
        if started_run.automation == "partitioned":
            data["partition"] = f"lane {len(started_run.tree) % 2}"
        definition = REGISTRY.get(started_run.automation).definition
        options = StartOptions(key=f"k{started_run.id}", headers={"tenant": f"t{started_run.id}"})
        command = build_start_command(
            definition,
            msgspec.json.encode(data),
            run=started_run.id,
            now_at=self.clock.now(),
            trigger="test",
            options=options,
            sealing=self.blobs.sealing(),
        )

        def started(result: Any) -> None:
            if not isinstance(result, StartAnswer) or result.run != started_run.id:
                self.errors.append(f"start of {started_run.id} was answered {result!r}")
            started_run.acked = True

        self.client_submit(command, started)

    def _deliver(self, fact: DeliverFact) -> None:
        def delivered(result: Any) -> None:
            if isinstance(result, Refused) and result.code == "not_found":
                self.loop.call_later(0.5, self._deliver, fact)

        self.client_submit(fact, delivered)

    def _cancel(self, started_run: StartedRun) -> None:
        started_run.cancelled = True
        self.hits["cancel"] += 1
        self.client_submit(CancelRun(started_run.id, f"c{started_run.id}"))
        if self.dice.random() < 0.3:
            self.hits["second cancel"] += 1
            self.loop.call_later(
                self.dice.random(), self.client_submit, CancelRun(started_run.id, f"cc{started_run.id}")
            )

    def _be_the_person(self) -> None:
        """Answer questions, give the results of steps in doubt or cancel, continue some failed runs, rolled back ones among them."""
        self.forks.fork_some()
        failed = "select id, automation from runs where state = 'failed' and parent is null and id not in (select run from started_runs)"
        for run, automation in self.rows(failed):
            if automation in self.final:
                continue
            if run not in self._checked and self.dice.random() < 0.6 and self._can_go_on(run):
                self.client_submit(ReopenRun(run))
            self._checked.add(run)
        for run, ident in self.rows("select run, ident from waits where kind = 'ask' and filled = 0"):
            fact = DeliverFact(run, FactKind.ANSWER, "ask", f"a{run}{ident}", ident=ident, payload=b'"yes"')
            self.client_submit(fact)
        doubt = "select id, failed_ident, reason from runs where state = 'needs_attention'"
        for run, ident, reason in self.rows(doubt):
            if reason != "in_doubt":
                self.take_stop(run, ident, reason)
                continue
            self.hits["step in doubt"] += 1
            started_run = self.runs.get(run)
            if started_run is not None and self.dice.random() < (0.7 if started_run.automation == "undone" else 0.1):
                self._cancel(started_run)
                continue
            given = self.rows(
                "select input from journal where run = ? and ident = ? and superseded is null", run, ident
            )
            if given:
                self.effects.given.setdefault(run, set()).add(ident)
                name = msgspec.json.encode(msgspec.json.decode(self.blobs.sealing().open(bytes(given[0][0])))["name"])
                self.client_submit(GiveResult(run, ident, f"g{self.next_number()}", name))

    def _can_go_on(self, run: str) -> bool:
        """Whether continuing a run asks for nothing that comes only once: one that was undone waits for its messages again."""
        started_run = self.runs[run]
        return started_run.automation != "undone" or not any(
            count(started_run.tree, form) for form in ("signal", "event", "ask")
        )

    # -- processes -----------------------------------------------------------------------------------------------------

    def _new_node(self, name: str) -> None:
        if not self._is_over:  # tasks that are slow to end let time pass
            self.nodes.append(Node(self, name))

    def _misfortune(self) -> None:
        living = [node for node in self.nodes if not node.dead and not node.draining]
        if not living:
            return
        dice, node = self.dice, self.dice.choice(living)
        leased = self.store.lease_ms is not None
        misfortune = dice.choice(self.misfortunes + ("cut off", "cut off") * leased)
        self.hits[misfortune] += 1
        if self.befall(misfortune):
            return
        if misfortune == "kill":
            found_after, replaced_after = dice.uniform(0, 3), dice.uniform(0.1, 3)

            is_single = leased and dice.random() < 0.5

            def killed() -> None:
                if not is_single:  # else its whole machine is gone, and only its silence tells
                    self.loop.call_later(found_after, self._declare_dead, node)
                self.loop.call_later(replaced_after, self._new_node, node.name)

            node.kill(killed, in_commit=dice.random() < 0.5)
        elif misfortune in ("pause", "mistake"):
            node.pause()
            if misfortune == "mistake":
                self.loop.call_later(dice.uniform(0, 2), self._declare_dead, node)
                self.loop.call_later(dice.uniform(2, 6), self._new_node, node.name)
            self.loop.call_later(dice.uniform(0.5, 5), node.resume)
        elif misfortune == "cut off":
            node.unreachable_until = self.loop.time() + dice.uniform(0.5, 8)
        elif misfortune == "drain":
            node.drain()
            self.loop.call_later(dice.uniform(0, 5), self._new_node, node.name)
        else:
            node.clock.skew_ms += dice.choice((-1_000, 1_000, 30_000))

    def _declare_dead(self, node: Node) -> None:
        if node.database.session is not None and not node.declared_dead:
            node.declared_dead = True
            self.hits["declared_dead"] += 1
            self.client_submit(DeclareSessionDead(node.database.session))

    def _was_declared_dead(self, command: DeclareSessionDead) -> None:
        """Only who is silent is declared dead for its silence, and by then a process that moves has ended itself."""
        if command.silent_ms is None:
            return
        for node in [*self.nodes, self.client]:
            if node.session == command.session:
                node.declared_dead = True
                self.hits["buried for its silence"] += 1
                if node is self.client or (node.is_awake and not node.lease_is_over):
                    self.errors.append(f"{node} was buried for its silence while it took itself for alive")

    def replace(self, node: Node) -> None:
        """Start another process in place of one that ended by itself."""
        self._new_node(node.name)

    def _make_peace(self) -> None:
        self.fault_rate = 0.0
        for node in self.nodes:
            node.resume()
            if node.dead and self.store.lease_ms is None:
                self._declare_dead(node)
        self._new_node("last worker")

    def _all_ended(self) -> bool:
        if any(not started_run.acked for started_run in (*self.runs.values(), *filter(None, [self.chain]))):
            return False
        return not self.rows("select 1 from runs where finished_at is null limit 1")

    def _unfinished(self) -> list[tuple[Any, ...]]:
        expected = "id, automation, state, ready, due_at, session, waiting_for, blocked, parent, rank"
        return self.rows(f"select {expected} from runs where finished_at is null")


def simulate(seed: int, *, wrap: Any = None, store: str = "sqlite", kind: type[World] = World) -> World:
    """Live one seed."""
    folder = Path(tempfile.mkdtemp(prefix="mainspring-sim-", dir=FOLDER))
    try:
        world = kind(seed, folder, wrap=wrap, store=store)
        world.live()
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
    return world


def _ignore(result: Any) -> None:
    """Nothing follows."""
