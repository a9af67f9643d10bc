"""One wrapped command: its exit code, its bytes, its attempts, its lock, and its end by force."""

import json
import os
import pwd
import select
import shlex
import signal
import socket
import subprocess
import sys

import pytest

from tests.acceptance.wrapping import TIMEOUT_S, Place
from tests.polling import polls


def await_end(pid: int) -> None:
    """Wait until a process that may not be our child is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = select.select([descriptor], [], [], TIMEOUT_S)
        assert ready, f"process {pid} lives on"
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("options", "command", "code", "end"),
    [
        ((), ("true",), 0, ("succeeded", None)),
        ((), ("sh", "-c", "exit 3"), 3, ("failed", "retries_exhausted")),
        ((), ("sh", "-c", "exit 65"), 65, ("failed", "permanent_error")),
        ((), ("sh", "-c", "kill -KILL $$"), 128 + 9, ("failed", "retries_exhausted")),
        ((), ("sh", "-c", "kill -SEGV $$"), 128 + 11, ("failed", "retries_exhausted")),
        ((), ("./no-such-command",), 127, ("failed", "permanent_error")),
        ((), ("/",), 126, ("failed", "permanent_error")),
        (("--timeout", "100ms"), ("sleep", "1000"), 124, ("failed", "retries_exhausted")),
        (("--produces", "*.gz"), ("true",), 1, ("failed", "no_output")),
        (("--produces", "*.gz"), ("sh", "-c", "echo x > a.gz"), 0, ("succeeded", None)),
    ],
)
def test_exit_code_is_what_a_shell_and_gnu_timeout_have(
    place: Place, options: tuple[str, ...], command: tuple[str, ...], code: int, end: tuple[str, str | None]
) -> None:
    """Each end of a command has its exit code and its state on record."""
    assert place.exec("-n", "x", *options, "--", *command).returncode == code
    assert place.runs() == [end]


@pytest.mark.parametrize(
    "words",
    [
        ("--no-such-option", "--", "true"),
        ("-n", "a b", "--", "true"),
        ("--timeout", "soon", "--", "true"),
        ("-n", "x"),
        ("--", ""),
        *((option, value, "--", "true") for option in ("-n", "--lock", "--key", "--tz") for value in ("", " ", "a\nb")),
        *((option, "\033[31mx", "--", "true") for option in ("-n", "--lock", "--key")),
        *((option, "x" * 100_000, "--", "true") for option in ("-n", "--lock", "--key", "--owner")),
        *(("--store", url, "--", "true") for url in ("", "d/", "sqlite:///", "mysql://user:secret@host/db")),
    ],
)
def test_exec_ends_with_125_for_its_own_arguments(place: Place, words: tuple[str, ...]) -> None:
    """The small exit codes belong to the command, so a usage error is 125, and nothing runs."""
    done = place.exec(*words)
    assert done.returncode == 125
    assert done.stderr.startswith(b"error: ")
    assert len(done.stderr) < 1000
    assert not place.store.exists()
    assert b"secret" not in done.stderr


def test_bytes_pass_through_untouched(place: Place) -> None:
    """Input, output and errors are passed on byte by byte, and what is kept of them is printable."""
    data = bytes(range(256)) * 300 + b"\x00\xff no end of line"
    assert b"created a new store" in place.sh("true").stderr  # it is reported once, of the first command
    done = place.sh("tee /dev/stderr", input=data)
    assert (done.stdout, done.stderr, done.returncode) == (data, data, 0)
    stored = place.rows("select output from journal where run = (select id from runs order by seq desc limit 1)")[0][0]
    assert "\\x00\\udcff no end of line" in stored.decode().replace("\\\\", "\\")


def test_time_out_ends_grandchildren(place: Place) -> None:
    """A time-out ends everything the command started."""
    ready = place.fifo("ready")
    process = place.start("exec", "-n", "x", "--timeout", "3s", "--", "sh", "-c", "sleep 1000 & echo $! > ready; wait")
    grandchild = int(ready.read_text())
    assert process.wait(TIMEOUT_S) == 124
    await_end(grandchild)


def test_timeout_holds_without_a_reader(place: Place) -> None:
    """A pager that was left open must not keep a crontab line for ever."""
    read, write = os.pipe()
    process = place.start("exec", "-n", "x", "--timeout", "300ms", "--", "yes", stdout=write, stderr=write)
    os.close(write)
    assert process.wait(TIMEOUT_S) == 124
    assert place.runs() == [("failed", "retries_exhausted")]
    os.close(read)


def test_output_that_is_lost_on_its_way_fails_the_run(place: Place) -> None:
    """`pg_dump > dump.sql` on a full disk, and a pipe whose reader died: what fails without `exec` fails with it."""
    with open("/dev/full", "wb") as full:
        process = place.start(
            *("exec", "-n", "dump", "--", "head", "-c", "500000", "/dev/zero"), stdout=full, stderr=subprocess.PIPE
        )
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 74
    assert b"dump: the output of head was lost: No space left on device" in errors
    read, write = os.pipe()
    os.close(read)
    for words in (("yes",), ("head", "-c", "5000000", "/dev/zero")):
        process = place.start("exec", "-n", "dump", "--", *words, stdout=write)
        assert process.wait(TIMEOUT_S) == 128 + signal.SIGPIPE
    os.close(write)
    assert [state for state, _ in place.runs()] == ["failed"] * 3


def test_much_output_is_neither_held_nor_stored(place: Place) -> None:
    """200 MB pass through; memory and record stay small."""
    # Measured by a small process of its own: until its exec a child counts the memory of anyone who started it as its own.
    measure = """if True:
        import resource, subprocess, sys
        code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
        print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    """
    words = (sys.executable, "-m", "mainspring", "exec", "-n", "x", "--", "sh", "-c", "yes | head -c 200000000")
    env = {**place.env, "MAINSPRING_STORE_URL": str(place.store)}
    done = subprocess.run(
        [sys.executable, "-c", measure, *words],
        cwd=place.folder,
        env=env,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    code, most = map(int, done.stdout.split())
    assert code == 0
    assert most < 150 * 1024
    ((size,),) = place.rows("select max(length(output)) from journal")
    assert size < 300_000


def test_retries_are_on_record(place: Place) -> None:
    """Each attempt is kept with its error; the environment tells which one it is."""
    script = 'echo "$MAINSPRING_RUN_ID $MAINSPRING_ATTEMPT $MAINSPRING_IDEMPOTENCY_KEY"; test $MAINSPRING_ATTEMPT = 3'
    done = place.sh(script, "--retry", "5", "--retry-wait", "1ms")
    assert done.returncode == 0
    runs, attempts, keys = zip(*(line.split() for line in done.stdout.decode().splitlines()), strict=True)
    assert (len(set(runs)), attempts, len(set(keys))) == (1, ("1", "2", "3"), 1)
    assert place.runs() == [("succeeded", None)]
    assert place.rows("select run, attempt, state, next_at >= ended_at from attempts order by attempt") == [
        (runs[0], 1, "failed", 1),
        (runs[0], 2, "failed", 1),
    ]
    assert place.rows("select attempt, state from journal") == [(3, "succeeded")]


def test_permanent_exit_code_is_not_tried_again(place: Place) -> None:
    """A usage error of the command (64) stays one however often it is tried; 75 is tried again."""
    assert place.sh("echo x; exit 64", "--retry", "3", "--retry-wait", "1ms").stdout == b"x\n"
    assert place.sh("echo x; exit 75", "--retry", "3", "--retry-wait", "1ms").stdout == b"x\n" * 3


def test_key_that_succeeded_does_not_run_again(place: Place) -> None:
    """A key counts once: failed runs may be repeated under it, a success may not."""
    assert place.sh("exit 1", "--key", "k").returncode == 1
    first = place.sh("echo $MAINSPRING_IDEMPOTENCY_KEY", "--key", "k")
    again = place.sh("echo again", "--key", "k")
    other = place.sh("echo other", "--key", "l")
    assert (first.returncode, again.returncode, again.stdout, other.stdout) == (0, 0, b"", b"other\n")
    assert b"succeeded already" in again.stderr
    assert [state for state, _ in place.runs()] == ["failed", "succeeded", "succeeded"]


def test_success_with_another_key_settles_no_failure(place: Place) -> None:
    """A failed item stays open until a run with its own key succeeds."""
    unsettled = "select item from failures where settled_at is null"
    place.sh("exit 1", "--key", "f13")
    place.sh("exit 0", "--key", "f15")
    assert place.rows(unsettled) == [("f13",)]
    place.sh("exit 0", "--key", "f13")
    assert place.rows(unsettled) == []


def test_lock_keeps_a_second_command_out(place: Place) -> None:
    """While one holds the lock another is rejected with 75 and on record as cancelled, and may choose its exit code."""
    ready, go = place.fifo("ready"), place.fifo("go")
    first = place.start("exec", "-n", "a", "--lock", "l", "--", "sh", "-c", "echo > ready; read x < go")
    ready.read_text()
    assert place.exec("-n", "b", "--lock", "l", "--", "true").returncode == 75
    assert place.exec("-n", "b", "--lock", "l", "--lock-exit", "0", "--", "true").returncode == 0
    assert place.exec("-n", "b", "--lock", "other", "--", "true").returncode == 0
    go.write_text("\n")
    assert first.wait(TIMEOUT_S) == 0
    assert place.exec("-n", "b", "--lock", "l", "--", "true").returncode == 0
    assert place.rows("select automation, state from runs order by finished_at, seq") == [
        *[("b", "cancelled")] * 2,
        ("b", "succeeded"),
        ("a", "succeeded"),
        ("b", "succeeded"),
    ]


def test_lock_wait_lets_one_follow_the_other(place: Place) -> None:
    """Who may wait for the lock runs after its holder ended."""
    ready, go = place.fifo("ready"), place.fifo("go")
    first = place.start("exec", "-n", "a", "--lock", "l", "--", "sh", "-c", "echo > ready; read x < go; echo a >> log")
    ready.read_text()
    second = place.start("exec", "-n", "b", "--lock", "l", "--lock-wait", "1m", "--", "sh", "-c", "echo b >> log")
    go.write_text("\n")
    assert (first.wait(TIMEOUT_S), second.wait(TIMEOUT_S)) == (0, 0)
    assert (place.folder / "log").read_text() == "a\nb\n"


def test_commands_share_the_slots_of_a_lock(place: Place) -> None:
    """Two at a time; the third waits in a line that all see, and another number of slots is an error that names the holder."""
    ready, ends = place.fifo("ready"), [place.fifo(name) for name in "ab"]
    words = ("exec", "--lock", "l", "--slots", "2")
    holders = []
    for name in "ab":
        holders.append(place.start(*words, "-n", name, "--", "sh", "-c", f"echo > ready; read x < {name}"))
        ready.read_text()
    refused = place.exec("--lock", "l", "-n", "c", "--", "true")
    assert (refused.returncode, b"slots=1, but a (r_" in refused.stderr) == (125, True)
    assert place.exec("--lock", "l", "--slots", "2", "-n", "c", "--", "true").returncode == 75
    third = place.start(*words, "--lock-wait", "1m", "-n", "c", "--", "true")
    waiting = "select owner from lock_waiters where name = 'l'"
    assert any(place.rows(waiting) for _ in polls(TIMEOUT_S))
    assert place.rows("select slot from locks order by slot") == [(1,), (2,)]
    ends[0].write_text("\n")
    assert third.wait(TIMEOUT_S) == 0
    ends[1].write_text("\n")
    assert [holder.wait(TIMEOUT_S) for holder in holders] == [0, 0]


# No shell: dash loses a SIGINT that comes between the fork and the exec of a command, and waits for it for ever.
PAUSE = f"""exec {shlex.quote(sys.executable)} -c 'import signal; open("ready", "w").close(); signal.pause()'"""


@pytest.mark.parametrize(
    ("script", "number", "code"),
    [
        ("trap 'exit 7' TERM; echo > ready; sleep 1000 & wait", signal.SIGTERM, 7),
        ("trap 'exit 0' HUP; echo > ready; sleep 1000 & wait", signal.SIGHUP, 0),
        ("echo > ready; sleep 1000; true", signal.SIGTERM, 128 + 15),
        (PAUSE, signal.SIGINT, 128 + 2),
    ],
)
def test_signal_is_passed_on(place: Place, script: str, number: int, code: int) -> None:
    """A signal reaches the command, its exit code stays, no attempt follows, and the run is on record as cancelled."""
    ready = place.fifo("ready")
    process = place.start("exec", "-n", "x", "--retry", "9", "--", "sh", "-c", script)
    ready.read_text()
    process.send_signal(number)
    assert process.wait(TIMEOUT_S) == code
    assert place.runs() == [("cancelled", None)]


def test_run_is_cancelled_from_outside(place: Place) -> None:
    """`mainspring runs cancel` ends a wrapped command that runs, and no attempt follows."""
    ready = place.fifo("ready")
    script = "echo $MAINSPRING_RUN_ID > ready; sleep 1000; true"
    process = place.start("exec", "-n", "x", "--retry", "9", "--", "sh", "-c", script)
    run = ready.read_text().strip()
    assert place.call("runs", "cancel", run, "-y").returncode == 0
    assert process.wait(TIMEOUT_S) == 128 + 15
    assert place.runs() == [("cancelled", None)]


def test_killed_exec_takes_its_command_along(place: Place) -> None:
    """After kill -9 the command is gone with it; the watcher ends what it had started, and the run is lost, not running."""
    ready = place.fifo("ready")
    script = "sleep 1000 & echo $$ $! > ready; wait"
    process = place.start("exec", "-n", "x", "--lock", "l", "--", "sh", "-c", script)
    child, grandchild = map(int, ready.read_text().split())
    process.kill()
    process.wait(TIMEOUT_S)
    await_end(child)
    assert place.runs() == [("running", None)]
    status = place.call("status")
    assert status.returncode == 9
    assert b"died, and no process on this machine has recorded it. Record it: mainspring watch" in status.stdout
    assert (
        b"No worker continues it. It ends as failed when a process records the death."
        in place.call("explain", "@last").stdout
    )
    code, found, _ = place.watch()
    assert (code, found["buried"]) == (0, [1])
    await_end(grandchild)
    assert place.runs() == [("failed", "process_lost")]
    assert place.rows("select state from attempts") == [("lost",)]


def test_lock_of_a_killed_exec_is_free_for_the_next(place: Place) -> None:
    """The next call with the lock ends what the killed one left running, and runs."""
    ready = place.fifo("ready")
    process = place.start("exec", "-n", "x", "--lock", "l", "--", "sh", "-c", "sleep 1000 & echo $! > ready; wait")
    grandchild = int(ready.read_text())
    process.kill()
    process.wait(TIMEOUT_S)
    assert place.exec("-n", "y", "--lock", "l", "--", "true").returncode == 0
    await_end(grandchild)
    assert place.runs() == [("failed", "process_lost"), ("succeeded", None)]


def test_exec_inside_exec_is_not_confused(place: Place) -> None:
    """A wrapped command may call us again, if it is given the store: what it finds besides in its environment is no setting."""
    done = place.sh(
        f"{sys.executable} -m mainspring exec -n inner -- sh -c 'echo $MAINSPRING_RUN_ID'; echo $MAINSPRING_RUN_ID",
        *("--pass-env", "MAINSPRING_STORE_URL"),
    )
    inner, outer = done.stdout.decode().split()
    assert inner != outer
    assert place.runs() == [("succeeded", None), ("succeeded", None)]


def test_ignored_hangup_stays_ignored(place: Place) -> None:
    """Under nohup neither we nor the command end when the terminal goes."""
    ready, go = place.fifo("ready"), place.fifo("go")
    process = place.start(
        *("exec", "-n", "x", "--", "sh", "-c", "echo > ready; read x < go"),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    ready.read_text()
    process.send_signal(signal.SIGHUP)
    go.write_text("\n")
    assert process.wait(TIMEOUT_S) == 0


def test_words_may_be_any_bytes_and_many(place: Place) -> None:
    """File names that are not UTF-8, and command lines of any length the system takes, reach the command as they are."""
    odd = b"caf\xe9 \x1b[31m"
    done = place.exec("-n", "x", "--", "printf", "%s", os.fsdecode(odd))
    assert (done.returncode, done.stdout) == (0, odd)
    done = place.exec("--owner", os.fsdecode(odd), "--", "sh", "-c", "echo $#", "sh", *["x" * 50] * 20_000)
    assert (done.returncode, done.stdout) == (0, b"20000\n")
    assert [state for state, _ in place.runs()] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("given", [{}, {"LC_CTYPE": "C.UTF-8"}, {"LANG": "C", "LC_ALL": "C"}])
def test_environment_is_the_callers(place: Place, given: dict[str, str]) -> None:
    """The command gets what we got and what names its attempt, and nothing that Python thinks it needs."""
    done = place.exec("-n", "x", "--", "env", env=given)
    found = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    named = {name for name in found if name.startswith("MAINSPRING_")} - {"MAINSPRING_STORE_WITHHELD", *place.env}
    assert found.pop("MAINSPRING_STORE_WITHHELD") == "1"
    assert named == {"MAINSPRING_RUN_ID", "MAINSPRING_ATTEMPT", "MAINSPRING_IDEMPOTENCY_KEY"}
    assert {name: text for name, text in found.items() if name not in named} == {
        **place.env,
        **given,
    }


def test_closed_streams_do_no_harm(place: Place) -> None:
    """Where the caller closed input, output and errors, nothing of the command's output lands in a file of ours."""
    words = f"{sys.executable} -m mainspring exec -n x --lock l -- sh -c 'echo marked; echo marked >&2; exit 3'"
    env = {**place.env, "MAINSPRING_STORE_URL": str(place.store)}
    done = subprocess.run(["sh", "-c", f"exec {words} <&- >&- 2>&-"], cwd=place.folder, env=env, check=False)
    assert done.returncode == 3
    written = [path for path in place.folder.rglob("*") if path.is_file() and path.suffix not in (".db", ".db-wal")]
    assert not [path for path in written if b"marked\n" in path.read_bytes()]
    assert place.runs() == [("failed", "retries_exhausted")]


