"""The store is away in every way there is: the command runs all the same, and its story is accepted later, once."""

import contextlib
import fcntl
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import apsw
import msgspec
import pytest

from mainspring.config.locations import ProcessSurroundings, fallback_spool_path, store_url
from tests.acceptance.receiver import Receiver
from tests.acceptance.wrapping import TIMEOUT_S, Place

Away = Callable[[Place], AbstractContextManager[None]]


@contextlib.contextmanager
def damaged(place: Place) -> Iterator[None]:
    """The file is no database."""
    stored = place.store.read_bytes()
    place.store.write_bytes(b"not a database at all" * 1000)
    yield
    place.store.write_bytes(stored)


@contextlib.contextmanager
def a_folder(place: Place) -> Iterator[None]:
    """A folder stands where the file should be."""
    moved = place.store.rename(place.folder / "aside")
    place.store.mkdir()
    yield
    place.store.rmdir()
    moved.rename(place.store)


@contextlib.contextmanager
def no_folder(place: Place) -> Iterator[None]:
    """A file stands where the folder should be."""
    moved = place.store.parent.rename(place.folder / "aside")
    place.store.parent.write_text("")
    yield
    place.store.parent.unlink()
    moved.rename(place.store.parent)


@contextlib.contextmanager
def too_new(place: Place) -> Iterator[None]:
    """A newer version wrote it."""
    ((form,),) = place.rows("pragma user_version")
    place.rows("pragma user_version = 9999")
    yield
    place.rows(f"pragma user_version = {form}")


@contextlib.contextmanager
def locked(place: Place) -> Iterator[None]:
    """A database shell has it locked."""
    connection = apsw.Connection(str(place.store))
    connection.execute("begin immediate")
    yield
    connection.execute("rollback")
    connection.close()


@contextlib.contextmanager
def stuck(place: Place) -> Iterator[None]:
    """A stopped process holds the write lock."""
    write_lock = os.open(place.store.with_name("s.db.write-lock"), os.O_RDWR)
    fcntl.flock(write_lock, fcntl.LOCK_EX)
    yield
    os.close(write_lock)


@contextlib.contextmanager
def held(place: Place) -> Iterator[None]:
    """It was restored and not released."""
    place.rows("insert into meta (key, value) values ('held', '1')")
    yield
    place.rows("delete from meta where key = 'held'")


CASES = [damaged, a_folder, no_folder, too_new, locked, stuck]


@pytest.mark.parametrize("away", CASES, ids=lambda way: way.__name__)
def test_command_runs_without_the_store(place: Place, away: Away) -> None:
    """Exit code, output and time-out are as ever; one private record is spooled and accepted by the watcher."""
    assert place.sh("true").returncode == 0
    with away(place):
        done = place.sh("cat; echo $MAINSPRING_RUN_ID; exit 3", "--lock", "l", input=b"in")
        (record,) = place.spooled()
        assert place.sh("exit 3", "--fail-closed").returncode == 125
        if away is not stuck:  # there the watcher waits longer than a test should
            assert place.call("watch").returncode == 75
    assert (done.returncode, done.stdout[:2]) == (3, b"in")
    assert done.stderr.decode().count("\n") == 1
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.spool.stat().st_mode) == 0o700
    code, found, _ = place.watch()
    assert (code, found["taken_in"], place.spooled()) == (0, [done.stdout[2:].decode().strip()], [])
    assert place.runs() == [("succeeded", None), ("failed", "retries_exhausted")]
    assert "exit code 3" in place.rows("select failure from journal where state = 'failed'")[0][0].decode()


