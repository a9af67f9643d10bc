"""Commands run without a shell, in a clean environment, within limits, and once for their key."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.actions import shell
from mainspring.app import program_session
from mainspring.app.program_effects import program_effects
from mainspring.domain.errors import ArgumentError, BusyError, ConfigError, DefinitionError, OptionError
from mainspring.engine.attempts.effect import EffectChannel
from mainspring.engine.commands.command import CommandFailed
from mainspring.resources.secret_variables import SecretVariables
from mainspring.testing import ActionContract
from tests.new_stores import create_store
from tests.polling import polls
from tests.unit.actions import command_actions
from tests.unit.actions.kills import check_contract

SECRET = "s3cret_of_the_line"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EffectChannel]:
    """A plain program with a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAINSPRING_STORE_URL", f"sqlite:///{tmp_path}/store.db")
    create_store(tmp_path / "store.db")
    yield program_effects()
    program_session.program_session().close()
    program_session._program = None


def test_output_and_exit_code_are_returned(tmp_path: Path) -> None:
    """The arguments are not parsed by a shell."""
    result = shell.run(["printf", "%s\n", "$HOME; `ls`", "a\r\nb"], cwd=tmp_path)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "$HOME; `ls`\na\r\nb\n", "")
    assert not result.truncated
    assert result.duration.total_seconds() > 0
    failed = shell.run(["sh", "-c", "pwd; echo bad >&2; exit 3"], cwd=tmp_path, check_exit=False)
    assert (failed.exit_code, failed.stdout, failed.stderr) == (3, f"{tmp_path}\n", "bad\n")
    with pytest.raises(CommandFailed, match=r"sh ended with exit code 3\nIts last line: bad") as caught:
        shell.run(["sh", "-c", "echo bad >&2; exit 3"])
    assert caught.value.returncode == 3


def test_input_is_read_and_bytes_are_text() -> None:
    """Without input the command reads an empty one."""
    assert shell.run(["cat"], input="text\n").stdout == "text\n"
    assert shell.run(["cat"]).stdout == ""
    assert shell.run(["printf", r"\377\000x"]).stdout == "\\xff\0x"


def test_only_named_variables_reach_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret of the environment does not, unless it is named."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key_of_aws")
    monkeypatch.setenv("MAINSPRING_SECRET_TOKEN", "token_of_mine")
    env = shell.run(["env"], env={"MORE": "1"}).stdout
    assert "MORE=1" in env
    assert "PATH=" in env
    assert "AWS" not in env
    assert "MAINSPRING" not in env
    named = shell.run(["env"], pass_env=["AWS_SECRET_ACCESS_KEY", "NOT_SET"]).stdout
    assert "AWS_SECRET_ACCESS_KEY=***" in named  # a value of such a name is hidden in any output


def test_secret_is_passed_and_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the output and in errors; it is never an argument."""
    monkeypatch.setenv("MAINSPRING_SECRET_TOKEN", "token_of_mine")
    words = ["sh", "-c", 'test -n "$T" && echo "<$T>"; echo "$T" >&2; exit $1', "x"]
    result = shell.run([*words, "0"], env={"T": "secret:TOKEN"})
    assert result.stdout.startswith("<")
    assert "token_of_mine" not in result.stdout + result.stderr
    with pytest.raises(CommandFailed) as caught:
        shell.run([*words, "1"], env={"T": "secret:TOKEN"})
    assert "token_of_mine" not in str(caught.value)
    with pytest.raises(ArgumentError, match="Pass it as a variable"):
        shell.run(["echo", "secret:TOKEN"])
    with pytest.raises(ConfigError, match="the secret 'OTHER' is not set"):
        shell.run(["env"], env={"T": "secret:OTHER"})


def test_secret_is_not_passed_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would go past the list of the automation and the record of uses; the configuration can allow it."""
    monkeypatch.setenv("MAINSPRING_SECRET_TOKEN", "token_of_mine")
    variables = SecretVariables()
    variables.withhold(["BAO_TOKEN"])
    monkeypatch.setattr(shell, "SECRET_VARIABLES", variables)
    with pytest.raises(ArgumentError) as refused:
        shell.run(["env"], pass_env=["LANG", "MAINSPRING_SECRET_TOKEN"])
    assert refused.value.hint == 'Name the secret: env={"TOKEN": "secret:TOKEN"}'
    with pytest.raises(ArgumentError, match="pass_env= does not pass 'BAO_TOKEN', which has a secret"):
        shell.run(["env"], pass_env=["BAO_TOKEN"])
    variables.allow(["MAINSPRING_SECRET_TOKEN"])
    assert "MAINSPRING_SECRET_TOKEN=***" in shell.run(["env"], pass_env=["MAINSPRING_SECRET_TOKEN"]).stdout


