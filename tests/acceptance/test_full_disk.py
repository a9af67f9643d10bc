"""The disk of the store is full: anyone who acts from the command line gets an error in seconds, and nothing is half done."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.works import Works
from tests.acceptance.wrapping import Place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

CODE = """
import mainspring as ms

@ms.task
def quick() -> str:
    return "done"

@ms.workflow
async def waits(run: ms.Run) -> int:
    return await run.receive("go", int, within="1d")
"""


@pytest.fixture
def disk(place: Place) -> Iterator[Path]:
    """A small disk for the store; what it is filled with."""
    folder = place.store.parent
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    yield folder / "filler"
    subprocess.run(["umount", "-l", folder], check=True)


def fill(filler: Path) -> None:
    """Take all there is, also what the processes have given free meanwhile."""
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_operations_on_a_full_disk_are_answered_in_seconds(disk: Path, works: Works) -> None:
    """Each ends with 75 and says that the disk is full and that nothing was done; with room again all continues, nothing twice."""
    works.up(CODE)
    waiting = works.start("waits")
    works.until_state(waiting, "waiting", "waits")
    fill(disk)
    operations = (
        ("run", "quick", "--detach"),
        ("run", "quick"),
        ("runs", "cancel", waiting, "-y"),
        ("runs", "signal", waiting, "go", "7"),
        ("auto", "pause", "quick"),
    )
    for words in operations:
        fill(disk)
        done = works.place.call(*words)
        assert done.returncode == 75, (words, done)
        assert b"the disk of the store is full" in done.stderr, (words, done)
        assert b"nothing was done" in done.stderr, (words, done)
    works.supervisor.terminate()
    works.supervisor.wait(60)
    fill(disk)
    done = works.place.call("run", "quick")
    assert (done.returncode, b"nothing was done" in done.stderr) == (75, True), done
    done = works.place.sh("exit 3")
    assert (done.returncode, len(works.place.spooled())) == (3, 1), done
    fill(disk)
    works.up_again()
    disk.unlink()
    works.until(works.workers, "no worker came")
    quick = works.start("quick")
    works.until_state(quick, "succeeded", "quick")
    assert works.state(waiting) == "waiting"
    assert works.place.rows("select count(*) from runs where automation = 'quick'") == [(1,)]


PROGRAM = """
import asyncio, sys, time
import mainspring as ms
from mainspring.domain.errors import StoreFullError

@ms.task
def quick() -> str:
    return "done"

async def refused(app):
    began = time.monotonic()
    try:
        await app.start(quick)
    except StoreFullError as error:
        print(time.monotonic() - began < 10, error.message.splitlines()[0], flush=True)