def test_held_store_takes_the_end_but_starts_nothing(place: Place) -> None:
    """In a restored store that is held the command runs, and its run is written down when it has ended."""
    place.sh("true")
    with held(place):
        assert place.sh("exit 3", "--fail-closed").returncode == 125
        assert place.sh("exit 3").returncode == 3
    assert place.runs() == [("succeeded", None), ("failed", "retries_exhausted")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.parametrize("method", ["full", "read-only"])
def test_command_runs_on_a_full_or_read_only_disk(place: Place, method: str) -> None:
    """A full or read-only disk of the store keeps no command from running."""
    place.store.parent.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place.store.parent], check=False)
    if mounted.returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        assert place.sh("true").returncode == 0
        if method == "full":
            filler = place.store.parent / "filler"
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
        else:
            subprocess.run(["mount", "-o", "remount,ro", place.store.parent], check=True)
        done = place.sh("echo out; exit 3")
        assert (done.returncode, done.stdout, len(place.spooled())) == (3, b"out\n", 1), done.stderr
        if method == "full":
            filler.unlink()
        else:
            subprocess.run(["mount", "-o", "remount,rw", place.store.parent], check=True)
        assert place.watch()[0] == 0
        assert place.runs()[-1] == ("failed", "retries_exhausted")
        assert place.spooled() == []
    finally:
        subprocess.run(["umount", "-l", place.store.parent], check=True)


def test_store_that_becomes_unreachable_meanwhile_learns_the_end_later(place: Place) -> None:
    """If the end cannot be written it is spooled; also after the run was declared lost, its owner's word counts."""
    ready, go = place.fifo("ready"), place.fifo("go")
    process = place.start("exec", "-n", "x", "--every", "1h", "--", "sh", "-c", "echo > ready; read x < go")
    ready.read_text()
    with stuck(place):
        go.write_text("\n")
        assert process.wait(TIMEOUT_S) == 0
    assert place.runs() == [("running", None)]
    (record,) = place.spooled()
    moved = record.rename(place.folder / "record")
    assert place.watch()[1]["buried"] == [1]
    assert place.runs() == [("failed", "process_lost")]
    moved.rename(record)
    assert len(place.watch()[1]["taken_in"]) == 1
    assert place.runs() == [("succeeded", None)]
    assert place.rows("select attempt, state from journal") == [(1, "succeeded")]
    assert place.rows("select state from attempts") == []


def test_lock_holds_without_the_store(place: Place) -> None:
    """Two commands with one lock exclude each other although there is no store for either."""
    place.sh("true")
    with damaged(place):
        ready, go = place.fifo("ready"), place.fifo("go")
        first = place.start("exec", "-n", "a", "--lock", "l", "--", "sh", "-c", "echo > ready; read x < go")
        ready.read_text()
        assert place.exec("-n", "b", "--lock", "l", "--", "true").returncode == 75
        go.write_text("\n")
        assert first.wait(TIMEOUT_S) == 0


def test_key_counts_without_the_store(place: Place) -> None:
    """A success that waits in the spool keeps its key used, before it is accepted and after."""
    place.sh("true")
    with damaged(place):
        assert place.sh("echo 1", "--key", "k").stdout == b"1\n"
        assert place.sh("echo 2", "--key", "k").stdout == b""
    assert place.sh("echo 3", "--key", "k").stdout == b""
    assert place.spooled() == []


def test_failed_key_without_the_store_is_settled_by_its_own_success_only(place: Place) -> None:
    """A record from the spool has the item of its key, as a run in the store does."""
    place.sh("exit 0")
    with damaged(place):
        place.sh("exit 1", "--key", "f13")
    place.sh("exit 0", "--key", "f15")
    assert place.rows("select item from failures where settled_at is null") == [("f13",)]


def test_next_exec_takes_the_spool_in(place: Place) -> None:
    """No watcher is needed: the next wrapped command brings the records to the store."""
    place.sh("true")
    with damaged(place):
        place.sh("exit 1")
        place.sh("exit 1")
    assert place.sh("true").returncode == 0
    assert [state for state, _ in place.runs()] == ["succeeded", "failed", "failed", "succeeded"]


