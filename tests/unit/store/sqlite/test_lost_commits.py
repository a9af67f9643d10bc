"""A store in a file that went back in time is put on hold, and nothing else is."""

import logging
import os
import shutil

import apsw
import pytest

from mainspring.domain.integrity.store_finding import StoreFindingKind
from mainspring.store.base import StoreRevertedError
from mainspring.store.commands.automations import AuditedCommand, SetMeta
from mainspring.store.commit_mark import CommitMark, MarkFile, read_mark
from mainspring.store.maintenance.store_move import move
from mainspring.store.sqlite.backup import back_up
from mainspring.store.sqlite.move_endpoint import SqliteEndpoint
from mainspring.store.sqlite.reader import SqliteReader
from mainspring.store.sqlite.restore import restore
from mainspring.store.sqlite.store_mark import mark_of
from tests.unit.store.sqlite.stores import START_AT, StoppedClock, do, open_database, opening, starting


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


def meta(path, key):
    return dict(SqliteReader(path).read_text("select key, value from meta")).get(key)


def findings(path):
    return [finding.kind for finding in SqliteReader(path).findings()]


def work(path, *values):
    """Open the store, commit these, close it."""
    database = open_database(path)
    for value in values:
        do(database, SetMeta("work", value))
    database.close()


def older_copy(path):
    """Commit, take a copy as `cp` does of a store that no one uses, and commit more."""
    work(path, "1")
    shutil.copy(path, path.with_name("copy"))
    work(path, "2", "3")
    return path.with_name("copy")


def test_a_file_replaced_by_an_older_copy_opens_held(path):
    """Its lost commits are on record, and the hold itself is committed and marked: the next opening finds nothing new."""
    older_copy(path).replace(path)
    assert findings(path) == [StoreFindingKind.COMMITS_LOST]
    work(path)
    assert (meta(path, "held"), meta(path, "epoch")) == ("1", "2")
    assert '"stored":1,"marked":3' in meta(path, "lost_commits")
    assert findings(path) == []
    restored_at = meta(path, "restored_at")
    work(path, "4")
    assert meta(path, "restored_at") == restored_at


def test_a_log_that_was_cut_off_opens_held(path):
    """The file is whole without its log, and lacks what was only in there."""
    database = open_database(path)
    database.connection.pragma("wal_autocheckpoint", 0)
    for number in range(5):
        do(database, SetMeta("work", str(number)))
    stopped = path.with_name("stopped.db")  # as the files lie there after a kill
    for end in ("", "-wal", ".mark"):
        shutil.copy(f"{path}{end}", f"{stopped}{end}")
    database.close()
    log = stopped.with_name("stopped.db-wal")
    os.truncate(log, log.stat().st_size - 4_200)
    work(stopped)
    assert meta(stopped, "held") == "1"
    assert '"stored":4,"marked":5' in meta(stopped, "lost_commits")
    assert meta(stopped, "work") == "3"


def test_a_store_that_lost_nothing_is_not_held(path):
    """Opened again and again, by one and by two, with a mark and without one."""
    work(path, "1")
    first, second = open_database(path), open_database(path)
    for _ in range(3):
        do(first, SetMeta("work", "a"))
        do(second, SetMeta("work", "b"))
    first.close()
    second.close()
    mark_of(path).unlink()
    work(path, "2")
    work(path, "3")
    assert meta(path, "held") is None


def test_two_processes_share_one_mark_that_only_grows(path):
    """Each writes the mark of its own commit, inside the lock."""
    first, second = open_database(path), open_database(path)
    seen = []
    for database in (first, second, first, first, second):
        do(database, SetMeta("work", "x"))
        seen.append(read_mark(mark_of(path)).number)
    assert seen == [1, 2, 3, 4, 5]


def test_a_group_that_changes_nothing_is_not_counted(path):
    """Looking for work costs no write."""
    database = open_database(path)
    do(database, SetMeta("work", "x"))
    before = read_mark(mark_of(path))
    do(database, SetMeta("nothing", None))
    assert read_mark(mark_of(path)) == before


def test_an_operation_in_the_mark_finds_a_copy_that_continued_elsewhere(path):
    """It has more commits than the mark, and another history."""
    copy = older_copy(path)
    database = open_database(path)
    do(database, AuditedCommand("c1", "ana", "pause", "queue:q", SetMeta("acted", "1")))
    database.close()
    work(copy, *(str(number) for number in range(20)))
    copy.replace(path)
    work(path)
    assert meta(path, "held") == "1"
    assert '"act":1' in meta(path, "lost_commits")
    restored_at = meta(path, "restored_at")
    work(path, "21")
    work(path)
    assert (meta(path, "restored_at"), findings(path)) == (restored_at, [])


