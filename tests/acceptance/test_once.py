"""`mainspring once` as real processes: once for its key, whatever ends the command, the caller or the store."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.wrapping import TIMEOUT_S, Place
from tests.new_stores import create_store
from tests.polling import polls

Away = Callable[[Place], AbstractContextManager[None]]
BUSY, IN_DOUBT, CONFLICT, USAGE = 75, 6, 8, 2


@pytest.fixture(autouse=True)
def _store(place: Place) -> None:
    create_store(place.store)


def once(place: Place, key: str, script: str, *options: str, **more: Any) -> tuple[int, str, str]:
    """Call it with a script of the shell; return exit code, output and errors."""
    done = place.call("once", key, *options, "--", "sh", "-c", script, **more)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def states(place: Place) -> dict[str, str]:
    """Return the state of each key on record."""
    return dict(place.rows("select key, state from effects"))


def read_line(fifo: Path) -> str:
    """Return the line that a command writes: it runs now."""
    return fifo.read_text().strip()


def start(place: Place, key: str, script: str, *options: str, **more: Any) -> "subprocess.Popen[bytes]":
    return place.start("once", key, *options, "--", "sh", "-c", script, **more)


def test_command_runs_once(place: Place) -> None:
    """Input and output pass through; the second call reports who did it when, and runs nothing."""
    code, out, err = once(place, "a/b c", "cat; echo no >&2", input=b"yes")
    assert (code, out, err.splitlines()[-1]) == (0, "yes", "no")
    code, out, err = once(place, "a/b c", "cat; echo no >&2", input=b"yes")
    assert (code, out) == (0, "")
    assert err.startswith("mainspring: a/b c was done at 20")
    assert " by sh of " in err
    assert err.endswith(": not run\n")
    assert err.count("\n") == 1


def test_command_gets_the_id_and_no_secret(place: Place) -> None:
    """The id of the effect differs between effects; the address of the store is only passed if it is named."""
    script = 'echo "$MAINSPRING_IDEMPOTENCY_KEY:$MAINSPRING_STORE_URL:$MAINSPRING_SECRET_X"'
    env = {"MAINSPRING_SECRET_X": "s3cret-value"}
    ids = []
    for key in ("one", "two"):
        effect_id, url, secret = once(place, key, script, env=env)[1].strip().split(":")
        assert (url, secret) == ("", "")
        ids.append(effect_id)
    assert ids == [row[0] for row in place.rows("select id from effects order by key")]
    assert len(set(ids)) == 2
    assert str(place.store) in once(place, "three", script, "--pass-env", "MAINSPRING_STORE_URL")[1]


def test_key_means_its_identity(place: Place) -> None:
    """Other words are an error, unless the identity is given, or a window counts as well."""
    assert once(place, "key", "true")[0] == 0
    code, _, err = once(place, "key", "echo other")
    assert code == CONFLICT
    assert '["sh","-c","true"]' in err
    assert once(place, "other", "true", "--identity", '{"id": 7}')[0] == 0
    assert once(place, "other", "false", "--identity", '{"id":7}')[0] == 0
    assert once(place, "alert", "true", "--within", "1h")[0] == 0
    code, _, err = once(place, "alert", "echo other", "--within", "1h")
    assert code == 0
    assert "with another identity: not run" in err
    assert once(place, "alert", "echo other", "--within", "1h", "--conflict", "error")[0] == CONFLICT


@pytest.mark.parametrize(
    ("script", "options", "code", "state"),
    [
        ("exit 0", (), 0, "done"),
        ("exit 75", (), 75, None),
        ("exit 3", (), 3, "in_doubt"),
        ("exit 127", (), 127, "in_doubt"),
        ("exit 3", ("--failed-means-not-done",), 3, None),
        ("kill -9 $$", (), 137, "in_doubt"),
        ("kill -9 $$", ("--failed-means-not-done",), 137, "in_doubt"),
    ],
)
def test_exit_code_decides_the_outcome(
    place: Place, script: str, options: tuple[str, ...], code: int, state: str | None
) -> None:
    """It is passed on; 75 proves that nothing was done, and nothing else does unless the caller says so."""
    assert once(place, "key", script, *options)[0] == code
    assert states(place).get("key") == state
    again, _, err = once(place, "key", script, *options)
    expected = {"done": 0, "in_doubt": IN_DOUBT, None: code}[state]
    assert again == expected
    assert ("effects confirm" in err) is (state == "in_doubt")


@pytest.mark.parametrize(("word", "code"), [("no-such-command-anywhere", 127), ("/etc/hostname", 126), ("/", 126)])
def test_command_that_cannot_run_did_nothing(place: Place, word: str, code: int) -> None:
    """The key is free again: that is proven, for the command never started."""
    done = place.call("once", "key", "--identity", "1", "--", word)
    assert done.returncode == code
    assert b"cannot run" in done.stderr
    assert states(place) == {}
    assert once(place, "key", "true", "--identity", "1")[0] == 0


def test_stderr_that_cannot_be_written_changes_no_exit_code(place: Place) -> None:
    """A full disk behind it hides only the notice."""
    with Path("/dev/full").open("wb") as full:
        process = place.start("once", "key", "--", "/no/such", stderr=full)
        assert process.wait(TIMEOUT_S) == 127
    assert states(place) == {}


def test_two_at_once_run_one_command(place: Place) -> None:
    """The second waits for the first one's outcome, or is rejected without a wait."""
    ready, go, log = place.fifo("ready"), place.fifo("go"), place.folder / "log"
    script = f"echo x >> {log}; echo up > {ready}; read line < {go}"
    first = start(place, "key", script)
    assert read_line(ready) == "up"
    code, _, err = once(place, "key", script, "--wait", "0s")
    assert code == BUSY
    assert "sh of " in err
    second = start(place, "key", script, "--wait", "60s", stderr=subprocess.PIPE)
    go.write_text("go\n")
    assert first.wait(TIMEOUT_S) == 0
    _, err_bytes = second.communicate(timeout=TIMEOUT_S)
    assert second.returncode == 0
    assert b"not run" in err_bytes
    assert log.read_text() == "x\n"