def test_broken_configuration_keeps_no_command_from_running(place: Place) -> None:
    """A mistake in mainspring.toml is reported, and the command runs; with --fail-closed it does not."""
    (place.folder / "mainspring.toml").write_text("[stroe]\nurl = 1\n")
    done = place.sh("exit 3")
    assert (done.returncode, b"unknown setting" in done.stderr) == (3, True)
    assert place.sh("exit 3", "--fail-closed").returncode == 125


def test_broken_configuration_that_names_the_store_states_where_the_record_waits(place: Place) -> None:
    """Not that it names none: the next call imports the record once the mistake is fixed."""
    file = place.folder / "mainspring.toml"
    file.write_text('[store]\nurl = "here.db"\n[secrets]\nwrong = 1\n')
    ran = place.exec("-n", "n", "--", "true")
    assert ran.returncode == 0
    assert b"names no store" not in ran.stderr
    assert b"the record waits in " in ran.stderr


def test_record_under_a_broken_configuration_leaves_the_schedule(place: Place) -> None:
    """The zone of the project is unknown then, so the zone on record stays."""
    words = ("-n", "backup", "--cron", "0 3 * * *", "--", "true")
    place.exec(*words, env={"MAINSPRING_PROJECT_TIMEZONE": "Europe/Berlin"})
    place.exec(*words, env={"MAINSPRING_PROJECT_TIMEZONE": "nowhere"})
    assert len(place.spooled()) == 1
    place.watch()
    assert place.rows("select json_extract(spec, '$.tz') from schedules") == [("Europe/Berlin",)]
    assert place.rows("select count(*) from runs") == [(2,)]


def spare_spool(place: Place, store: Path) -> Path:
    """Return the spool of this store in the state folder."""
    return fallback_spool_path(ProcessSurroundings(place.env, place.folder, os.getuid()), store_url(store))


@contextlib.contextmanager
def small_disk(place: Place) -> Iterator[Path]:
    """A small disk at the folder of the store, with the spool; yield a path on it."""
    del place.env["MAINSPRING_EXEC_SPOOL"]
    place.store.parent.mkdir()
    size = "size=4m,nr_inodes=64"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place.store.parent], check=False)
    if mounted.returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        yield place.store.parent / "filler"
    finally:
        subprocess.run(["umount", "-l", place.store.parent], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_record_of_a_completely_full_disk_waits_in_the_state_folder(place: Place) -> None:
    """The spool beside the store has no space either; once there is space, the failure is recorded."""
    with small_disk(place) as filler:
        place.sh("true")
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        assert place.sh("exit 3").returncode == 3
        assert len(list(spare_spool(place, place.store).glob("*.run.json"))) == 1
        filler.unlink()
        assert place.watch()[0] == 0
        assert place.runs()[-1] == ("failed", "retries_exhausted")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_lock_works_on_a_disk_without_inodes(place: Place) -> None:
    """The lock needs no new file, and the message names the inodes."""
    with small_disk(place) as filler:
        place.sh("true", "--lock", "first")
        with contextlib.suppress(OSError):
            for number in range(64):
                filler.with_name(f"filler{number}").touch()
        done = place.sh("exit 3", "--lock", "l")
        assert done.returncode == 3
        assert b"no inode is free" in done.stderr
        assert b"cannot be taken" not in done.stderr
        assert b"belongs to" not in done.stderr
        ready, go = place.fifo("ready"), place.fifo("go")
        first = place.start("exec", "-n", "a", "--lock", "l", "--", "sh", "-c", "echo > ready; read x < go")
        ready.read_text()
        assert place.sh("true", "--lock", "l").returncode == 75
        go.write_text("\n")
        assert first.wait(TIMEOUT_S) == 0
        for record in spare_spool(place, place.store).glob("*.run.json"):
            record.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_lock_counts_after_the_disk_of_the_store_is_lost(place: Place) -> None:
    """A command that started before holds it, although neither store nor spool can be reached."""
    with small_disk(place):
        place.sh("true")
        ready, go = place.fifo("ready"), place.fifo("go")
        first = place.start("exec", "-n", "a", "--lock", "l", "--", "sh", "-c", "echo > ready; read x < go")
        ready.read_text()
        subprocess.run(["umount", "-l", place.store.parent], check=True)
        try:
            assert place.exec("-n", "b", "--lock", "l", "--", "true").returncode == 75
            shutil.rmtree(place.store.parent)
            assert place.exec("-n", "b", "--lock", "l", "--", "true").returncode == 75
        finally:
            go.write_text("\n")
            place.store.parent.mkdir(exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place.store.parent], check=True)
        assert first.wait(TIMEOUT_S) == 0