@pytest.mark.parametrize("text", ["Bearer secret:TOKEN", "Bearer {secret:TOKEN}"])
def test_name_of_a_secret_in_a_longer_text_is_refused(text: str) -> None:
    """The command would get the name in place of the value; words that only end in it are text."""
    with pytest.raises(ArgumentError, match="has the name of a secret inside a longer text") as refused:
        shell.run(["env"], env={"T": text})
    assert "ms.secret('TOKEN').reveal()" in str(refused.value.hint)
    assert "T=client-secret:x and secret: y" in shell.run(["env"], env={"T": "client-secret:x and secret: y"}).stdout


@pytest.mark.parametrize("size", [0, 99, 100, 101, 5_000, 9_000, 100_000])
def test_output_keeps_start_and_end(size: int) -> None:
    """At most `max_output` bytes, and a mark for the rest."""
    code = f"import sys; sys.stdout.write(''.join(chr(97 + i % 26) for i in range({size})))"
    result = shell.run([sys.executable, "-c", code], max_output=100)
    whole = "".join(chr(97 + i % 26) for i in range(size))
    assert result.truncated == (size > 100)
    if size <= 100:
        assert result.stdout == whole
    else:
        assert result.stdout == f"{whole[:50]}\n…[{size - 100:,} bytes are left out]\n{whole[-50:]}"