async def main():
    app = ms.App(sys.argv[1])
    await app.start(quick)
    print("ready", flush=True)
    sys.stdin.readline()
    await refused(app)
    app.close()
    async with ms.App(sys.argv[1]).running() as running:
        print("running", flush=True)
        sys.stdin.readline()
        await refused(running)
        print("again", flush=True)
        sys.stdin.readline()
        print(await (await running.start(quick)).result(), flush=True)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_start_of_a_program_on_a_full_disk_fails_in_seconds(disk: Path, place: Place) -> None:
    """`await app.start()` gets the error that the command line gives, beside a worker in the same loop too; with room again it starts."""
    program = place.folder / "program.py"
    program.write_text(PROGRAM)
    words = [sys.executable, str(program), str(place.store)]
    with subprocess.Popen(
        words, env=place.env, cwd=place.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def read_log() -> str:
            return process.stdout.readline().strip()  # type: ignore[union-attr]

        def go_on() -> None:
            process.stdin.write("\n")  # type: ignore[union-attr]

        assert read_log() == "ready"
        fill(disk)
        go_on()
        assert read_log() == "True nothing was done: the disk of the store is full"
        disk.unlink()
        assert read_log() == "running"
        fill(disk)
        go_on()
        assert read_log() == "True nothing was done: the disk of the store is full"
        disk.unlink()
        assert read_log() == "again"
        go_on()
        assert read_log() == "done"
        process.kill()


EFFECTS = """
import asyncio, os, sys
import mainspring as ms
from mainspring.actions import shell
from mainspring.app import program_session
from tests.acceptance.test_full_disk import fill
from pathlib import Path

program_session.STORE_TIMEOUT_S = 0.5

def send():
    fill(Path(sys.argv[1]))
    return "sent"

def block():
    with ms.once("key 7") as effect:
        effect.done(send())

async def async_block():
    async with ms.once("key 7") as effect:
        effect.done(send())

def failing_block():
    with ms.once("key 7"):
        send()
        raise ValueError("half sent")

def unsent_block():
    with ms.once("key 7"):
        send()
        raise ms.NotSent("nothing was sent")

def action():
    shell.run(["sh", "-c", "cat /dev/zero > $0 || true", sys.argv[1]], once="key 7")

ways = {
    "function": lambda: ms.once("key 7", send),
    "block": block,
    "async block": lambda: asyncio.run(async_block()),
    "failing block": failing_block,
    "unsent block": unsent_block,
    "action": action,
}
ms.once("before", lambda: 1)
try:
    ways[sys.argv[2]]()
except Exception as error:
    print(type(error).__name__, error)
os.remove(sys.argv[1])
ms.once("after", lambda: 1)
"""


@pytest.mark.parametrize(
    ("way", "text", "fix", "state"),
    [
        ("function", "was performed", "confirm", "done"),
        ("block", "was performed", "confirm", "done"),
        ("async block", "was performed", "confirm", "done"),
        ("action", "was performed", "confirm", "done"),
        ("failing block", "may or may not have happened", "confirm", "in_doubt"),
        ("unsent block", "was not performed", "forget", None),
    ],
)
def test_error_of_an_outcome_on_a_full_disk_reports_what_happened(
    disk: Path, place: Place, way: str, text: str, fix: str, state: str | None
) -> None:
    """The effect is over, so `nothing was done` would lead to a second one; the next effect saves the outcome first."""
    place.sh("true")
    program = place.folder / "program.py"
    program.write_text(EFFECTS)
    env = place.env | {"PYTHONPATH": os.pathsep.join(sys.path), "MAINSPRING_STORE_URL": str(place.store)}
    words = [sys.executable, str(program), str(disk), way]
    done = subprocess.run(words, env=env, cwd=place.folder, capture_output=True, text=True, check=False, timeout=60)
    assert f"StoreFullError effect 'key 7' {text}, but its outcome is not on record: the disk" in done.stdout, done
    assert f"mainspring effects {fix} 'key 7'" in done.stdout
    assert "nothing was done" not in done.stdout
    assert place.rows("select state from effects where key = 'key 7'") == ([(state,)] if state else [])


ONCE = """
import sys
from mainspring.app import program_session
from mainspring.cli.main import main

program_session.STORE_TIMEOUT_S = 0.5
sys.argv[0] = "mainspring"
main()
"""


def test_once_on_a_full_disk_reports_that_its_command_was_performed(disk: Path, place: Place) -> None:
    """The exit code is that of the command, and a person can record the outcome afterwards."""
    place.sh("true")
    command = ["sh", "-c", "cat /dev/zero > $0 2> /dev/null || exit 0", str(disk)]
    words = [sys.executable, "-c", ONCE, "--store", str(place.store), "once", "key 7", "--", *command]
    done = subprocess.run(
        words, env=place.env, cwd=place.folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done
    assert "effect 'key 7' was performed, but its outcome is not on record: the disk" in done.stderr, done
    assert "nothing was done" not in done.stderr
    disk.unlink()
    assert place.call("effects", "confirm", "key 7", "-y").returncode == 0
    assert place.rows("select state from effects where key = 'key 7'") == [("done",)]
