"""A store that is put back after an older copy was on hold in its place: an alarm exactly when commits were lost."""

import itertools
import os
import random
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mainspring.store.commands.automations import AuditedCommand, SetMeta
from mainspring.store.commands.incidents import AcknowledgeIncident
from mainspring.store.commands.journal import RecordProcessGroup
from mainspring.store.commands.sessions import ConfirmClockStep, EndProbation, RecordHeartbeat, WakeWorkers
from mainspring.store.commit_mark import SIZE, CommitBefore, CommitMark, pack_mark, read_mark, unpack_mark
from mainspring.store.restore_hold import HOLD_KEY
from mainspring.store.sqlite.reader import SqliteReader
from mainspring.store.sqlite.restore import restore
from mainspring.store.sqlite.store_mark import mark_of
from tests.unit.store.sqlite.stores import START_AT, StoppedClock, do, open_database, opening

SEEDS = range(400 if os.environ.get("TESTS_LONG") else 24)
STEPS = 14


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


def meta(path, key):
    rows = SqliteReader(path).read("read_meta", (key,))
    return rows[0][0] if rows else None


def is_found(path):
    """Tell whether a process that only reads sees a loss."""
    return bool(SqliteReader(path).findings())


_number = itertools.count(1)


def accept(path, key="work", value="1"):
    """Commit what a person says, and return its id."""
    command = f"c{next(_number)}"
    database = open_database(path)
    do(database, AuditedCommand(command, "ana", "set", "store", SetMeta(key, value)))
    database.close()
    return command


def keep_books(path):
    """Commit what any process commits by itself, on hold too."""
    database = open_database(path)
    do(database, SetMeta("books", str(next(_number))))
    database.close()


def inspect_store(path):
    """Open the store as a process does that writes, and commit nothing."""
    open_database(path).close()


def copy_of(path):
    copy = path.with_name(f"copy{next(_number)}")
    shutil.copy(path, copy)
    return copy


def put(copy, path):
    for end in ("-wal", "-shm"):
        path.with_name(f"{path.name}{end}").unlink(missing_ok=True)
    shutil.copy(copy, path.with_name("part"))
    path.with_name("part").replace(path)


def replaced(path):
    """Accept, put an older copy in the place of the store and let a process hold it; return the newer file."""
    accept(path)
    older = copy_of(path)
    accept(path)
    newer = copy_of(path)
    put(older, path)
    inspect_store(path)
    assert meta(path, HOLD_KEY) == "1"
    return newer


def test_the_newer_file_is_put_back_and_nothing_is_lost(path, caplog):
    """What processes committed on hold by themselves is no loss, nor that a person acknowledged the incident."""
    newer = replaced(path)
    keep_books(path)
    database = open_database(path)
    do(database, AuditedCommand("ack", "ana", "acknowledge", "incident:i", AcknowledgeIncident("i", None)))
    database.close()
    put(newer, path)
    assert not is_found(path)
    inspect_store(path)
    assert (meta(path, HOLD_KEY), meta(path, "lost_commits"), is_found(path)) == (None, None, False)
    assert "the store that an older copy had replaced is back; it lacks nothing" in caplog.text
    accept(path)
    assert (read_mark(mark_of(path)).epoch, read_mark(mark_of(path)).before) == (3, None)


@pytest.mark.parametrize(
    "command",
    [ConfirmClockStep(60_000), WakeWorkers(), EndProbation(("r_1",)), RecordProcessGroup(7, "1")],
    ids=lambda c: type(c).__name__,
)
def test_session_rows_written_on_hold_are_no_loss(path, command):
    """Such as that the clock was set meanwhile."""
    newer = replaced(path)
    database = open_database(path)
    do(database, opening())
    assert len(database.commit([RecordHeartbeat(), command]).results) == 2
    database.close()
    put(newer, path)
    inspect_store(path)
    assert (meta(path, HOLD_KEY), is_found(path)) == (None, False)


def test_input_accepted_on_hold_is_lost_with_its_file(path):
    """A run that was started, a delivery, a decision: the alarm says that commits of the file which was here last are missing."""
    newer = replaced(path)
    accept(path)
    put(newer, path)
    assert is_found(path)
    inspect_store(path)
    assert meta(path, HOLD_KEY) == "1"
    (held,) = [value for value in [meta(path, "lost_commits")] if value]
    assert '"epoch":2' in held


def test_a_copy_that_is_older_than_the_newest_commit_is_still_a_loss(path):
    """It is newer than the one on hold, and lacks one commit."""
    accept(path)
    older = copy_of(path)
    accept(path)
    between = copy_of(path)
    accept(path)
    for file in (older, between):
        put(file, path)
        inspect_store(path)
        assert meta(path, HOLD_KEY) == "1"