def test_failed_line_is_not_offered_to_workers(place: Place) -> None:
    """People are asked to run the line again; continuing its run would wait for ever, and is refused."""
    place.sh("exit 1")
    output = place.call("explain", "@last").stdout
    assert b"runs retry" not in output
    assert b"mainspring exec -n line" in output
    refused = place.call("runs", "retry", "@last", "-y")
    assert (refused.returncode, b"wrapped command" in refused.stderr) == (8, True)
    assert place.runs() == [("failed", "retries_exhausted")]


def test_verbose_names_the_store(place: Place) -> None:
    """-v tells which store and spool are used."""
    done = place.sh("true", "-v")
    assert str(place.store) in done.stderr.decode()
    assert str(place.spool) in done.stderr.decode()


@pytest.mark.parametrize(
    ("options", "words", "message"),
    [
        (("--produces", "*.gz"), ("true",), b"*.gz: nothing matches"),
        (("--timeout", "100ms"), ("sleep", "1000"), b"sleep took longer than 100ms"),
    ],
    ids=["not produced", "timed out"],
)
def test_silent_command_failure_is_reported(place: Place, options, words, message):
    """Cron mails what is on stderr: without a word there is no mail."""
    assert message in place.exec("-n", "x", *options, "--", *words).stderr


def test_command_that_fails_by_itself_is_left_the_word(place: Place):
    """Its own 124 and 1 are no time-out and no missing product of ours."""
    place.sh("true")  # makes the store, and says so
    assert place.sh("exit 124", "--timeout", "50s").stderr == b""
    assert place.sh("exit 1", "--produces", "*.gz").stderr == b""


