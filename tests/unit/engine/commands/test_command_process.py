"""Running one command to its end."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from queue import Empty, Queue

import pytest

from mainspring.domain.failures.classifier import FailureKind, classify
from mainspring.engine.commands.command import CommandEnd, CommandFailed, CommandSpec, build_environment
from mainspring.engine.commands.command_process import EXEC_SHIM, TAIL_BYTES, CommandProcess
from mainspring.engine.commands.command_result import raise_unless_succeeded
from mainspring.engine.commands.stream_forwarder import StreamForwarder

SHELL = ["sh", "-c"]


def run(*words, **options):
    """Run a command; return its end, its lines and what was reported its group."""
    lines, groups = [], []
    running = CommandProcess(
        CommandSpec(words=list(words), **options),
        on_line=lambda stream, text: lines.append((stream, text)),
        on_group=lambda pgid, mark, ended: groups.append((pgid, mark, ended)),
    )
    return running.run(), lines, groups


def test_command_gives_code_lines_and_tail():
    """Exit code, lines of both streams and the end of the output come back; the group is reported at both ends."""
    end, lines, groups = run(*SHELL, "echo one; echo two >&2; printf three; exit 3")
    assert (end.code, end.timed_out, end.stopped) == (3, False, False)
    assert sorted(lines) == [("stderr", "two"), ("stdout", "one"), ("stdout", "three")]
    assert "one" in end.tail
    (started, ended) = groups
    assert started[:2] == ended[:2]
    assert (started[2], ended[2]) == (False, True)


def test_words_reach_the_command_unchanged():
    """No shell reads the words: spaces, quotes, stars and bytes that are no UTF-8 stay as they are."""
    words = ["a b", "*", "$HOME", "'\"", "", "\udcff", "-x", "--"]
    end, lines, _ = run(sys.executable, "-c", "import os, sys; print(list(map(os.fsencode, sys.argv[1:])))", *words)
    assert lines[0][1] == str(list(map(os.fsencode, words)))
    assert end.code == 0


def test_bad_output_is_escaped_and_the_tail_bounded():
    """Any bytes become printable text; of much output the end is kept, from the start of a line."""
    end, _, _ = run(sys.executable, "-c", "import os; os.write(1, b'\\0 \\xff \\x1b[31m\\n')")
    assert end.tail == "\\x00 \\udcff \\x1b[31m\n"
    end, _, _ = run(sys.executable, "-c", "for n in range(30_000): print(n, 'x' * 10)")
    assert len(end.tail) <= TAIL_BYTES
    assert end.tail.startswith("2")
    assert end.tail.endswith("29999 xxxxxxxxxx\n")
    end, _, _ = run(sys.executable, "-c", "import os; os.write(1, b'\\0' * 60_000)")
    assert len(end.tail) <= TAIL_BYTES


@pytest.mark.parametrize(
    ("words", "code"),
    [(["no-such-command-anywhere"], 127), (["/etc/hostname"], 126), (["/"], 126), (["./no/such"], 127)],
)
def test_command_that_cannot_run_ends_as_in_a_shell(words, code):
    """Not found is 127 and not executable 126, with a line that says so."""
    end, lines, _ = run(*words)
    assert end.code == code
    assert "cannot run" in lines[0][1]


def test_end_reports_whether_the_command_started():
    """Its own exit code 127 is no proof that it never started; a signal that came before it is one."""
    assert not run("no-such-command-anywhere")[0].has_started
    assert run(*SHELL, "exit 127")[0].has_started
    assert run(*SHELL, "kill -9 $$")[0].has_started
    process = CommandProcess(
        CommandSpec(words=["true"]), on_group=lambda _pgid, _mark, ended: ended or process.forward(signal.SIGTERM)
    )
    end = process.run()
    assert (end.code, end.has_started) == (-signal.SIGTERM, False)


def test_command_that_inherits_the_output_writes_it_itself(capfd):
    """Nothing of it is read here."""
    end, lines, _ = run(*SHELL, "echo one; echo two >&2", inherits_output=True)
    assert (end.code, lines, end.tail) == (0, [], "")
    assert capfd.readouterr() == ("one\n", "two\n")


def test_command_that_cannot_be_started_is_an_error(tmp_path):
    """A folder that is not there is an error that names the command."""
    with pytest.raises(CommandFailed, match="cannot start 'true'"):
        run("true", cwd=str(tmp_path / "none"))
    with pytest.raises(CommandFailed, match="cannot start"):
        run("true", "\0")


def test_heartbeat_ends_a_silent_command_and_remembers_its_last_output():
    """What it writes when it is ended is no sign any more; a time-out that comes first is a time-out."""
    script = "echo working; trap 'echo stopped; exit 1' TERM; sleep 60 & wait"
    end, lines, _ = run(*SHELL, script, heartbeat=timedelta(seconds=1), kill_after=30)
    assert (end.timed_out, end.stopped) == (True, False)
    assert [text for _, text in lines] == ["working", "stopped"]
    assert end.silent_since_us is not None
    assert end.duration_us - end.silent_since_us >= 1_000_000
    end, _, _ = run("sleep", "60", timeout=timedelta(milliseconds=50), heartbeat=timedelta(hours=1))
    assert (end.timed_out, end.silent_since_us) == (True, None)


def test_slow_reader_of_the_output_is_no_silence():
    """A command that waits until its output is read cannot write: the reader may take any time."""
    read, write = os.pipe()
    forwarder = StreamForwarder(write)
    command = CommandSpec(words=[*SHELL, "head -c 3000000 /dev/zero"], heartbeat=timedelta(milliseconds=300))
    ends: Queue[CommandEnd] = Queue()
    running = CommandProcess(command, forwarders={"stdout": forwarder})
    thread = threading.Thread(target=lambda: ends.put(running.run()))
    thread.start()
    with pytest.raises(Empty):
        ends.get(timeout=1)  # three times its heartbeat
    left = 3_000_000
    while left:
        left -= len(os.read(read, 65_536))
    thread.join()
    assert (ends.get().code, left) == (0, 0)
    os.close(read)
    os.close(write)


def test_timeout_ends_the_whole_group(tmp_path):
    """A command that ignores TERM, and what it started, are gone soon after the time-out."""
    file = tmp_path / "pids"
    script = f"trap '' TERM; sleep 60 & echo $$ $! > {file}; while :; do sleep 1; done"
    end, _, _ = run(*SHELL, script, timeout=timedelta(seconds=3), kill_after=0.2)
    assert (end.code, end.timed_out) == (-signal.SIGKILL, True)
    assert end.duration_us < 50_000_000, "it would have slept for a minute"
    for pid in file.read_text().split():
        _until(lambda pid=pid: not _is_alive(int(pid)))


def test_command_that_ends_on_term_is_not_killed():
    """A command has its time to end by itself."""
    script = "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done"
    end, lines, _ = run(*SHELL, script, timeout=timedelta(seconds=3), kill_after=30)
    assert (end.code, end.timed_out) == (7, True)
    assert ("stdout", "bye") in lines


def test_stop_ends_the_command_from_another_thread():
    """`stop` wakes the reader, before or after the start."""
    running = CommandProcess(CommandSpec(words=["sleep", "60"]))
    running.stop()
    end = running.run()
    assert (end.code, end.stopped, end.timed_out) == (-signal.SIGTERM, True, False)
    running.stop()
    up = threading.Event()
    running = CommandProcess(CommandSpec(words=[*SHELL, "echo up; sleep 60"]), on_line=lambda *line: up.set())
    stopper = threading.Thread(target=lambda: (up.wait(10), running.stop()))
    stopper.start()
    assert running.run().stopped
    stopper.join()


def test_process_of_a_command_that_never_starts_ends_as_a_stopped_one():
    """The signal of a stop may reach it too late: without the byte that lets it go it has the same exit code."""
    go_read, go_write = os.pipe()
    os.close(go_write)
    shim = [sys.executable, "-I", "-S", "-c", EXEC_SHIM, str(os.getpid()), "none", str(go_read), "0", "true"]
    assert subprocess.run(shim, check=False, pass_fds=(go_read,)).returncode == -signal.SIGTERM
    os.close(go_read)


def test_forwarded_signal_reaches_the_command():
    """Signals that `exec` gets are handed on."""
    running = CommandProcess(
        CommandSpec(words=[*SHELL, "trap 'exit 9' HUP; echo up; while :; do sleep 0.01; done"]),
        on_line=lambda *line: running.forward(signal.SIGHUP),
    )
    assert running.run().code == 9
    running.forward(signal.SIGHUP)


def test_leftover_process_does_not_delay_the_command():
    """A background process that keeps the pipes does not keep the end back, and is left alone."""
    end, lines, _ = run(*SHELL, "sleep 300 & echo $!")
    assert end.code == 0
    left = int(lines[0][1])
    assert _is_alive(left)
    os.kill(left, signal.SIGKILL)


def test_forwarders_pass_output_on(capfd):
    """The output appears on our own streams as it is."""
    command = CommandSpec(words=[*SHELL, "printf 'raw \\377'; echo err >&2"])
    CommandProcess(command, forwarders={"stdout": StreamForwarder(1), "stderr": StreamForwarder(2)}).run()
    out = capfd.readouterr()
    assert out.err == "err\n"
    assert out.out.startswith("raw ")


@pytest.fixture
def unread():
    """The writing end of a pipe that is full and that no one reads."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, bytes(4096))
    os.set_blocking(write, True)
    yield write
    os.close(read)
    os.close(write)