@pytest.mark.parametrize("filler", [0, 30_000])
def test_secret_at_a_cut_is_redacted(filler: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No part of it remains, whether much or little is left out."""
    secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    monkeypatch.setenv("MAINSPRING_SECRET_TOKEN", secret)
    code = f"import os; t = os.environ['T']; print('.' * 40 + t + '-' * {filler} + t + '.' * 40, end='')"
    result = shell.run([sys.executable, "-c", code], env={"T": "secret:TOKEN"}, max_output=100)
    assert not set(result.stdout.partition("…")[0]) & set(secret)
    assert not any(secret[n : n + 4] in result.stdout for n in range(len(secret) - 3))


def test_secret_at_a_cut_is_redacted_after_many_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each redacted one makes the text shorter, so that more of the output fits before the cut."""
    secret = "correct horse battery staple with three other words"
    monkeypatch.setenv("MAINSPRING_SECRET_TOKEN", secret)
    code = "import os; t = (os.environ['T'] + '.') * 2000; print('.' * 25 + t, '-' * 200_000, t + '.' * 25, end='')"
    result = shell.run([sys.executable, "-c", code], env={"T": "secret:TOKEN"}, max_output=20_000)
    assert result.truncated
    assert "corr" not in result.stdout
    assert "ords" not in result.stdout


def test_output_of_wide_characters_is_cut_by_bytes() -> None:
    """A character at the cut is left out as a whole."""
    result = shell.run([sys.executable, "-Xutf8", "-c", "print('€' * 50_000, end='')"], max_output=100)
    assert result.stdout == f"{'€' * 16}\n…[149,900 bytes are left out]\n{'€' * 16}"


def test_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    """A child in the background ends, too."""
    pid_file = tmp_path / "pid"
    words = ["sh", "-c", f"sleep 600 & echo $! > {pid_file}; wait"]
    with pytest.raises(CommandFailed, match="sh took longer than") as caught:
        shell.run(words, timeout="1s", check_exit=False)
    assert caught.value.returncode == 124
    pid = int(pid_file.read_text())
    assert any(not is_running(pid) for _ in polls(60))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("command", "options", "error", "message"),
    [
        ("ls -l", {}, ArgumentError, r"shell.run\(\['ls', '-l'\]\)"),
        ([], {}, ArgumentError, "not a list of texts"),
        (7, {}, ArgumentError, "not a list of texts"),
        (b"ls", {}, ArgumentError, "not a list of texts"),
        (["a\0b"], {}, ArgumentError, "word 0 of the command has a NUL"),
        (["sleep", 5], {}, ArgumentError, r"word 1 of the command 'sleep' is not a text \(got int\)\nWrite '5'"),
        (["sleep", None], {}, ArgumentError, r"word 1 of the command 'sleep' is not a text \(got NoneType\)"),
        (["echo", b"x"], {}, ArgumentError, r"word 1 of the command 'echo' is not a text \(got bytes\)"),
        (["echo", "\ud800x"], {}, ArgumentError, "word 1 of the command 'echo' has a lone surrogate at character 0"),
        (["no-such-program"], {}, CommandFailed, "there is no such program"),
        (["./no-such-program"], {}, CommandFailed, "there is no such program"),
        (["ls"], {"cwd": "/no/folder"}, CommandFailed, "there is no folder '/no/folder'"),
        (["ls"], {"within": "1h"}, OptionError, "needs once="),
        (["ls"], {"failed_means_not_done": True}, OptionError, "needs once="),
        (["ls"], {"once": "x", "check_exit": False}, OptionError, "does not fit once="),
        (["ls"], {"max_output": -1}, OptionError, "at least 0"),
        (["ls"], {"max_output": "1k"}, OptionError, "max_output='1k'.*whole number"),
        (["ls"], {"cwd": 7}, ArgumentError, r"cwd= of 'ls' is not a path \(got int\)"),
        (["ls"], {"cwd": b"x"}, ArgumentError, r"cwd= of 'ls' is not a path \(got bytes\)"),
        (["ls"], {"input": b"x"}, ArgumentError, r"input= of 'ls' is not a text \(got bytes\)"),
        (["ls"], {"pass_env": "HOME"}, ArgumentError, r'pass_env= is not a list of names.*\n.*pass_env=\["HOME"\]'),
        (["ls"], {"pass_env": 7}, ArgumentError, "pass_env= is not a list of names"),
        (["ls"], {"pass_env": [7]}, ArgumentError, "pass_env= is not a list of names"),
        (["ls"], {"pass_env": ["\ud800x"]}, ArgumentError, "pass_env= is not a list of names"),
        (["ls"], {"env": ["A=1"]}, ArgumentError, r"env= is not a mapping \(got list\)"),
        (["ls"], {"env": {"T": "\ud800x"}}, ArgumentError, "'T' of env= has a lone surrogate at character 0"),
        (["ls"], {"env": {"\ud800x": "x"}}, ArgumentError, "is not a name"),
        (["ls"], {"timeout": "soon"}, OptionError, "soon"),
        (["ls"], {"input": "\udcff"}, ArgumentError, "cannot be written as UTF-8: character 0"),
        (["ls"], {"env": {"T": 7}}, ArgumentError, r"the variable 'T' of env= is not a text \(got int\)"),
        (["ls"], {"env": {"T": "a\0b"}}, ArgumentError, "has a NUL"),
        (["ls"], {"env": {"A=B": "x"}}, ArgumentError, "'A=B' is not a name"),
    ],
)
def test_bad_call_is_refused(command, options, error, message: str) -> None:
    """Each error says what is wrong and how to fix it."""
    with pytest.raises(error, match=message):
        shell.run(command, **options)


def test_variable_that_is_too_long_is_named() -> None:
    """With its size, the limit of the kernel, and a way that has none; the value is not in the error."""
    with pytest.raises(CommandFailed, match=r"variable 'CERTS' has 200,007 bytes.* 131,072") as caught:
        shell.run(["sh", "-c", "true"], env={"SHORT": "x", "CERTS": "x" * 200_000})
    assert "xxx" not in str(caught.value)
    assert "input=" in str(caught.value)
    with pytest.raises(CommandFailed, match=r"cannot start 'sh': its word 2 has 200,001 bytes.* 131,072"):
        shell.run(["sh", "-c", "x" * 200_000])
    with pytest.raises(CommandFailed, match=r"its words and variables have .* bytes together"):
        shell.run(["sh", *["x" * 100_000] * 100])