def test_script_with_windows_line_ends_is_named_as_such(place: Place):
    """The file is there: what is not there is the program that its first line asks for."""
    for name, text in (("crlf.sh", b"#!/bin/sh\r\ntrue\r\n"), ("none.sh", b"#!/bin/nosuch\ntrue\n")):
        path = place.folder / name
        path.write_bytes(text)
        path.chmod(0o755)
    crlf = place.exec("-n", "x", "--", "./crlf.sh")
    assert (crlf.returncode, b"'./crlf.sh': its first line ends in CR" in crlf.stderr) == (127, True)
    assert b"sed -i 's/\\r$//' FILE" in crlf.stderr
    assert (
        b"there is no '/bin/nosuch', which its first line asks for" in place.exec("-n", "x", "--", "./none.sh").stderr
    )


def test_script_without_a_first_line_or_permission_is_reported_with_its_fix(place: Place):
    """The words of the operating system, "Exec format error" and "Permission denied", say nothing of what to do."""
    for name, mode in (("bare.sh", 0o755), ("locked.sh", 0o644)):
        path = place.folder / name
        path.write_bytes(b"echo hello\n")
        path.chmod(mode)
    bare = place.exec("-n", "x", "--", "./bare.sh")
    assert (bare.returncode, b"'./bare.sh': it has no first line that names its program" in bare.stderr) == (126, True)
    assert b"#!/bin/sh" in bare.stderr
    locked = place.exec("-n", "x", "--", "./locked.sh")
    assert (locked.returncode, b"'./locked.sh': it may not be executed; run: chmod +x FILE" in locked.stderr) == (
        126,
        True,
    )


def test_actor_of_a_wrapped_command_has_the_users_name(place: Place):
    """Cron may set neither USER nor LOGNAME."""
    place.sh("true")
    (trigger,) = place.rows("select trigger from runs")[0]
    assert trigger == f"exec:{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"


def test_lines_are_kept_with_the_run(place: Place) -> None:
    """What the command printed in each attempt is found again; what it exits with is not changed by that."""
    done = place.sh("echo try $MAINSPRING_ATTEMPT; exit 3", "--retry", "2", "--retry-wait", "0s")
    assert done.returncode == 3
    assert done.stdout == b"try 1\ntry 2\n"
    output = place.call("runs", "logs", "@last", "--json")
    lines = [json.loads(line) for line in output.stdout.splitlines()]
    assert [(line["text"], line["attempt"], line["stream"]) for line in lines] == [
        ("try 1", 1, "stdout"),
        ("try 2", 2, "stdout"),
    ]