def test_killed_caller_leaves_its_command_and_then_a_doubt(place: Place) -> None:
    """While the command runs, another call only waits, and kills nothing. After its end a person must decide."""
    ready, go, log = place.fifo("ready"), place.fifo("go"), place.folder / "log"
    script = f"echo up > {ready}; read line < {go}; echo finished >> {log}"
    first = start(place, "key", script)
    assert read_line(ready) == "up"
    first.kill()
    first.wait(TIMEOUT_S)
    assert once(place, "key", script, "--wait", "0s")[0] == BUSY
    output = place.call("effects", "show", "key").stdout.decode()
    assert f"(pid {first.pid}) has ended, but its command still runs: process " in output
    place.call("watch")
    assert states(place) == {"key": "pending"}
    go.write_text("go\n")
    for _ in polls(TIMEOUT_S):
        code = once(place, "key", script, "--wait", "0s")[0]
        if code != BUSY:
            break
    assert code == IN_DOUBT
    assert log.read_text() == "finished\n"
    assert states(place) == {"key": "in_doubt"}


def test_effect_of_a_killed_caller_is_reported_before_its_next_call(place: Place) -> None:
    """`once` and its command died together, and no worker runs."""
    started = place.fifo("started")
    first = start(place, "a key", f"echo $$ > {started}; exec sleep 600")
    command = int(read_line(started))
    first.kill()
    first.wait(TIMEOUT_S)
    os.kill(command, signal.SIGKILL)
    assert any("'a key'" in place.call("status").stdout.decode() for _ in polls(TIMEOUT_S))
    assert b"pending, holder gone" in place.call("effects", "list").stdout


def test_signal_reaches_the_command(place: Place) -> None:
    """The command decides what it means; its exit code counts."""
    ready = place.fifo("ready")
    script = f"trap 'exit 75' TERM; echo up > {ready}; while :; do :; done"
    first = start(place, "key", script)
    assert read_line(ready) == "up"
    first.send_signal(signal.SIGTERM)
    assert first.wait(TIMEOUT_S) == 75
    assert states(place) == {}


def test_signal_ends_the_wait_for_another_holder(place: Place) -> None:
    """A call that waits ends at once, and leaves nothing on record."""
    ready, go = place.fifo("ready"), place.fifo("go")
    first = start(place, "key", f"echo up > {ready}; read line < {go}")
    assert read_line(ready) == "up"
    second = start(place, "key", "true", "--identity", "0", "--wait", "10m")
    for _ in polls(TIMEOUT_S):
        if place.rows("select count(*) from sessions where role = 'once'") == [(2,)]:
            break
    second.send_signal(signal.SIGINT)
    assert second.wait(TIMEOUT_S) == 128 + signal.SIGINT
    go.write_text("go\n")
    assert first.wait(TIMEOUT_S) == 0
    assert states(place) == {"key": "done"}


@contextlib.contextmanager
def no_folder(place: Place) -> Iterator[None]:
    """A file stands where the folder should be."""
    moved = place.store.parent.rename(place.folder / "aside")
    place.store.parent.write_text("")
    yield
    place.store.parent.unlink()
    moved.rename(place.store.parent)


@contextlib.contextmanager
def damaged(place: Place) -> Iterator[None]:
    """The file is no database."""
    stored = place.store.read_bytes()
    place.store.write_bytes(b"not a database at all" * 1000)
    yield
    place.store.write_bytes(stored)


@contextlib.contextmanager
def no_store(place: Place) -> Iterator[None]:
    """Another store is named, as by a typing error; it must not be created, because it would know no effect."""
    moved = place.store.parent.rename(place.folder / "aside")
    place.store.parent.mkdir()
    yield
    assert [*place.store.parent.iterdir()] == []
    place.store.parent.rmdir()
    moved.rename(place.store.parent)


@pytest.mark.parametrize(
    ("away", "exit_code"), [(no_folder, USAGE), (damaged, BUSY), (no_store, USAGE)], ids=["folder", "file", "store"]
)
def test_without_the_store_nothing_runs(place: Place, away: Away, exit_code: int) -> None:
    """It fails closed, unlike exec: no record, no effect; only what may pass by itself has the exit code of a retry."""
    log = place.folder / "log"
    assert once(place, "before", "true")[0] == 0
    with away(place):
        code, _, err = once(place, "key", f"echo x >> {log}")
        assert code == exit_code
        assert err.startswith("error: ")
    assert not log.exists()
    assert once(place, "key", f"echo x >> {log}")[0] == 0
    assert log.read_text() == "x\n"


def test_command_before_the_separator_is_refused(place: Place) -> None:
    """A value in two words would be the first word of the command."""
    done = place.call("once", "key", "--within", "1h", "hour", "--", "true")
    assert done.returncode == USAGE
    assert b"'hour' is neither the key nor an option: the command must follow --" in done.stderr


def test_usage_is_checked_before_anything_runs(place: Place) -> None:
    """Without --, an option of the command could be one of ours; keys and durations are checked."""
    for words in (
        ("key", "echo", "-v"),
        ("key", "--"),
        ("", "--", "true"),
        ("key", "--within", "0s", "--", "true"),
        ("key", "--conflict", "error", "--", "true"),
        ("key", "--identity", "{", "--", "true"),
    ):
        assert place.call("once", *words).returncode == USAGE, words
    assert states(place) == {}
