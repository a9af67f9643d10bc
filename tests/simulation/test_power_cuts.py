"""The power fails at any moment of a store's life: the file is never damaged, and nothing that was acknowledged is lost.

`CUTS=n` sets how many cuts are tried.
"""

import os
import random
import shutil
import tempfile
import threading
import time
from pathlib import Path

import apsw
import msgspec
import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import OutcomeState, RunState
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.journal import SaveOutcome
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import ClaimRuns, FinishRun, StartRun
from mainspring.store.commit_mark import MarkFile, pack_mark
from mainspring.store.sqlite import check
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.store import SqliteStore
from mainspring.store.write.command_handlers import HANDLERS
from tests.simulation.power import PowerVFS, images
from tests.simulation.stores import FOLDER

pytestmark = pytest.mark.xdist_group("power")  # what is made for all of them is made once

CUTS = int(os.environ.get("CUTS", "2000"))
BUDGET_S = 30.0 if CUTS <= 2000 else float("inf")
MINIMUM = 0.4
MARK = "s.db.mark"


class Life:
    """A store at work for a while, with the position in the log at which each answer was given."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.vfs = PowerVFS()
        self.acked: list[tuple[int, str, int]] = []
        self.errors: list[object] = []
        self._idle = threading.Event()
        self._open = 0
        self.store = SqliteStore(
            folder / "s.db", clock=SystemClock(), deliver=self._deliver, on_fatal=self.errors.append
        )

    def watch_mark(self, patch):
        """Write down each write of the commit mark too: it is never synced, and may outlive what is."""
        write = MarkFile.write

        def written(file, mark):
            self.vfs.log.append(("write", MARK, 0, pack_mark(mark)))
            return write(file, mark)

        patch.setattr(MarkFile, "write", written)

    def _deliver(self, answers):
        at = len(self.vfs.log)
        for on_done, result in answers:
            on_done(at, result)
            self._open -= 1
        if not self._open:
            self._idle.set()

    def submit(self, command, run, rank):
        """Send one; its acknowledgement is written down with the position in the log."""

        def answered(at, result):
            if isinstance(result, Refused | Exception):
                self.errors.append(result)
            self.acked.append((at, run, rank))

        self._open += 1
        self._idle.clear()
        self.store.submit(command, answered)

    def settle(self):
        """Wait until all is answered."""
        assert self._idle.wait(30)

    def live(self, rounds):
        """Start runs, claim them, save outcomes, end them, in groups; with checkpoints in between."""
        self.store.open()
        self.store._database.connection.pragma("wal_autocheckpoint", 60)
        self.store.open_session("worker")
        row = AutomationRow("a", "workflow", 1, "f", msgspec.json.encode({}))
        self.store.apply(AnnounceDefinitions("f", (row,), ()))
        owned, number = {}, 0
        for _ in range(rounds):
            for _ in range(self.dice.randint(1, 6)):
                number += 1
                self.submit(StartRun(f"r{number}", "a", "workflow", 1, b"{}", "json", "test"), f"r{number}", 0)
            self.settle()
            claimed = self.store.apply(ClaimRuns(f"c{number}", 64))
            owned |= {run.id: [run.claim, 0] for run in claimed.runs}
            for run, state in list(owned.items()):
                for _ in range(self.dice.randint(0, 3)):
                    state[1] += 1
                    self.submit(self._outcome(run, *state), run, state[1])
                if self.dice.random() < 0.3:
                    self.submit(FinishRun(run, state[0], RunState.SUCCEEDED, state[1], b"1"), run, 0)
                    del owned[run]
            self.settle()
        self.store.close()

    def _outcome(self, run, claim, rank):
        output = msgspec.json.encode("x" * self.dice.choice((1, 50, 3_000)))
        return SaveOutcome(
            *(
                run,
                claim,
                rank,
                f"s#{rank}",
                "s",
                OutcomeKind.STEP,
                OutcomeState.SUCCEEDED,
                rank,
                1,
                0,
                1,
                1,
                1,
                "a",
                b"{}",
                output,
            )
        )


@pytest.fixture(scope="module")
def life():
    folder = Path(tempfile.mkdtemp(prefix="mainspring-power-", dir=FOLDER))
    lived = Life(folder, seed=int(os.environ.get("FIRST_SEED", "0")))
    try:
        with pytest.MonkeyPatch.context() as patch:
            lived.watch_mark(patch)
            lived.live(rounds=25)
    finally:
        lived.vfs.unregister()
        apsw.set_default_vfs("unix")
        shutil.rmtree(folder)
    assert not lived.errors
    return lived


def lost_after(cut, found, life, folder):
    """Return what is wrong with the files that a cut left."""
    for path in folder.iterdir():
        path.unlink()
    for name, data in found.items():
        (folder / name).write_bytes(data)
    (folder / "s.db.reserve").touch()
    database = SqliteDatabase(folder / "s.db", clock=SystemClock(), handlers=HANDLERS)
    try:
        runs = {row[0] for row in database.connection.execute("select id from runs")}
        ranks = {
            row[0]: row[1] for row in database.connection.execute("select run, count(*) from journal group by run")
        }
        lost = [run for at, run, rank in life.acked if at <= cut and (run not in runs or ranks.get(run, 0) < rank)]
        damage = [finding.what for finding in check.check(folder / "s.db", least_free=0)]
        damage += ["put on hold"] * len(database.connection.execute("select 1 from meta where key = 'held'").fetchall())
    finally:
        database.close()
    return lost + damage


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("chunk", range(2))
def test_a_power_cut_loses_nothing_that_was_acknowledged(chunk, life, tmp_path):
    """At any place of the log, with any unsynced writes dropped or torn: the store opens, is whole, and knows all acknowledged."""
    dice = random.Random(chunk)
    expected = CUTS // 2
    cuts = sorted(dice.randrange(len(life.vfs.log) + 1) for _ in range(expected))
    folder = Path(tempfile.mkdtemp(prefix="mainspring-power-", dir=FOLDER))
    until, done = time.monotonic() + BUDGET_S, 0
    try:
        for cut, found in images(life.vfs.log, cuts, dice):
            if done >= expected * MINIMUM and time.monotonic() > until:
                break
            assert not lost_after(cut, found, life, folder), f"cut at {cut} of chunk {chunk}"
            done += 1
    finally:
        shutil.rmtree(folder)
    print(f"{done} power cuts over {len(life.vfs.log)} operations, {len(life.acked)} answers")
    assert done >= expected * MINIMUM


def test_the_log_holds_checkpoints_and_unsynced_writes(life):
    """The cuts mean something: the store's file itself was written and synced many times, and the write-ahead log was reset."""
    done = [(operation, name) for operation, name, _, _ in life.vfs.log]
    assert done.count(("sync", "s.db")) > 5
    assert done.count(("sync", "s.db-wal")) > 50
    assert (
        sum(operation == "write" and name == "s.db-wal" and offset == 0 for operation, name, offset, _ in life.vfs.log)
        > 3
    )


