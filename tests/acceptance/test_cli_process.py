"""The command line as a real process: exit codes, streams, pipes, signals, what is imported."""

import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mainspring
from tests.unit.cli.conftest import Stage

MANY = 400


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """Variables of a process with a home and a store of its own."""
    source = str(Path(mainspring.__file__).parent.parent)
    stored = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    home = tmp_path / "home"
    home.mkdir()
    own = {
        "HOME": str(home),
        "MAINSPRING_STORE_URL": str(tmp_path / "state.db"),
        "MAINSPRING_UP_ROLES": "worker,scheduler",
    }
    return stored | own | {"PYTHONPATH": source}


@pytest.fixture
def stage(place: dict[str, str]) -> Iterator[Stage]:
    made = Stage(Path(place["MAINSPRING_STORE_URL"]))
    yield made
    made.store.close()


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "mainspring", *args]


def call(place: dict[str, str], *args: str, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args),
        env=place,
        cwd=cwd or place["HOME"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=60,
    )


def on_terminal(place: dict[str, str], *args: str, keys: bytes = b"") -> tuple[int, str]:
    """Run a command with a terminal on all three streams; return exit code and what was seen."""
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        command(*args), env=place, cwd=place["HOME"], stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    if keys:
        os.write(leader, keys)
    seen = b""
    while True:
        try:
            part = os.read(leader, 65_536)
        except OSError:  # the child is gone
            break
        if not part:
            break
        seen += part
    os.close(leader)
    return child.wait(timeout=30), seen.decode("utf-8", "replace")