def test_reader_that_reads_nothing_holds_up_no_time_out(unread):
    """The command is ended in time, and so are we."""
    command = CommandSpec(words=["yes"], timeout=timedelta(milliseconds=200), kill_after=0.2)
    end = CommandProcess(command, forwarders={"stdout": StreamForwarder(unread)}).run()
    assert end.timed_out


def test_reader_that_reads_nothing_holds_up_no_signal(unread):
    """Neither while the command runs nor when all that is left is to pass on what it printed."""
    for words, codes in ((["yes"], {-signal.SIGTERM}), (["seq", "10"], {-signal.SIGTERM, 0})):
        running = CommandProcess(CommandSpec(words=words), forwarders={"stdout": StreamForwarder(unread)})
        ends: Queue[CommandEnd] = Queue()
        thread = threading.Thread(target=lambda running=running, ends=ends: ends.put(running.run()))
        thread.start()
        while thread.is_alive():
            running.forward(signal.SIGTERM)
            thread.join(0.05)
        assert ends.get_nowait().code in codes


def test_slow_reader_gets_everything():
    """However long after the command's own end."""
    read, write = os.pipe()
    forwarder, got = StreamForwarder(write), bytearray()
    running = CommandProcess(CommandSpec(words=["seq", "200000"]), forwarders={"stdout": forwarder})
    thread = threading.Thread(target=running.run)
    thread.start()
    expected = b"".join(b"%d\n" % n for n in range(1, 200001))
    while len(got) < len(expected):
        got += os.read(read, 10_000)
    thread.join()
    assert bytes(got) == expected
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("words", [["yes"], ["sh", "-c", "while echo line; do :; done"]])
def test_command_whose_reader_has_gone_gets_a_broken_pipe(words):
    """It would print for ever if its output were thrown away in silence."""
    read, write = os.pipe()
    os.close(read)
    end = CommandProcess(CommandSpec(words=words), forwarders={"stdout": StreamForwarder(write)}).run()
    os.close(write)
    assert end.code == -signal.SIGPIPE
    assert isinstance(end.lost, BrokenPipeError)


