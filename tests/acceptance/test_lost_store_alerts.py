"""`mainspring up` on a store that is full, read-only or gone: people are notified once, whatever starts again, and of the end."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.disks import disk_at, needs_root
from tests.acceptance.receiver import Receiver
from tests.acceptance.test_full_disk import fill
from tests.acceptance.works import Works, is_alive
from tests.acceptance.wrapping import Place

pytestmark = pytest.mark.timeout(120)
CODE = """
import mainspring as ms

@ms.task
def quick() -> None: ...
"""


@pytest.fixture
def disk(place: Place) -> Iterator[Path]:
    """A small disk for the store, on which there is room for its reserve again once it is empty; what it is filled with."""
    folder = place.store.parent
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    yield folder / "filler"
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def report(works: Works, receiver: Receiver) -> Receiver:
    """The receiver of everything that is reported this place."""
    works.place.env |= receiver.settings | {"MAINSPRING_UP_ROLES": "worker,scheduler,watcher"}
    return receiver


def abouts(receiver: Receiver) -> list[str]:
    return [message["data"]["about"] for message in receiver.messages if "the store" in message["data"]["headline"]]


def memory(works: Works) -> Path:
    return Path(f"{works.place.spool}.store-lost.json")


def age(works: Works) -> None:
    """Let what was noticed just now have lasted for two minutes."""
    works.until(memory(works).exists, "no process noticed it")
    known = json.loads(memory(works).read_text())
    memory(works).write_text(json.dumps(known | {"since_at": known["since_at"] - 120_000}))


def posts(works: Works, word: str) -> list[int]:
    """Return the processes of this supervisor with this word in their command line."""
    found = []
    children = Path(f"/proc/{works.supervisor.pid}/task")
    for task in children.glob("*/children"):
        for pid in task.read_text().split():
            with contextlib.suppress(OSError):
                found += [int(pid)] if word in Path(f"/proc/{pid}/cmdline").read_text() else []
    return found


@needs_root
def test_full_disk_is_reported_once_although_processes_start_again(disk: Path, works: Works, report: Receiver) -> None:
    """Neither watcher nor scheduler can write; both see it, both are killed and start again on the full disk."""
    works.up(CODE)
    works.until(lambda: posts(works, "watcher_process"), "no watcher")

    def is_noticed() -> bool:
        fill(disk)
        return memory(works).exists()

    works.until(is_noticed, "no process noticed it")
    age(works)
    works.until(lambda: abouts(report) == ["opened"], "no one is notified")
    killed = posts(works, "watcher_process") + posts(works, "scheduler_process")
    assert len(killed) == 2
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    works.until(lambda: not any(map(is_alive, killed)), "they live")
    output = works.log.read_text().count("the store does not accept commits")
    works.until(
        lambda: works.log.read_text().count("the store does not accept commits") >= output + 2,
        "they did not start again on the full disk",
    )
    assert abouts(report) == ["opened"]
    disk.unlink()
    works.until(lambda: abouts(report) == ["opened", "resolved"], "no one is notified of its end")
    assert "accepts commits again" in report.messages[-1]["data"]["headline"]
    works.until(lambda: not memory(works).exists(), "it is still remembered")


@needs_root
def test_read_only_store_is_reported_once_however_often_it_is_started(
    disk: Path, works: Works, report: Receiver
) -> None:
    """Each start ends with an error; the first one tells people, and the one that goes well tells the end."""
    works.up(CODE)
    works.supervisor.terminate()
    works.supervisor.wait(30)
    subprocess.run(["mount", "-o", "remount,ro", disk.parent], check=True)
    for _ in range(2):
        works.up_again()
        assert works.supervisor.wait(30) != 0
    assert abouts(report) == ["opened"]
    subprocess.run(["mount", "-o", "remount,rw", disk.parent], check=True)
    works.up_again()
    works.until(lambda: abouts(report) == ["opened", "resolved"], "no one is notified of its end")


def test_removed_store_is_reported_by_its_last_process(works: Works, report: Receiver) -> None:
    """All processes end within seconds, so none of them can wait; what starts in vain afterwards repeats nothing."""
    works.up(CODE)
    moved = works.place.store.rename(works.place.store.with_name("aside"))
    assert works.supervisor.wait(30) == 1
    assert abouts(report) == ["opened"]
    works.up_again()
    assert works.supervisor.wait(30) != 0
    assert abouts(report) == ["opened"]
    moved.rename(works.place.store)
    works.up_again()
    works.until(lambda: abouts(report) == ["opened", "resolved"], "no one is notified of its end")
    rows = works.place.rows("select kind, state, resolved_at > since_at from incidents where kind = 'store_lost'")
    assert rows == [("store_lost", "resolved", 1)]
    assert works.place.rows("select count(*) from alerts where incident <> ''") == [(0,)]


@needs_root
def test_disk_that_turns_read_only_under_work_is_reported_once(works: Works, report: Receiver, tmp_path: Path) -> None:
    """All processes end and say why, people are notified, and `status` and `doctor` name the cause; a repaired disk resolves it."""
    with disk_at(works.place.store.parent, tmp_path / "image") as disk:
        works.up(CODE)
        works.until(lambda: posts(works, "watcher_process"), "no watcher")
        disk.report_error()
        assert works.supervisor.wait(60) != 0
        assert abouts(report) == ["opened"]
        assert "has a fault" not in works.log.read_text()
        status = works.place.call("status")
        assert status.returncode == 9, status.stdout
        assert b"cannot be written: Read-only file system" in status.stdout
        assert b"cannot be written: Read-only file system" in works.place.call("doctor").stdout
        disk.unmount()
        disk.mount()
        works.up_again()
        works.until(lambda: abouts(report) == ["opened", "resolved"], "no one is notified of its end")