def test_streams_and_exit_codes(place, stage):
    """Data on stdout, all else on stderr, and the code that scripts compare."""
    run = stage.start()
    displayed = call(place, "runs", "list", "--json")
    assert (displayed.returncode, displayed.stderr) == (0, "")
    assert [row["id"] for row in json.loads(displayed.stdout)] == [run]
    missing = call(place, "runs", "show", "r_none", "--json")
    assert (missing.returncode, missing.stdout) == (3, "")
    assert json.loads(missing.stderr)["code"] == "not_found"
    assert call(place, "runs", "list", "--nope").returncode == 2
    assert call(place, "queues", "pause", "none").returncode == 3


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "args", [["runs", "list"], ["runs", "list", "--json"], ["--help"], ["version"], ["auto", "list", "--json"]]
)
def test_output_that_cannot_be_written_is_reported_in_a_line(place, stage, args, unbuffered):
    """A full disk behind stdout is no fault of ours, and is no success."""
    stage.start()
    place |= {"PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(*args), env=place, cwd=place["HOME"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "the output could not be written: No space left on device" in done.stderr
    assert "bug of Mainspring" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("args", [["version"], ["--version"], ["runs", "list"]], ids=" ".join)
def test_stdout_that_was_closed_before_the_start_is_no_fault(place, stage, args):
    """`>&-` in a script means that no one wants to read it."""
    line = f"exec {shlex.join(command(*args))} >&-"
    done = subprocess.run(
        ["sh", "-c", line], env=place, cwd=place["HOME"], stderr=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_stderr_that_cannot_be_written_changes_no_answer(place, stage):
    """What is said beside the data may be lost; the data and the code are not."""
    with Path("/dev/full").open("w") as full:
        for args, code, out in ((["queues", "list", "--name", "none"], 0, ""), (["runs", "show", "r_none"], 3, "")):
            done = subprocess.run(
                command(*args),
                env=place,
                cwd=place["HOME"],
                stdout=subprocess.PIPE,
                stderr=full,
                text=True,
                check=False,
            )
            assert (done.returncode, done.stdout) == (code, out)


def test_reader_that_becomes_unreachable_is_no_error(place, stage):
    """`| head -1` ends quietly, however long the list is."""
    for _ in range(MANY):
        stage.start()
    for args in (["--json"], []):
        child = subprocess.Popen(
            command("runs", "list", "--limit", str(MANY), *args),
            env=place, cwd=place["HOME"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(1)
        child.stdout.close()
        assert child.stderr.read() == b""
        child.stderr.close()
        assert child.wait(timeout=30) == 0


def test_pipe_that_is_closed_before_anything_is_written_is_no_error(place, stage):
    """Not even at the last flush."""
    stage.start()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command("runs", "list"), env=place, cwd=place["HOME"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_ends_with_130_and_without_a_traceback(place, stage):
    """While it follows a run that continues."""
    run = stage.begin()
    child = subprocess.Popen(
        command("runs", "watch", run.id), env=place, cwd=place["HOME"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    stage.do(_saved(run))
    assert child.stdout is not None
    try:
        # The first line proves that it follows, and that lines are not kept back in a pipe.
        readable, _, _ = select.select([child.stdout], [], [], 20)
        assert readable
        child.send_signal(signal.SIGINT)
    except BaseException:
        child.kill()
        raise
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert b"Traceback" not in err


def _saved(run):
    from tests.contract.store.process import outcome

    return outcome(run, 1, "dump")


def test_no_prompt_without_a_terminal(place, stage):
    """A destructive act ends at once with 2 and names the flag."""
    stage.start()
    done = call(place, "runs", "cancel", "--state", "queued")
    assert done.returncode == 2
    assert "-y" in done.stderr


def test_terminal_prompts_a_person(place, stage):
    """No does nothing, yes does it, --no-input does not ask."""
    run = stage.start()
    code, seen = on_terminal(place, "runs", "cancel", "--state", "queued", keys=b"n\n")
    assert code == 2
    assert "Cancel 1 run?" in seen
    assert on_terminal(place, "runs", "cancel", "--state", "queued", "--no-input")[0] == 2
    code, seen = on_terminal(place, "runs", "cancel", "--state", "queued", keys=b"y\n")
    assert code == 0
    assert "1 run will be cancelled." in seen
    assert json.loads(call(place, "runs", "show", run, "--json").stdout)["state"] == "cancelled"


def test_terminal_gets_a_coloured_table_by_default(place, stage):
    """NO_COLOR, --no-color and TERM=dumb are obeyed; a list shows the end of a run's id, its page the whole."""
    run = stage.start()
    seen = on_terminal(place | {"TERM": "xterm-256color"}, "runs", "list")[1]
    assert "\x1b[" in seen
    assert f"{run[-6:]}  " in seen
    for more, args in (
        ({"TERM": "xterm", "NO_COLOR": "1"}, []),
        ({"TERM": "xterm"}, ["--no-color"]),
        ({"TERM": "dumb"}, []),
    ):
        seen = on_terminal(place | more, "runs", "show", run, *args)[1]
        assert run in seen
        assert "\x1b[3" not in seen


def test_other_encodings_get_escapes_not_errors(place, stage):
    """A terminal that cannot show an icon gets an escape."""
    run = stage.start()
    done = call(place | {"PYTHONIOENCODING": "ascii"}, "runs", "list")
    assert done.returncode == 0
    assert f"{run[-6:]}  \\u2026 queued" in done.stdout


@pytest.mark.parametrize(
    ("args", "unused"),
    [
        *[(args, {"apsw", "rich"}) for args in (["version"], ["version", "--json"], ["--help"], ["runs", "--help"])],
        *[
            (args, set())
            for args in (["status"], ["runs", "list"], ["auto", "list"], ["incidents", "list"], ["failed", "list"])
        ],
    ],
)
def test_light_commands_import_only_what_they_use(place, stage, args, unused):
    """`version` and help need no store and no tables; what reads the store needs no event loop and no web."""
    stage.start()
    code = (
        "import sys; from mainspring.__main__ import main\n"
        f"sys.argv = ['mainspring', *{args!r}]\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print(sorted({unused | {'asyncio', 'http.client'}!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=place, cwd=place["HOME"], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_completion_answers_a_shell(place, stage):
    """As bash asks: words and position in variables, answers on stdout."""
    run = stage.start()
    completion = {"_MAINSPRING_COMPLETE": "bash_complete", "COMP_WORDS": "mainspring runs show r_", "COMP_CWORD": "3"}
    done = call(place | completion)
    assert (done.returncode, done.stdout.split()) == (0, [f"plain,{run}"])


LOUD = """\
import atexit, os, subprocess, sys
import mainspring as ms
print("at import")
sys.__stdout__.write("behind print\\n")
os.write(1, b"on the descriptor\\n")
subprocess.run(["echo", "of a child"])
atexit.register(print, "at the end")

async def here() -> None:
    print("in the loop")

def there() -> None:
    print("in a thread")
    subprocess.run(["echo", "of a child of a step"])

@ms.workflow
async def loud(run: ms.Run) -> int:
    print("in the body")
    await run.step(here)
    await run.options(isolate="thread").step(there)
    return 7
"""


@pytest.mark.parametrize(
    "args", [("run", "loud"), ("run", "loud", "--detach"), ("auto", "list", "-m", "loud.py"), ("doctor",)]
)
def test_output_of_user_code_is_never_data(place, tmp_path, args):
    """However it gets to stdout: `--json` prints one document, and the rest is on stderr."""
    (tmp_path / "mainspring.toml").write_text('[project]\nautomations = ["loud.py"]\n')
    (tmp_path / "loud.py").write_text(LOUD)
    output = call(place, *args, "--json", cwd=str(tmp_path))
    assert json.loads(output.stdout), output.stderr
    printed = ["at import", "behind print", "on the descriptor", "of a child", "at the end"]
    if args == ("run", "loud"):
        printed += ["in the loop", "in a thread", "of a child of a step", "in the body"]
    for text in printed:
        assert text in output.stderr


def test_of_several_supervisors_in_one_instant_one_wins(place):
    """The others say who it is and end with 8; after a kill -9 of it the next one begins."""
    ups = [
        subprocess.Popen(
            command("up"), env=place, cwd=place["HOME"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    try:
        until = time.monotonic() + 60
        while len(left := [up for up in ups if up.poll() is None]) > 1:
            assert time.monotonic() < until
            time.sleep(0.02)
        (winner,) = left
        for up in ups:
            if up is not winner:
                assert up.returncode == 8
                assert f"process {winner.pid} has its worker\n" in up.stderr.read()
        winner.kill()
        winner.wait()
        follower = subprocess.Popen(command("up"), env=place, cwd=place["HOME"], stderr=subprocess.PIPE, text=True)
        ups.append(follower)
        # If the winner was killed before it had made the store, the follower makes it, and says so first.
        assert any(line.startswith("store ") for line in follower.stderr)
        follower.terminate()
        assert follower.wait(60) == 0
    finally:
        for up in ups:
            up.kill()
            up.wait()
            up.stderr.close()