def test_output_that_cannot_be_written_is_lost_output(tmp_path):
    """The command continues, as one that looks at no error of its output; that it was lost is known."""
    full = os.open("/dev/full", os.O_WRONLY)
    words = [*SHELL, "echo lost; echo done > $0", str(tmp_path / "after")]
    end = CommandProcess(
        CommandSpec(words=words), forwarders={"stdout": StreamForwarder(full), "stderr": StreamForwarder(full)}
    ).run()
    os.close(full)
    assert (end.code, end.lost.errno) == (0, errno.ENOSPC)
    assert (tmp_path / "after").read_text() == "done\n"
    with pytest.raises(CommandFailed, match="the output of sh was lost: No space left on device") as failed:
        raise_unless_succeeded(words, end, None)
    assert failed.value.returncode == 74


def test_command_does_not_ignore_broken_pipes():
    """Python's own signal settings do not leak into the command."""
    end, _, _ = run("bash", "-c", "set -o pipefail; yes | head -1")
    assert end.code == 128 + signal.SIGPIPE


def test_command_dies_with_its_parent(tmp_path):
    """When the process that runs it is killed, the command is gone at once."""
    file = tmp_path / "pid"
    program = (
        "import sys; sys.path[:] = sys.argv[2:]\n"
        "from mainspring.engine.commands.command import CommandSpec\n"
        "from mainspring.engine.commands.command_process import CommandProcess\n"
        "CommandProcess(CommandSpec(words=['sh', '-c', 'echo $$ > $0; exec sleep 60', sys.argv[1]])).run()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(file), *filter(None, sys.path)])
    try:
        _until(lambda: file.exists() and file.read_text().strip())
        pid = int(file.read_text())
        assert _is_alive(pid)
        parent.send_signal(signal.SIGKILL)
        _until(lambda: not _is_alive(pid))
    finally:
        parent.kill()
        parent.wait()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, FailureKind.UNKNOWN),
        (75, FailureKind.TRANSIENT),
        (124, FailureKind.TRANSIENT),
        (127, FailureKind.PERMANENT),
        (-9, FailureKind.UNKNOWN),
    ],
)
def test_failed_command_is_classified_by_its_exit_code(code, kind):
    """The table of exit codes decides whether trying again can help."""
    assert classify(CommandFailed("x", code)).kind is kind


def test_environment_names_the_attempt_and_holds_no_secret():
    """Secrets and what an outer run left are not passed on; the attempt is named; additions win over what we have."""
    base = {"PATH": "/bin", "MAINSPRING_SECRET_DB": "x", "MAINSPRING_SLOT": "old", "MAINSPRING_CONFIG": "c", "A": "1"}
    environ = build_environment(base, {"A": "2"}, run_id="r", attempt=3, key="k")
    assert environ == {
        "PATH": "/bin",
        "MAINSPRING_CONFIG": "c",
        "A": "2",
        "MAINSPRING_RUN_ID": "r",
        "MAINSPRING_ATTEMPT": "3",
        "MAINSPRING_IDEMPOTENCY_KEY": "k",
    }
    slot = build_environment({}, {}, run_id="r", attempt=1, key="k", slot_at=1_767_582_000_000)["MAINSPRING_SLOT"]
    assert slot == "2026-01-05T03:00:00Z"


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
