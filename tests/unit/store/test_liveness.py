"""The kernel as the witness of who lives."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mainspring.store.commands.journal import RecordProcessGroup
from mainspring.store.commands.sessions import OpenSession
from mainspring.store.liveness import (
    ONCE_ROLE,
    FoundSession,
    LockState,
    SessionLock,
    find_dead,
    holders,
    host_identity,
    is_running,
    kill_remains,
    process_started,
    read_lock,
)
from mainspring.store.side_files import open_side_file
from mainspring.store.sqlite.reader import SqliteReader
from tests.unit.store.sqlite.stores import do, open_database

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.db"


@pytest.fixture
def children():
    """Processes that the test starts; killed and waited for at its end."""
    started: list[subprocess.Popen] = []
    yield started
    for child in started:
        child.kill()
        child.wait()


def sleeper(children, **more):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], **more)
    children.append(child)
    return child


def gone(child) -> bool:
    """Tell whether the child ended within ten seconds."""
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        return False
    return True


def record(path, *, pid, started, lock_path, host=None, role="worker"):
    database = open_database(path)
    opening = OpenSession(
        uuid=str(lock_path),
        role=role,
        host=host or host_identity(),
        hostname="h",
        pid=pid,
        pid_started=started,
        lock_path=str(lock_path),
    )
    session = do(database, opening).number
    return database, session


def test_a_process_is_known_by_its_start_mark(children):
    """The same number with another mark is another process; an ended one that no one waited for is gone."""
    mark = process_started(os.getpid())
    assert mark
    assert is_running(os.getpid(), mark)
    assert not is_running(os.getpid(), str(int(mark) + 1))
    child = sleeper(children)
    started = process_started(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert not is_running(child.pid, started)
    child.wait()
    assert process_started(child.pid) is None


def test_host_identity_is_boot_and_pid_namespace():
    """Two processes of one boot and one pid namespace share it; it is not the host's name."""
    assert host_identity() == host_identity()
    assert "pid:[" in host_identity()


def test_a_lock_is_free_only_when_the_process_and_its_successors_are_gone(path, children):
    """A child that got the descriptor keeps the session from being declared dead after its parent release."""
    lock = SessionLock(path.with_name(path.name + ".sessions"), "u")
    assert read_lock(lock.path) is LockState.HELD
    child = sleeper(children, pass_fds=[lock.descriptor])
    lock.close(ended=False)
    assert read_lock(lock.path) is LockState.HELD
    assert holders(lock.path) == [child.pid]
    child.kill()
    child.wait()
    assert read_lock(lock.path) is LockState.FREE
    lock.path.unlink()
    assert read_lock(lock.path) is LockState.MISSING


@pytest.fixture
def unreadable(path, monkeypatch):
    """A lock file that the kernel refuses to open, as that of another user, no matter who runs this test."""
    lock = path.with_name("unreadable.lock")
    lock.touch()
    really = os.open

    def refuse(name, *words, **more):
        if str(name) == str(lock):
            raise PermissionError(errno.EACCES, "Permission denied", str(name))
        return really(name, *words, **more)

    monkeypatch.setattr("mainspring.store.liveness.os.open", refuse)
    return lock


def test_a_lock_that_cannot_be_read_proves_nothing(path, unreadable, children):
    """A store in a file knows no lease: the process decides, and what is left of its recorded groups."""
    assert read_lock(unreadable) is LockState.UNREADABLE
    left = sleeper(children, start_new_session=True)
    started = process_started(os.getpid())
    database, _ = record(path, pid=os.getpid(), started=started, lock_path=unreadable)
    do(database, RecordProcessGroup(left.pid, process_started(left.pid)))
    reader = SqliteReader(path)
    assert find_dead(reader) == [], "its process runs"
    database.connection.execute("update sessions set pid_started = 'before'")
    (found,) = find_dead(reader)
    threading.Thread(target=left.wait).start()  # as init does for what lost its parent
    assert kill_remains(found)
    assert gone(left)
    reader.close()
    database.close()


def test_remains_of_another_users_session_keep_it_alive(unreadable, monkeypatch, children):
    """Its lock cannot be read and its group cannot be killed: nothing of it may run twice."""
    left = sleeper(children, start_new_session=True)
    monkeypatch.setattr("mainspring.store.liveness._kill_group", lambda _group: None)
    groups = ((left.pid, process_started(left.pid)),)
    found = FoundSession(1, "worker", 0, unreadable, groups)
    assert not kill_remains(found, within=0)
    left.kill()
    left.wait()
    assert kill_remains(found, within=0)


def test_reader_of_a_lock_is_not_killed_as_a_remain(path, children):
    """Workers and watchers of one host declare dead at once: each has the file of a dead session open for a moment, to check it."""
    lock = SessionLock(path.with_name(path.name + ".sessions"), "u")
    inheriting = sleeper(children, pass_fds=[lock.descriptor])
    with lock.path.open("rb") as seen:
        reader = sleeper(children, stdin=seen)
    lock.close(ended=False)
    assert holders(lock.path) == [inheriting.pid]
    assert kill_remains(FoundSession(1, "worker", 2**22 + 1, lock.path, ()))
    assert gone(inheriting)
    assert reader.poll() is None