def test_a_mark_before_the_sync_would_be_a_false_alarm(life, tmp_path):
    """The commit mark may survive a cut that takes nothing else: written one group earlier, it would put some store on hold."""
    log = list(life.vfs.log)
    marks = [at for at, (_, name, _, _) in enumerate(log) if name == MARK]
    assert len(marks) > 50
    for at in marks:  # to before the sync that precedes it
        sync = max((s for s in range(at) if log[s][:2] == ("sync", "s.db-wal")), default=0)
        log.insert(sync, log.pop(at))
    cuts = [at + 1 for at, (_, name, _, _) in enumerate(log) if name == MARK]
    never = Life.__new__(Life)
    never.acked = []
    found = (lost_after(cut, files, never, tmp_path) for cut, files in images(log, cuts, random.Random(7)))
    assert any("put on hold" in line for line in found)


def test_an_acknowledgement_before_the_sync_is_found(life, tmp_path):
    """These cuts can fail: with answers one group earlier than they were given, some cut loses one."""
    dice = random.Random(7)
    early = Life.__new__(Life)
    syncs = [
        at for at, (operation, name, _, _) in enumerate(life.vfs.log) if operation == "sync" and name == "s.db-wal"
    ]
    early.acked = [(max((s for s in syncs if s < at), default=0), run, rank) for at, run, rank in life.acked]
    cuts = sorted({at for at, _, _ in early.acked})
    found = (lost_after(cut, files, early, tmp_path) for cut, files in images(life.vfs.log, cuts, dice))
    assert any(found)