def test_dry_run_runs_nothing(tmp_path: Path) -> None:
    """It returns the command line."""
    result = shell.run(["touch", "a b"], cwd=tmp_path, dry_run=True, once="touch")
    assert result.stdout == f"would run: touch 'a b' (in {tmp_path})\n"
    assert list(tmp_path.iterdir()) == []


def test_call_in_an_event_loop_is_refused() -> None:
    """It would block it; the async form is named as the way."""

    async def call() -> None:
        shell.run(["true"])

    with pytest.raises(DefinitionError, match=r"await shell\.run_async"):
        asyncio.run(call())


def append(tmp_path: Path, exit_code: int = 0, **options: object) -> shell.CommandResult:
    words = ["sh", "-c", 'echo "$MAINSPRING_IDEMPOTENCY_KEY" >> lines; exit $1', "x", str(exit_code)]
    return shell.run(words, cwd=tmp_path, once="append", **options)  # type: ignore[arg-type]


def lines(tmp_path: Path) -> list[str]:
    return (tmp_path / "lines").read_text().splitlines() if (tmp_path / "lines").exists() else []


def test_command_runs_once_for_its_key(program: EffectChannel, tmp_path: Path) -> None:
    """The second call returns the result of the first."""
    assert append(tmp_path) == append(tmp_path)
    assert len(lines(tmp_path)) == 1


def test_temporary_failure_is_not_done(program: EffectChannel, tmp_path: Path) -> None:
    """So is a command that cannot start, and each failure that the caller says is none: the next call runs it again."""
    with pytest.raises(CommandFailed):
        append(tmp_path, 75)
    words = ["sh", "-c", "exit 4"]
    for _ in range(2):
        with pytest.raises(CommandFailed, match="exit code 4"):
            shell.run(words, once="fails", failed_means_not_done=True)
        with pytest.raises(CommandFailed, match="no such program"):
            shell.run(["no-such-program"], once="missing")
    words = ["sh", "-c", "echo again"]
    assert shell.run(["sh", "-c", "exit 0"], once="other").exit_code == 0


@pytest.mark.parametrize(("script", "limit"), [("kill -9 $$", None), ("trap 'exit 4' TERM; sleep 60 & wait", "2s")])
def test_signal_and_timeout_leave_the_outcome_open(
    script: str, limit: str | None, program: EffectChannel, tmp_path: Path
) -> None:
    """`failed_means_not_done` is a promise about exit codes."""
    for _ in range(2):
        with pytest.raises(ms.MainspringError, match="may or may not have happened"):
            shell.run(["sh", "-c", script], once="ended", failed_means_not_done=True, timeout=limit)