def test_an_ended_session_takes_its_lock_file_along(path):
    """What is in order leaves nothing behind."""
    lock = SessionLock(path.with_name(path.name + ".sessions"), "u")
    lock.close(ended=True)
    assert not lock.path.exists()


def test_the_living_are_not_found_dead(path, children):
    """A running process that holds its lock, or lost the file of it, is left alone; so is everyone on another host."""
    open_database(path).close()  # the store is there before its first session
    lock = SessionLock(path.with_name(path.name + ".sessions"), "u")
    database, _ = record(path, pid=os.getpid(), started=process_started(os.getpid()), lock_path=lock.path)
    reader = SqliteReader(path)
    assert find_dead(reader) == []
    lock.path.unlink()
    assert find_dead(reader) == []
    lock.close(ended=False)
    foreign, _ = record(path, pid=2**22 + 1, started="1", lock_path=path.with_name("none"), host="another boot")
    assert find_dead(reader) == []
    reader.close()
    database.close()
    foreign.close()


def test_a_dead_process_is_found_with_its_groups_and_nothing_of_it_survives(path, children):
    """Main process killed: its recorded group and the successor of its lock are killed, then the lock is free."""
    open_database(path).close()  # the store is there before its first session
    lock = SessionLock(path.with_name(path.name + ".sessions"), "u")
    main = sleeper(children)
    inheriting = sleeper(children, pass_fds=[lock.descriptor])
    group = sleeper(children, start_new_session=True)
    bystander = sleeper(children)
    database, session = record(path, pid=main.pid, started=process_started(main.pid), lock_path=lock.path)
    do(database, RecordProcessGroup(pgid=group.pid, started=process_started(group.pid)))
    do(database, RecordProcessGroup(pgid=bystander.pid, started="1"))  # the number was reused: not the recorded leader
    lock.close(ended=False)
    main.kill()
    main.wait()
    reader = SqliteReader(path)
    (found,) = find_dead(reader)
    assert (found.session, found.pid, found.role) == (session, main.pid, "worker")
    assert kill_remains(found)
    assert gone(inheriting)
    assert gone(group)
    assert bystander.poll() is None
    assert not lock.path.exists()
    reader.close()
    database.close()


def test_session_of_effects_lives_as_long_as_its_command(path, children):
    """Its main process was killed: what still has its lock may be in the middle of an effect, and is not killed."""
    open_database(path).close()  # the store is there before its first session
    lock = SessionLock(path.with_name(path.name + ".sessions"), "u")
    command = sleeper(children, pass_fds=[lock.descriptor])
    database, session = record(path, pid=2**22 + 1, started="1", lock_path=lock.path, role=ONCE_ROLE)
    lock.close(ended=False)
    reader = SqliteReader(path)
    assert find_dead(reader) == []
    command.kill()
    command.wait()
    (found,) = find_dead(reader)
    assert found.session == session
    assert kill_remains(found)
    reader.close()
    database.close()


def test_unkillable_process_keeps_its_session_alive(path):
    """While anyone holds the lock (here: ourselves) the answer is no."""
    lock = SessionLock(path.with_name(path.name + ".sessions"), "u")
    found = FoundSession(1, "worker", 1, lock.path, ())
    assert not kill_remains(found, within=0.05)
    assert read_lock(lock.path) is LockState.HELD
    lock.close(ended=True)


def test_own_process_group_is_never_killed(path):
    """A record that names our own group, or none, is not followed."""
    own = os.getpgid(0)
    found = FoundSession(1, "worker", 1, path.with_name("none"), ((own, process_started(own) or ""), (0, ""), (1, "")))
    assert kill_remains(found)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_lock_file_of_a_dead_session_may_stay_on_a_disk_that_became_read_only(tmp_path):
    """The file cannot be removed, and need not be: its lock is free, so the session can be declared dead."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], check=True)
    try:
        left = tmp_path / "session.lock"
        left.touch()
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        assert kill_remains(FoundSession(1, "worker", 0, left, ()))
        assert left.exists()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_recorded_path_that_is_no_lock_is_ignored(path, children):
    """Anyone who may write into the store can record any path: no process is killed for it, and nothing is removed."""
    foreign = path.with_name("passwd")
    foreign.write_text("root")
    with foreign.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        child = sleeper(children, stdin=file)
    assert kill_remains(FoundSession(1, "worker", 2**22 + 1, foreign, ()), within=0.1)
    assert (child.poll(), foreign.read_text()) == (None, "root")


@pytest.mark.timeout(20)
def test_pipe_in_the_place_of_a_lock_is_not_waited_for(path):
    """It has no reader or writer, and never gets one."""
    pipe = path.with_name("a.lock")
    os.mkfifo(pipe)
    assert read_lock(pipe) in (LockState.FREE, LockState.UNREADABLE)
    with pytest.raises(OSError, match="No such device"):
        open_side_file(pipe, os.O_WRONLY | os.O_TRUNC)