def test_neither_store_nor_spool_still_runs(place: Place, receiver: Receiver) -> None:
    """With no place for a record at all the exit code stays, a line says that nothing was kept, and people are notified."""
    place.env |= receiver.settings
    nowhere = place.folder / "file"
    nowhere.write_text("")
    env = {"MAINSPRING_STORE_URL": str(nowhere / "s.db"), "MAINSPRING_EXEC_SPOOL": str(nowhere / "spool")}
    spare = spare_spool(place, nowhere / "s.db")
    spare.parent.mkdir(parents=True, exist_ok=True)
    spare.write_text("")
    done = place.sh("exit 3", "--lock", "l", env=env)
    spare.unlink()
    assert done.returncode == 3
    assert b"is not recorded" in done.stderr
    headlines = [message["data"]["headline"] for message in receiver.messages]
    assert [line for line in headlines if line.startswith("[page] line: a run failed")], headlines


def test_bad_record_is_held(place: Place) -> None:
    """A record that cannot be read is renamed and told of, and keeps no other one out."""
    place.sh("true")
    with damaged(place):
        place.sh("exit 1")
    (record,) = place.spooled()
    (place.spool / "a_cut.run.json").write_bytes(record.read_bytes()[:100])
    (place.spool / "b_other.run.json").write_bytes(msgspec.json.encode({"form": 1, "run": {"id": 3}}))
    (place.spool / "c_large.run.json").write_bytes(b" " * (1024 * 1024 + 1))
    code, found, output = place.watch()
    assert (code, len(found["taken_in"]), found["bad"]) == (
        9,
        1,
        ["a_cut.run.json.bad", "b_other.run.json.bad", "c_large.run.json.bad"],
    )
    assert "a_cut.run.json.bad" in output
    assert len(place.runs()) == 2


@pytest.mark.parametrize("point", ["commit.before", "commit.after", "spool.taken", "spool.deleted"])
def test_taking_in_survives_being_killed(place: Place, point: str) -> None:
    """Killed anywhere while accepting, each record is in the store once in the end."""
    place.sh("true")
    with damaged(place):
        for _ in range(3):
            place.sh("exit 1")
    program = (
        "import os; from pathlib import Path; from mainspring.config import load; from mainspring.store import failpoints;"
        "from mainspring.app.exec.watch_round import watch_once; from mainspring.domain.clock import SystemClock;"
        f"failpoints.install(failpoints.parse('{point}:kill@2'));"
        "watch_once(load(env=os.environ, cwd=Path.cwd(), uid=os.getuid(), flags={}), SystemClock())"
    )
    env = {**place.env, "MAINSPRING_STORE_URL": str(place.store)}
    killed = subprocess.run([sys.executable, "-c", program], env=env, cwd=place.folder, check=False)
    assert killed.returncode == -9
    assert place.watch()[0] == 0
    assert place.runs() == [("succeeded", None)] + [("failed", "retries_exhausted")] * 3
    assert place.rows("select sum(failed), sum(succeeded) from rollups") == [(3, 1)]
    assert place.spooled() == []
    assert Path(place.spool / "locks").exists() is False
