"""The store's file, or a file that belongs to it, is taken away under processes that use it: nothing is committed into the lost one."""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from mainspring.config.locations import ProcessSurroundings, state_folder
from tests.acceptance.receiver import Receiver
from tests.acceptance.works import Works, is_alive
from tests.acceptance.wrapping import TIMEOUT_S, Place

STEPS = """
import asyncio
from pathlib import Path
import mainspring as ms

async def step(number: int) -> int:
    await asyncio.sleep(0.05)
    with open("effects", "a") as file:
        file.write("x")
    return number

@ms.workflow
async def long(run: ms.Run) -> None:
    for number in range(10_000):
        await run.step(step, number)

@ms.task
def quick() -> None: ...
"""

OR_RECREATED = "(removed|replaced by another one) while it was in use"
"""Anyone who opens the store in the moment between makes these files again, and the others find that."""


def removed(store: Path) -> None:
    """Someone tidies up."""
    store.unlink()


def replaced(store: Path) -> None:
    """Another store is put there without asking anyone."""
    store.rename(store.with_name("old.db"))
    connection = apsw.Connection(str(store))
    connection.execute("create table other (x)")
    connection.close()


def without_log(store: Path) -> None:
    """The write-ahead log looks like rubbish to someone."""
    store.with_name("s.db-wal").unlink()


def without_index(store: Path) -> None:
    """So does the shared index of the log."""
    store.with_name("s.db-shm").unlink()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("lose", "message"),
    [
        (removed, "the store's file was removed"),
        (replaced, "the store's file was replaced by another one"),
        (without_log, f"the store's write-ahead log was {OR_RECREATED}"),
        (without_index, f"the store's shared index was {OR_RECREATED}"),
    ],
)
def test_lost_store_ends_whatever_works_on_it(works: Works, lose: Callable[[Path], None], message: str) -> None:
    """Within seconds worker and supervisor say so and end; they make no other store in its place."""
    works.up(STEPS)
    effects = works.place.folder / "effects"
    works.start("long")
    works.until(lambda: effects.exists() and effects.stat().st_size >= 3, "no step is done")
    (worker,) = works.workers()
    # Who opens the store later makes a log again in its place.
    works.until(lambda: works.place.rows("select 1 from sessions where role = 'scheduler'"), "no scheduler came")
    lose(works.place.store)
    done = effects.stat().st_size
    works.until(lambda: not is_alive(worker), "the worker goes on")
    assert effects.stat().st_size - done < 40
    assert works.supervisor.wait(60) == 1
    log = works.log.read_text()
    assert re.search(message, log), log
    assert str(works.place.store) in log
    assert "Traceback" not in log, log
    assert works.place.store.exists() == (lose is not removed)


@pytest.mark.timeout(120)
def test_removed_store_is_not_recreated_silently(works: Works) -> None:
    """Whatever asks for a store that was there says that it is gone; a command wrapped by exec runs all the same."""
    works.up(STEPS)
    store = works.place.store
    store.unlink()
    assert works.supervisor.wait(30) == 1
    for words in (("up",), ("run", "quick", "--detach"), ("run", "quick"), ("down",), ("status",), ("runs", "list")):
        done = works.place.call(*words)
        assert (done.returncode, b"the store's file is gone" in done.stderr) == (1, True), (words, done)
    doctor = works.place.call("doctor")
    assert doctor.returncode == 9
    assert b"the store's file is gone" in doctor.stdout
    assert works.place.sh("exit 3").returncode == 3
    assert len(works.place.spooled()) == 1
    assert not store.exists()


@pytest.mark.timeout(120)
def test_store_is_recreated_on_request(works: Works) -> None:
    """The command that the error names makes an empty store, and all continues with that."""
    works.up(STEPS)
    store = works.place.store
    store.unlink()
    works.supervisor.wait(30)
    (hint,) = [
        line
        for line in works.place.call("status").stderr.decode().splitlines()
        if "mainspring db migrate --create" in line
    ]
    assert "db restore" in hint
    assert works.place.call("db", "migrate", "--create").returncode == 0

    assert works.place.call("run", "quick").returncode == 0


@pytest.mark.timeout(120)
def test_wrapped_command_whose_store_is_removed_meanwhile_is_on_record(place: Place) -> None:
    """Its end is not written into the lost file but kept in the spool, for the store that is put back."""
    ready, go = place.fifo("ready"), place.fifo("go")
    process = place.start("exec", "-n", "x", "--", "sh", "-c", "echo > ready; read x < go; exit 3")
    ready.read_text()
    moved = place.store.rename(place.store.with_name("aside"))
    go.write_text("\n")
    assert process.wait(TIMEOUT_S) == 3
    assert len(place.spooled()) == 1
    assert not place.store.exists()
    moved.rename(place.store)
    assert place.watch()[0] == 0
    assert place.runs() == [("failed", "retries_exhausted")]


@pytest.fixture
def lasting_folder(place: Place) -> Iterator[Path]:
    """A folder that is not for temporary files: a store there is noted in the state folder of the user."""
    state = state_folder(ProcessSurroundings(place.env, place.folder, os.getuid()))
    state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state) as folder:
        yield Path(folder)


@pytest.mark.timeout(120)
def test_store_on_a_missing_disk_is_reported_and_not_recreated(
    place: Place, receiver: Receiver, lasting_folder: Path
) -> None:
    """Neither `exec`, `watch` nor `up` makes its folder again; with the disk back, the record of the meantime is imported."""
    del place.env["MAINSPRING_EXEC_SPOOL"]
    place.env |= receiver.settings
    place.store = lasting_folder / "disk" / "s.db"
    place.sh("true")
    moved = place.store.parent.rename(lasting_folder / "moved")
    for _ in range(2):
        assert place.sh("exit 3", "--lock", "l").returncode == 3
        for words in (("watch",), ("up",), ("run", "quick"), ("status",)):
            done = place.call(*words)
            assert b"the store's file is gone" in done.stderr, (words, done)
            assert done.returncode not in (0, 2), (words, done)
    assert not place.store.parent.exists()
    assert [message["data"]["about"] for message in receiver.messages] == ["opened"]
    moved.rename(place.store.parent)
    place.call("watch")
    assert place.runs() == [("succeeded", None), *[("failed", "retries_exhausted")] * 2]
    headlines = [message["data"]["headline"] for message in receiver.messages]
    assert [line for line in headlines if "the store" in line][1:] == [
        "[resolved] mainspring: the store accepts commits again"
    ]


@pytest.mark.timeout(120)
def test_store_whose_folder_is_missing_is_restored(place: Place) -> None:
    """The command that the error names creates the folder, because a person requests it."""
    place.sh("true")
    assert place.call("db", "backup", "copies").returncode == 0
    place.store.parent.rename(place.folder / "moved")
    done = place.call("db", "restore", "copies", "-y")
    assert done.returncode == 0, done.stderr
    assert place.runs() == [("succeeded", None)]