def test_a_living_process_finds_it_with_its_next_commit_and_holds_the_store(path):
    """The number that it is about to commit is known to the mark already."""
    database = open_database(path)
    do(database, SetMeta("work", "1"))
    other = apsw.Connection(str(path))
    other.execute("update commits set number = number - 1")
    other.close()
    with pytest.raises(StoreRevertedError, match="went back in time"):
        do(database, SetMeta("work", "2"))
    assert (meta(path, "held"), meta(path, "work")) == ("1", "1")


def test_possible_work_is_held_as_after_a_restore(path):
    """Unfinished runs of before need a decision."""
    database = open_database(path)
    do(database, opening())
    do(database, starting("r_1"))
    database.close()
    older_copy(path).replace(path)
    work(path)
    reader = SqliteReader(path)
    restored_at = meta(path, "restored_at")
    assert reader.read("list_undecided_restored_runs", (int(restored_at), f"decided:{restored_at}:", 10)) == [("r_1",)]


@pytest.mark.parametrize("spoil", ["truncated", "torn", "unreadable", "a folder", "a link", "of another store"])
def test_a_mark_that_proves_nothing_holds_nothing(path, spoil, tmp_path):
    """It counts as missing, and commits continue."""
    copy, mark = older_copy(path), mark_of(path)
    if spoil == "truncated":
        os.truncate(mark, 100)
    elif spoil == "torn":
        mark.write_bytes(mark.read_bytes()[:256] + b"\0" * 256)
    elif spoil == "of another store":
        MarkFile(mark).write(CommitMark(store="other", epoch=9, number=99, at=1))
    else:
        mark.unlink()
        if spoil == "a folder":
            mark.mkdir()
        elif spoil == "a link":
            mark.symlink_to(tmp_path / "elsewhere")
    if spoil == "unreadable":
        mark.write_bytes(b"")
        mark.chmod(0)
    copy.replace(path)
    work(path, "4")
    assert (meta(path, "held"), meta(path, "work")) == (None, "4")


def test_a_mark_that_cannot_be_written_is_reported_once_and_stops_nothing(path, caplog):
    """Commits continue; the log says what is not noticed meanwhile."""
    mark_of(path).mkdir()
    with caplog.at_level(logging.WARNING):
        work(path, "1", "2", "3")
    warnings = [message for message in caplog.messages if "commit mark" in message]
    assert len(warnings) == 1
    assert "Mainspring does not notice a store that goes back in time" in warnings[0]


def test_a_backup_and_a_copy_at_another_path_are_no_loss(path, tmp_path):
    """A copy without a mark has nothing to be compared with; a copy with its mark is as far as that."""
    older_copy(path)
    backup = back_up(path, tmp_path / "backups", now=START_AT).path
    work(path, "4")
    work(backup, "5")
    assert meta(backup, "held") is None
    elsewhere = tmp_path / "elsewhere.db"
    shutil.copy(path, elsewhere)
    shutil.copy(mark_of(path), mark_of(elsewhere))
    work(elsewhere, "6")
    assert meta(elsewhere, "held") is None


def test_a_restored_store_is_held_for_the_restore_only(path, tmp_path):
    """It has a new id; the mark of the store that was replaced proves nothing of it, also if a crash left it there."""
    work(path, "1")
    backup = back_up(path, tmp_path / "backups", now=START_AT).path
    work(path, "2", "3")
    mark = mark_of(path).read_bytes()
    restore(backup, path, clock=StoppedClock(START_AT + 5))
    mark_of(path).write_bytes(mark)
    work(path)
    assert meta(path, "lost_commits") is None
    assert meta(path, "restored_from") == str(backup)
    work(path, "4")
    assert read_mark(mark_of(path)).store == meta(path, "store")


def test_an_older_copy_from_before_a_hold_is_found_again(path):
    """The hold raised the epoch: numbers of before do not hide the second loss."""
    copy = older_copy(path)
    again = path.with_name("again")
    shutil.copy(copy, again)
    copy.replace(path)
    work(path)
    again.replace(path)
    assert findings(path) == [StoreFindingKind.COMMITS_LOST]


def move_to(source, target):
    """Move the store, as `db move` does, and forget the old file; its mark stays."""
    clock = StoppedClock(START_AT + 10)
    act = AuditedCommand(f"move-{target.name}-{source.name}", "ana", "move", "store", SetMeta("moved", "1"))
    move(
        SqliteEndpoint(source, clock), SqliteEndpoint(target, clock), act=lambda _: act, new_id=act.command, report=str
    )
    source.unlink()
    shutil.rmtree(source.with_name(f"{source.name}.sessions"), ignore_errors=True)


def test_a_store_that_was_moved_away_and_back_is_no_loss(path):
    """It counts from the beginning there; both moves raised the epoch, so the mark that stayed proves nothing."""
    work(path, *(str(number) for number in range(20)))
    other = path.with_name("other.db")
    move_to(path, other)
    work(other, "there")
    move_to(other, path)
    assert read_mark(mark_of(path)).number == 20
    assert findings(path) == []
    work(path, "back")
    assert (meta(path, "held"), meta(path, "work")) == (None, "back")