def test_a_second_older_copy_on_hold_does_not_hide_the_newer_file(path):
    """Each hold raises the epoch above all that were known, and the mark continues to know the newest commit of before the first."""
    accept(path)
    oldest = copy_of(path)
    newer = replaced(path)
    put(oldest, path)
    inspect_store(path)
    assert (meta(path, HOLD_KEY), meta(path, "epoch")) == ("1", "3")
    keep_books(path)
    put(newer, path)
    inspect_store(path)
    assert meta(path, HOLD_KEY) is None


def test_after_the_release_the_newer_file_is_an_older_history(path):
    """A person has decided to continue from the copy."""
    newer = replaced(path)
    accept(path, HOLD_KEY, None)
    keep_books(path)
    put(newer, path)
    inspect_store(path)
    assert meta(path, HOLD_KEY) == "1"


def test_the_largest_mark_fits_its_record():
    """With all that it may remember."""
    big, name = 10**15, "f" * 32
    before = CommitBefore(big, big, big, big, "f" * 64)
    mark = CommitMark(
        store=name,
        epoch=big,
        number=big,
        at=big,
        writer=name,
        operation_number=big,
        operation_hash="f" * 64,
        server="9" * 20 + " timeline 4294967295",
        before=before,
    )
    assert len(pack_mark(mark)) == SIZE
    assert unpack_mark(pack_mark(mark)) == mark


@dataclass(frozen=True)
class File:
    """What a file has: the ids of its commits that count, whether it is on hold, which store it is."""

    commits: frozenset[str] = frozenset()
    is_held: bool = False
    store: int = 0


@dataclass
class World:
    """A store under its name, copies of it, and what the mark beside it proves."""

    path: Path
    now: File = field(default_factory=File)
    copies: list[tuple[Path, File]] = field(default_factory=list)
    known: frozenset[str] = frozenset()
    """What was committed and not written off by a person."""
    records_only: bool = False
    """Whether nothing was accepted since an older copy was put on hold: then only books are lost with a file."""
    marked: int = 0
    """The store of the mark; -1 = there is none."""
    history: list[str] = field(default_factory=list)

    def commit(self) -> None:
        self._note(accept(self.path))

    def write_books(self) -> None:
        keep_books(self.path)
        if not self.records_only or self.marked != self.now.store:
            self._note(f"b{next(_number)}")

    def copy(self) -> None:
        self.copies.append((copy_of(self.path), self.now))

    def put(self, rng: random.Random) -> None:
        """Put any copy in place: an alarm exactly if it lacks what was committed. One that is on hold already stays so."""
        copies = [(copy, file) for copy, file in self.copies if file.store == self.now.store]
        if not copies:
            return
        copy, file = rng.choice(copies)
        put(copy, self.path)
        is_loss = file.store == self.marked and not self.known <= file.commits
        assert file.is_held or is_found(self.path) == is_loss, self.history
        inspect_store(self.path)
        assert (meta(self.path, HOLD_KEY) is not None) == (file.is_held or is_loss), self.history
        assert not is_found(self.path), self.history
        self.now = replace(file, is_held=file.is_held or is_loss)
        if file.is_held:
            mark = read_mark(mark_of(self.path))
            self.records_only = mark is not None and mark.before is not None
        elif is_loss:
            self.records_only = True
        elif self.records_only and file.store == self.marked:  # it is back
            self.known = file.commits

    def release(self) -> None:
        if self.now.is_held:
            command = accept(self.path, HOLD_KEY, None)
            self.now = replace(self.now, is_held=False)
            self.known = frozenset()
            self._note(command)

    def restore(self, rng: random.Random) -> None:
        copy, file = rng.choice(self.copies)
        clock = StoppedClock(START_AT + next(_number))
        clock.thrown = next(_number)
        restore(copy, self.path, clock=clock)
        self.now = replace(file, is_held=True, store=clock.thrown)
        self.marked, self.records_only = -1, False

    def _note(self, commit: str) -> None:
        if self.marked != self.now.store:
            self.marked, self.known = self.now.store, frozenset()
        self.now = replace(self.now, commits=self.now.commits | {commit})
        self.known = (self.known if self.records_only else frozenset()) | self.now.commits
        self.records_only = False


@pytest.mark.parametrize("seed", SEEDS)
def test_an_alarm_is_raised_exactly_when_commits_were_lost(path, seed):
    """Over random sequences of commits, copies, older and newer files in place, restores and releases."""
    rng = random.Random(seed)
    world = World(path)
    world.commit()
    world.copy()
    for _ in range(STEPS):
        steps = [world.commit, world.write_books, world.copy, world.release, world.put, world.restore]
        step = rng.choices(steps, [4, 2, 4, 2, 6, 1])[0]
        world.history.append(step.__name__)
        step(rng) if step in (world.put, world.restore) else step()