@pytest.mark.parametrize("case", ["secret", "first line", "input", "variable"])
def test_call_that_starts_no_command_is_not_done(
    case: str, program: EffectChannel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No person has to decide: the next call, with the cause fixed, runs the command."""
    script = tmp_path / "script"
    script.write_text("#!/no/such/program\n" if case == "first line" else "#!/bin/sh\n")
    script.chmod(0o700)
    cases: dict[str, dict[str, Any]] = {
        "secret": {"env": {"T": "secret:LATER"}},
        "input": {"input": "\udcff"},
        "variable": {"env": {"T": 7}},
    }
    options = cases.get(case, {})
    with pytest.raises((ArgumentError, ConfigError, CommandFailed)):
        shell.run([str(script)], once="starts", **options)
    script.write_text("#!/bin/sh\n")
    monkeypatch.setenv("MAINSPRING_SECRET_LATER", "secret_of_later")
    options = options if case == "secret" else {}
    assert shell.run([str(script)], once="starts", **options).exit_code == 0


def test_other_failure_is_unknown(program: EffectChannel, tmp_path: Path) -> None:
    """A person decides, or `check` asks the target, or the same key is used again."""
    with pytest.raises(ms.MainspringError, match="may or may not have happened"):
        append(tmp_path, 3)
    with pytest.raises(ms.MainspringError) as caught:
        append(tmp_path, 3)
    assert "effects" in str(caught.value)
    assert len(lines(tmp_path)) == 1
    words = ["sh", "-c", 'echo "$MAINSPRING_IDEMPOTENCY_KEY" >> keyed; exit $(test $(wc -l < keyed) = 2)', "x"]
    words[2] = 'echo "$MAINSPRING_IDEMPOTENCY_KEY" >> keyed; test "$(wc -l < keyed)" -eq 2'
    with pytest.raises(CommandFailed):
        shell.run(words, cwd=tmp_path, once="keyed", keyed=True)
    assert shell.run(words, cwd=tmp_path, once="keyed", keyed=True).exit_code == 0
    first, second = (tmp_path / "keyed").read_text().splitlines()
    assert first == second != ""


def test_check_finds_the_effect(program: EffectChannel, tmp_path: Path) -> None:
    """Then the command is not run again."""
    options = {"check": lambda: len(lines(tmp_path)) > 0}
    with pytest.raises(CommandFailed):
        append(tmp_path, 3, **options)
    assert append(tmp_path, 3, **options).exit_code == 0
    assert len(lines(tmp_path)) == 1


def test_killed_program_leaves_its_command_and_its_effect(program: EffectChannel, tmp_path: Path) -> None:
    """While a process of the command works, another program only waits. Then `check` finds what it did."""
    ready, go, log = tmp_path / "ready", tmp_path / "go", tmp_path / "log"
    os.mkfifo(ready)
    os.mkfifo(go)
    words = ["sh", "-c", f"(echo up > {ready}; read line < {go}; echo did >> {log}) & wait"]
    options: dict[str, Any] = {"once": "deploy", "check": lambda: log.exists() or None, "wait": "0s", "timeout": "20s"}
    code = f"from mainspring.actions import shell; shell.run({words!r}, once='deploy', check=lambda: None)"
    with subprocess.Popen([sys.executable, "-c", code]) as first:
        assert ready.read_text() == "up\n"
        first.kill()
    with pytest.raises(BusyError):
        shell.run(words, **options)
    go.write_text("go\n")
    for _ in polls(30):
        with contextlib.suppress(BusyError):
            assert shell.run(words, **options).exit_code == 0
            break
    assert log.read_text() == "did\n"


@ms.step
def wait_long(pid_file: str) -> None:
    shell.run(["sh", "-c", f"sleep 600 & echo $! > {pid_file}.new; mv {pid_file}.new {pid_file}; wait"])


@ms.step
def print_lines() -> str:
    return shell.run(["sh", "-c", "echo $MAINSPRING_RUN_ID; echo bad >&2"]).stdout.strip()


def test_cancelled_run_ends_the_command(tmp_path: Path) -> None:
    """With its whole group, and at once."""
    pid_file = tmp_path / "pid"

    @ms.workflow(name="command_waits")
    async def waits(run: ms.Run) -> None:
        await run.step(wait_long, str(pid_file))

    async def cancel() -> str:
        app = ms.App(tmp_path / "store.db")
        async with app.running():
            handle = await app.start(waits)
            started = time.monotonic()
            while not pid_file.exists():
                assert time.monotonic() - started < 60
                await asyncio.sleep(0.02)
            await app.cancel(handle.id)
            with pytest.raises(ms.RunFailed):
                await handle.result()
            return (await handle.view()).state.value

    assert asyncio.run(cancel()) == "cancelled"
    pid = int(pid_file.read_text())
    assert any(not is_running(pid) for _ in polls(60))


def test_command_of_a_step_knows_its_run(tmp_path: Path) -> None:
    """And each of its lines is logged."""

    @ms.workflow(name="prints")
    async def prints(run: ms.Run) -> list[str]:
        return [run.id, await run.step(print_lines)]

    first, second = ms.App(tmp_path / "store.db").run(prints)
    assert first == second != ""


@pytest.mark.slow
@pytest.mark.parametrize("action", [command_actions.append, command_actions.append_unchecked], ids=["check", "person"])
def test_command_keeps_the_contract(action, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed and cancelled at each line and each commit, without its secret in the store."""
    monkeypatch.setenv(command_actions.TARGET, str(tmp_path / "target"))
    monkeypatch.setenv("MAINSPRING_SECRET_LINE", SECRET)
    (tmp_path / "store").mkdir()
    contract = ActionContract(action, args=lambda number: [number], effects=command_actions.count, secrets=[SECRET])
    check_contract(contract, tmp_path / "store")
