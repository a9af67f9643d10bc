"""One experiment: a run is started, its worker is killed where it was ordered, others continue it to its end, and everything is checked.

The client (this process) is outside the crash domain: it starts the run, delivers its event and answer under fixed command ids, each
twice, and looks at the store. Nothing waits for time to pass: processes are watched by pidfd, runs by reading the store.
"""

import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from mainspring.domain.ids import make_idempotency_key
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import TERMINAL_STATES, OutcomeState, RunState
from mainspring.domain.values.codec import decode
from mainspring.engine.definitions.registry import Registry
from tests.crash.clients import Client
from tests.crash.effects import Call, Effects
from tests.crash.lives import Life
from tests.crash.processes import Process, Template
from tests.crash.stores import Stores

_POLL = 0.002
_LONGEST = 30.0
"""No experiment takes so long unless something hangs."""
WITHOUT_CALLS = frozenset({"booked", "script_with_children", "undo own leg"})
"""Steps whose effects are not on the effect server, and the undo of a child as a run."""


class World:
    """What all experiments of a module share: effect server, template, the automations, and a store to copy."""

    def __init__(self, folder: Path, registry: Registry, stores: Callable[[Path], Stores]) -> None:
        self.folder = folder
        self.registry = registry
        self.effects = Effects(folder)
        self.template = Template()
        self._seed = folder / "seed"
        self._seed.mkdir()
        self._count = 0
        self.stores = stores(self._seed)
        self.urls: dict[str, str] = {}
        """The store of each folder, by the folder's name."""
        own = apsw.Connection(str(self._seed / "own.db"))
        own.execute("create table bookings (id integer primary key, what text not null)")
        own.close()

    def fresh(self) -> Path:
        """Return a new folder with a store and a database of the user's own."""
        self._count += 1
        folder = self.folder / f"t{self._count}"
        folder.mkdir()
        shutil.copyfile(self._seed / "own.db", folder / "own.db")
        self.urls[folder.name] = self.stores.make(folder)
        return folder

    def drop(self, folder: Path) -> None:
        """Take a folder and its store away."""
        self.stores.drop(folder)
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End the processes."""
        self.template.close()
        self.effects.close()
        self.stores.close()


@dataclass(frozen=True)
class Scenario:
    """A workflow and what must have come true at its end. `deliver` is called until it returns True; `verify` looks further."""

    automation: str
    state: RunState = RunState.SUCCEEDED
    other_ends: tuple[RunState, ...] = ()
    deliver: Callable[["Experiment"], bool] = lambda experiment: True
    verify: Callable[["Experiment"], None] = lambda experiment: None
    result: Any = None
    max_suspended: int = 2_000
    places: tuple[str, ...] = ("commit.before", "commit.after")
    minimum: int = 8
    """Fewer commit points than this prove nothing."""
    is_surrounded: bool = False
    """Each second worker has middleware around runs and steps: it may be added and removed while a run is in flight."""
    follows: bool = False
    """`deliver` starts what follows the end of the first run: before that, nothing is over."""


@dataclass
class Snapshot:
    """What was committed when a life ended."""

    keys: set[str]
    checkpoints: dict[str, Any]


@dataclass
class Experiment:
    """One run and the lives that carried it."""

    world: World
    scenario: Scenario
    kills: list[str]
    """`place:kill@n` = at the n-th time that a life passes the place, `place:kill change` = at the first group with this change."""
    before: Callable[["Experiment"], object] = lambda experiment: None
    """What happens before the client starts the run."""
    folder: Path = field(init=False)
    client: Client = field(init=False)
    run: str = ""
    lives: list[Process] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    number: int = 0
    commits: int = 0
    """How many commits the last life finished."""
    written: list[list[list[str]]] = field(default_factory=list)
    """What each group of each life changed."""
    struck: list[str] = field(default_factory=list)
    """What the last ordered kill at a commit of the store kept from being written, or from being known."""
    survived: bool = False
    """The last ordered kill was never reached: the run ended before it."""
    seen: list[Call] = field(default_factory=list)
    """What the world saw, once the experiment is over."""
    _mark: int = 0
    _delivered: bool = False

    def begin(self) -> None:
        """Make a store and start the run."""
        self.folder = self.world.fresh()
        self.number = int(self.folder.name[1:])
        self._mark = self.world.effects.mark()
        self.client = Client(self.url, self.world.registry)
        self.before(self)
        self.run = self.client.start(self.scenario.automation)

    def go(self) -> None:
        """Carry the run to its end through all kills, and check it."""
        self.begin()
        try:
            for number, order in enumerate([*self.kills, ""], 1):
                if self._live(number, order):
                    break
            self.check()
            self.scenario.verify(self)
        except BaseException as error:
            error.add_note(self._describe())
            raise
        finally:
            self.end()

    def end(self) -> None:
        """Kill what is left and tidy up."""
        self.seen = self.calls()
        for life in self.lives:
            life.kill()
        self.client.close()
        self.world.drop(self.folder)

    def _live(self, number: int, order: str) -> bool:
        """Let one worker live until it is killed or the run has ended; True if no one needs to follow."""
        process = self.world.template.start(self.life(number, order))
        self.lives.append(process)
        until = time.monotonic() + _LONGEST
        pause = _POLL
        while not process.ended(pause):
            checked_at = time.monotonic()
            if not self._delivered:
                self._delivered = self.scenario.deliver(self)
            if self.over():
                if order and self._is_in_a_commit(process):
                    continue  # the run was seen to be over before the worker could pass the point after that very commit
                if order and self._reached(process, order):
                    assert process.ended(10)
                    break
                process.kill()
                self.commits = process.passed()
                self.written.append(process.written())
                self.survived = bool(order)
                return True
            assert time.monotonic() < until, "the run hangs"
            pause = max(_POLL, 2 * (time.monotonic() - checked_at))  # a look takes the processor from the worker
        assert (bool(order), process.code) == (True, -9), f"life {number} ended by itself with code {process.code}"
        self.snapshots.append(self._snapshot())
        self.written.append(process.written())
        self.struck = self.written[-1][-1] if order.startswith("commit.") else []
        return False

    def life(self, number: int, order: str) -> Life:
        """Return what one worker is to do."""
        failpoint, _, change = order.partition(" ")
        return Life(
            folder=str(self.folder),
            store=self.url,
            experiment=self.folder.name,
            effects=self.world.effects.path,
            number=number,
            failpoint=failpoint,
            change=change,
            max_suspended=self.scenario.max_suspended,
            is_surrounded=self.scenario.is_surrounded and (self.number + number) % 2 == 0,
        )

    @staticmethod
    def _reached(process: Process, order: str) -> bool:
        """Tell whether the ordered kill was reached: then the process is dying, or will at the commit of its group."""
        if process.life.change:
            return any(process.life.change in group for group in process.written())
        place, _, count = order.partition(":kill@")
        return process.passed(place) >= int(count)

    @staticmethod
    def _is_in_a_commit(process: Process) -> bool:
        return process.passed("commit.before") > process.passed("commit.after")

    @property
    def url(self) -> str:
        """The store."""
        return self.world.urls[self.folder.name]

    def over(self) -> bool:
        """Tell whether the run has ended, or needs a person for other than what is still to be delivered."""
        if self.scenario.follows and not self._delivered:
            return False
        state = self.client.view(self.run).state
        return state in TERMINAL_STATES or (state is RunState.NEEDS_ATTENTION and self._delivered)

    def _snapshot(self) -> Snapshot:
        outcomes = self.client.rows(
            "select run, ident, generation from journal where superseded is null"
            # A run with a policy of its own may try again what has failed.
            " and not (state = 'failed' and run in (select run from run_retries))"
        )
        saved = self.client.rows("select ident, value from checkpoints where value is not null")
        return Snapshot(
            {make_idempotency_key(run, ident, generation) for run, ident, generation in outcomes},
            {ident: decode(value) for ident, value in saved},
        )

    # -- checks --------------------------------------------------------------------------------------------------------

    def calls(self) -> list[Call]:
        """Return what the world saw of this experiment."""
        return self.world.effects.calls(self._mark, self.folder.name)

    def check(self) -> None:
        """Check everything that must be true of every workflow."""
        view, scenario = self.client.view(self.run), self.scenario
        assert view.state in (scenario.state, *scenario.other_ends), (view.state, view.reason, view.failure)
        if view.state is RunState.SUCCEEDED and scenario.result is not None:
            assert view.result is not None
            assert decode(view.result) == scenario.result
        self._check_store()
        self._check_journal()
        self._check_effects()

    def _check_store(self) -> None:
        found = self.world.stores.check(self.folder)
        assert found == []
        ended = "select id from runs where finished_at is not null"
        for table in ("waits", "inbox"):
            assert self.client.rows(f"select * from {table} where run in ({ended})") == [], table
        assert self.client.rows(f"select * from attempts where state = 'started' and run in ({ended})") == []

    def _check_journal(self) -> None:
        ranks: dict[str, list[int]] = defaultdict(list)
        counted: set[tuple[str, str]] = set()
        for run, rank, ident, superseded in self.client.rows(
            "select run, rank, ident, superseded from journal order by run, rank"
        ):
            ranks[run].append(rank)
            if superseded is None:
                assert (run, ident) not in counted, f"two counted outcomes of {ident}"
                counted.add((run, ident))
        for run, found in ranks.items():
            assert found == list(range(1, len(found) + 1)), f"the ranks of {run} have gaps: {found}"

    def _check_effects(self) -> None:
        calls = self.calls()
        keys_of: dict[str, set[str]] = defaultdict(set)
        applied: dict[str, int] = defaultdict(int)
        for call in calls:
            keys_of[call.what].add(call.key)
            applied[call.what] += call.applied and call.kind != "raw"
        doubled = [effect for effect in keys_of if len(keys_of[effect]) > 1 or applied[effect] > 1]
        assert doubled == [], f"done twice: {doubled}"
        called = {call.key.partition("/")[0] for call in calls}
        lost = [
            ident
            for run, ident, name, generation in self.client.rows(
                # Without a claim = inherited by a fork.
                "select run, ident, name, generation from journal where state = ? and kind in (?, ?) and claim > 0",
                OutcomeState.SUCCEEDED,
                OutcomeKind.STEP,
                OutcomeKind.UNDO,
            )
            if name not in WITHOUT_CALLS and make_idempotency_key(run, ident, generation) not in called
        ]
        assert lost == [], f"saved, but the world never saw it: {lost}"
        for number, snapshot in enumerate(self.snapshots, 1):
            again = [c for c in calls if c.life > number and c.key.partition("/")[0] in snapshot.keys]
            assert again == [], f"committed when life {number} ended, and executed again: {again}"

    def _describe(self) -> str:
        """Return what is needed to understand a failed experiment."""
        lines = [f"{self.scenario.automation}, kills {self.kills}"]
        lines += [f"  {call}" for call in self.calls()]
        for query in (
            "select id, state, reason, claim, rank, waiting_for, failure from runs",
            "select run, rank, ident, state, request_number, attempt, claim from journal",
            "select * from attempts",
            "select * from waits",
            "select * from inbox",
            "select id, role, state, pid from sessions",
        ):
            lines.append(query)
            lines += [f"  {row}" for row in self.client.rows(query)]
        for life in self.lives:
            hits = life.life.hits.read_bytes() if life.life.hits.exists() else b""
            lines.append(f"life {life.life.number}: ended with {life.code}, passed {hits!r}")
            lines.append(life.life.log.read_text() if life.life.log.exists() else "(no log)")
        return "\n".join(lines)
