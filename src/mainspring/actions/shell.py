"""Shell action: `shell.run([...])` runs one command, with a clean environment, a time limit and bounded output.

No shell parses the arguments. The command gets the variables that the call names and a few that every program needs, and no others. It runs
in a process group of its own, which is ended as a whole.
"""

import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.base.effect_descriptors import list_effect_descriptors
from mainspring.actions.base.project_settings import SECRET_PREFIX, read_secret
from mainspring.actions.base.stop_request import stoppable
from mainspring.actions.base.system_text import explain_bad_text
from mainspring.app.action import effect_of_action
from mainspring.domain.duration import SpanInput, parse_duration
from mainspring.domain.errors import ArgumentError, MainspringError, NotSent, OptionError
from mainspring.domain.redaction.secret_name import SECRET_NAME, SECRET_VARIABLE_PREFIX
from mainspring.domain.runs.log_line import STREAM_LEVELS
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.engine.attempts.attempt_reports import LogReport
from mainspring.engine.attempts.derived_keys import RUNNING_EFFECT
from mainspring.engine.attempts.effect import Effect
from mainspring.engine.attempts.step_context import CURRENT_STEP, idempotency_key
from mainspring.engine.commands.command import (
    NOT_EXECUTABLE,
    NOT_FOUND,
    CommandEnd,
    CommandFailed,
    CommandSpec,
    build_environment,
)
from mainspring.engine.commands.command_process import CommandProcess
from mainspring.engine.commands.command_result import raise_unless_succeeded
from mainspring.engine.commands.command_step import report_group
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.resources.secret_variables import PASSWORD_VARIABLE, SECRET_VARIABLES, STORE_URL_VARIABLE

__all__ = ["CommandResult", "run", "run_async"]

_PASSED_VARIABLES = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
_TEMPORARY_FAILURE = 75
_SECRET_MARGIN = 4096
"""Bytes beyond each cut, so that a secret at the cut is still found."""
_REFERENCE_IN_TEXT = lazy_pattern(rf"(?<![\w-])secret:({SECRET_NAME.pattern})", re.ASCII)


class CommandResult(msgspec.Struct, frozen=True):
    r"""The result of a command. Of each output at most `max_output` bytes remain, half of them from its start and half from its end.

    Bytes that are not UTF-8 are written as \xHH. `truncated` = something is missing.
    """

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool
    duration: timedelta


def run(
    command: Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    pass_env: Sequence[str] = (),
    timeout: SpanInput | None = None,
    input: str | None = None,
    check_exit: bool = True,
    max_output: int = 32 * 1024,
    dry_run: bool = False,
    once: str | None = None,
    within: SpanInput | None = None,
    check: Callable[[], Any] | None = None,
    keyed: bool = False,
    conflict: Literal["skip", "error"] = "skip",
    wait: SpanInput = "30s",
    failed_means_not_done: bool = False,
) -> CommandResult:
    """Run a command, a list of the program and its arguments, and return its exit code and output.

    `env` = further variables; a value "secret:NAME" is the secret of this name. `pass_env` = names of variables of this process to pass on,
    without secrets.
    `timeout` = the command and its children are ended after this time. `check_exit=False` = return for any exit code. `dry_run=True` = run
    nothing, and return the command line as the output. `once`, `within`, `check`, `keyed`, `conflict`, `wait` = those of `ms.once`.
    `failed_means_not_done=True` = if the command ends with another exit code than 0, it certainly did nothing.

    Safe to run twice because, with `once=`, the ledger runs the command once for its key. Exit code 0 = done. Exit code 75, or a command
    that cannot start = not done, so the next call runs it. After any other end the outcome is unknown: `check=` asks the target,
    `keyed=True` repeats it under the same MAINSPRING_IDEMPOTENCY_KEY, else a person decides. Without `once=` each call runs the command:
    use that for commands that only read, or that you may repeat.

    Example:
        shell.run(["git", "push", "origin", "main"], once=f"push:{sha}", timeout="5m")

    Raises:
        CommandFailed: the command failed, took too long, or cannot start; it has the exit code and the last line.
        EffectInDoubtError, BusyError: as `ms.once`.
        ArgumentError, OptionError, ConfigError: an argument cannot be used.
    """
    words = _require_words(command)
    has_once_option = within is not None or check is not None or keyed or failed_means_not_done
    _require_once_options(words[0], once, has_once_option=has_once_option, check_exit=check_exit)
    limit = None if timeout is None else parse_duration(timeout)
    call = _CommandCall(words, cwd, env or {}, pass_env, limit, input, max_output)
    if dry_run:
        return CommandResult(0, f"would run: {call.describe()}\n", "", truncated=False, duration=timedelta(0))
    if once is None:
        return call.run(check_exit=check_exit)
    options: dict[str, Any] = {"within": within, "keyed": keyed, "conflict": conflict, "wait": wait}
    effect = effect_of_action("shell.run", once=once, identity=[words, call.cwd], check=check, **options)
    return _run_once(effect, call, is_failure_not_done=failed_means_not_done)


run_async = in_thread(run)


def _run_once(effect: Effect | None, call: "_CommandCall", *, is_failure_not_done: bool) -> CommandResult:
    """Run a command through the ledger."""
    assert effect is not None
    try:
        result = effect.call(lambda: call.run_once(is_failure_not_done=is_failure_not_done), _read_result)
    except _CommandNotDone as not_done:
        raise not_done.failure from None
    if isinstance(result, CommandResult):
        return result
    return CommandResult(0, "", "", truncated=False, duration=timedelta(0))  # check= has found it done


class _CommandNotDone(NotSent):
    """The command certainly did nothing; `failure` is what the caller gets."""

    def __init__(self, failure: MainspringError) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _CommandCall:
    """One call of a command."""

    def __init__(
        self,
        words: list[str],
        cwd: str | os.PathLike[str] | None,
        env: Mapping[str, str],
        pass_env: Sequence[str],
        timeout: timedelta | None,
        input: str | None,
        max_output: int,
    ) -> None:
        self._words = words
        self.cwd = None if cwd is None else _require_folder(words[0], cwd)
        self._env = _require_variables(env)
        self._pass_env = _require_public_variables(pass_env)
        self._timeout = timeout
        self._input = None if input is None else _encode_input(words[0], input)
        self._outputs = {name: _OutputEnds(max_output) for name in ("stdout", "stderr")}

    def describe(self) -> str:
        """Return the command line for people."""
        place = "" if self.cwd is None else f" (in {self.cwd})"
        return KNOWN_SECRETS.redact(escape(f"{shlex.join(self._words)}{place}"))

    def run(self, *, check_exit: bool) -> CommandResult:
        """Run it to its end."""
        env = self._build_environment()
        self._require_program(env)
        end = self._run_process(env)
        if check_exit or end.timed_out or end.stopped:
            self._require_success(end)
        return self._make_result(end)

    def run_once(self, *, is_failure_not_done: bool) -> CommandResult:
        """Run it; raise _CommandNotDone for a failure that proves that it did nothing."""
        try:
            env = self._build_environment()
            self._require_program(env)
        except MainspringError as failure:  # such as a secret that is not set
            raise _CommandNotDone(failure) from None
        try:
            end = self._run_process(env)
        except CommandFailed as failure:
            raise _CommandNotDone(failure) from None
        try:
            self._require_success(end)
        except CommandFailed as failure:
            has_failed = end.code > 0 and not end.timed_out and not end.stopped  # a signal proves nothing
            is_not_done = failure.returncode == _TEMPORARY_FAILURE or (has_failed and is_failure_not_done)
            if not end.has_started or is_not_done:
                raise _CommandNotDone(failure) from None
            raise
        return self._make_result(end)

    def _require_success(self, end: CommandEnd) -> None:
        """Raise CommandFailed, without secrets, unless the command succeeded."""
        redacted = msgspec.structs.replace(end, tail=KNOWN_SECRETS.redact(end.tail))
        raise_unless_succeeded(self._words, redacted, self._timeout)

    def _make_result(self, end: CommandEnd) -> CommandResult:
        return CommandResult(
            end.code,
            self._outputs["stdout"].text(),
            self._outputs["stderr"].text(),
            truncated=any(output.is_truncated for output in self._outputs.values()),
            duration=timedelta(microseconds=end.duration_us),
        )

    def _run_process(self, env: dict[str, str]) -> CommandEnd:
        """Run the process. Raises CommandFailed if it cannot start."""
        spec = CommandSpec(
            words=self._words,
            cwd=self.cwd,
            env=env,
            timeout=self._timeout,
            stdin=self._input,
            pass_fds=list_effect_descriptors(),
        )
        step = CURRENT_STEP.get()
        if step is None:
            process = CommandProcess(spec, on_data=self._keep)
        else:
            process = CommandProcess(
                spec,
                on_data=self._keep,
                on_line=lambda stream, text: step.channel.post(LogReport(STREAM_LEVELS[stream], text, stream=stream)),
                on_group=lambda pgid, mark, ended: report_group(step.channel, pgid, mark, ended=ended),
            )
        with stoppable(process.stop, process.processes):
            return process.run()

    def _keep(self, stream: str, data: bytes) -> None:
        self._outputs[stream].feed(data)

    def _build_environment(self) -> dict[str, str]:
        own = SECRET_VARIABLES.own(os.environ)
        env = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
        env |= {name: own[name] for name in self._pass_env if name in own}
        additions = {name: read_secret(value) for name, value in self._env.items()}
        step = CURRENT_STEP.get()
        if step is None:
            effect = RUNNING_EFFECT.get()
            return env | additions | ({} if effect is None else {"MAINSPRING_IDEMPOTENCY_KEY": effect.id})
        named = {name: env[name] for name in self._pass_env if name in env}
        return build_environment(
            env,
            named | additions,
            run_id=step.run_id,
            attempt=step.attempt,
            key=idempotency_key(),
            slot_at=step.slot_at,
        )

    def _require_program(self, env: Mapping[str, str]) -> None:
        """Raise CommandFailed if the program or the folder is missing: then the command certainly did nothing."""
        place = self.cwd or "."
        if not Path(place).is_dir():
            raise CommandFailed(
                f"cannot run {self._words[0]!r}: there is no folder {escape(place)!r}", NOT_EXECUTABLE, hint="Fix cwd=."
            )
        name = self._words[0]
        if "/" in name:
            path = Path(place, name)
            if path.is_file() and os.access(path, os.X_OK):
                return
            code, fix = (NOT_EXECUTABLE, f"Run: chmod +x {path}") if path.is_file() else (NOT_FOUND, "Fix the path.")
        else:
            if shutil.which(name, path=env.get("PATH", os.defpath)) is not None:
                return
            code, fix = NOT_FOUND, f"Install it, or name its folder in PATH. PATH is {env.get('PATH')!r}."
        raise CommandFailed(f"cannot run {escape(name)!r}: there is no such program", code, hint=fix)


class _OutputEnds:
    """The start and the end of an output; the middle is dropped."""

    def __init__(self, limit: int) -> None:
        if not isinstance(limit, int) or limit < 0:
            raise OptionError(f"max_output={limit!r}: the number of bytes must be a whole number, at least 0")
        self._limit = limit
        self._capacity = limit // 2 + _SECRET_MARGIN
        self._head = bytearray()
        self._tail = bytearray()
        self._size = 0

    @property
    def is_truncated(self) -> bool:
        """Whether a part is missing."""
        return self._size > self._limit

    def feed(self, data: bytes) -> None:
        """Add the next output."""
        self._size += len(data)
        count = self._capacity - len(self._head)
        self._head += data[:count]
        self._tail += data[max(count, 0) :]
        if len(self._tail) > 4 * self._capacity:
            del self._tail[: -self._capacity]

    def text(self) -> str:
        """Return it as text, without secrets."""
        if not self.is_truncated:
            return _redact(bytes(self._head + self._tail)).decode()
        half = self._limit // 2
        if self._size <= 2 * self._capacity:  # both parts are next to each other: a secret may lie in both
            head = tail = _redact(bytes(self._head + self._tail))
        else:  # a secret at the inner end of a part is cut, and not redacted
            head = _redact(bytes(self._head))[:-_SECRET_MARGIN]
            tail = _redact(bytes(self._tail[-self._capacity :]))[_SECRET_MARGIN:]
        start = head[:half].decode(errors="ignore")
        end = tail[max(0, len(tail) - half) :].decode(errors="ignore")
        return f"{start}\n…[{self._size - 2 * half:,} bytes are left out]\n{end}"


def _redact(data: bytes) -> bytes:
    """Return the bytes as UTF-8, without secrets."""
    return KNOWN_SECRETS.redact(data.decode("utf-8", "backslashreplace")).encode()


def _read_result(result: bytes | None) -> CommandResult | None:
    """Return the saved result of an earlier call; None if `check=` found it done, with any result of its own."""
    if result is not None:
        with suppress(msgspec.MsgspecError):
            return msgspec.json.decode(result, type=CommandResult)
    return None


def _require_once_options(program: str, once: str | None, *, has_once_option: bool, check_exit: bool) -> None:
    """Raise OptionError if the options do not fit each other, DefinitionError in an event loop."""
    if once is None and has_once_option:
        raise OptionError(f"an option of once= for {program!r} needs once=", hint='Name the effect: once="push:main".')
    if once is not None and not check_exit:
        raise OptionError(f"check_exit=False of {program!r} does not fit once=: only exit code 0 means done")
    refuse_event_loop("shell.run")


def _require_variables(env: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables. Raises ArgumentError for one that no program can get; the error has no value."""
    if not isinstance(env, Mapping):
        raise ArgumentError(f"env= is not a mapping (got {type(env).__name__})", hint='Write env={"NAME": "value"}.')
    for name, value in env.items():
        if explain_bad_text(name) is not None or not name or "=" in name:
            raise ArgumentError(f"{name!r} is not a name of a variable", hint='Write env={"NAME": "value"}.')
        problem = explain_bad_text(value)
        if problem is not None:
            raise ArgumentError(f"the variable {name!r} of env= {problem}", hint='Write env={"NAME": "value"}.')
        reference = None if value.startswith(SECRET_PREFIX) else _REFERENCE_IN_TEXT.search(value)
        if reference is not None:
            revealed = f"ms.secret({reference[1]!r}).reveal()"
            raise ArgumentError(
                f"the variable {name!r} of env= has the name of a secret inside a longer text",
                hint=f'A value "secret:NAME" is the secret and no more. For a longer text write: {revealed}',
            )
    return env


def _require_public_variables(names: Sequence[str]) -> Sequence[str]:
    """Return the names of variables. Raises ArgumentError for a secret, which would reach the command past the list of its automation."""
    if isinstance(names, str) or not isinstance(names, Iterable) or any(map(explain_bad_text, names)):
        hint = f'Write pass_env=["{names if isinstance(names, str) else "NAME"}"].'
        raise ArgumentError("pass_env= is not a list of names of variables", hint=hint)
    withheld = SECRET_VARIABLES.names_in(dict.fromkeys(names, ""))
    name = next((name for name in withheld if name not in (PASSWORD_VARIABLE, STORE_URL_VARIABLE)), None)
    if name is None:
        return names
    hint = f'Add it to secrets.pass_env in the configuration: pass_env = ["{name}"]'
    if name.startswith(SECRET_VARIABLE_PREFIX):
        secret = name.removeprefix(SECRET_VARIABLE_PREFIX)
        hint = f'Name the secret: env={{"{secret}": "secret:{secret}"}}'
    raise ArgumentError(f"pass_env= does not pass {name!r}, which has a secret", hint=hint)


def _require_folder(program: str, cwd: str | os.PathLike[str]) -> str:
    """Return the folder as text. Raises ArgumentError if it is no path."""
    folder = os.fspath(cwd) if isinstance(cwd, str | os.PathLike) else cwd
    if isinstance(folder, str):
        return folder
    raise ArgumentError(f"cwd= of {program!r} is not a path (got {type(cwd).__name__})", hint='Write cwd="folder".')


def _encode_input(program: str, text: str) -> bytes:
    """Return the text as UTF-8. Raises ArgumentError if it cannot be written so."""
    if not isinstance(text, str):
        raise ArgumentError(
            f"input= of {program!r} is not a text (got {type(text).__name__})",
            hint="Pass text. Write other data to a file, and pass its path to the command.",
        )
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(
            f"input= of {program!r} cannot be written as UTF-8: character {error.start} of it",
            hint="Pass text without lone surrogates.",
        ) from None


def _require_words(command: Sequence[str]) -> list[str]:
    """Return the command as a list. Raises ArgumentError for a text, or for a word that no program can get."""
    if isinstance(command, str):
        hint = f"Write a list: shell.run({shlex.split(command)!r}). No shell parses it."
        raise ArgumentError(f"the command is one text: {escape(command, 100)!r}", hint=hint)
    words = [] if isinstance(command, bytes) or not isinstance(command, Iterable) else [*map(_as_text, command)]
    if not words or not words[0]:
        raise ArgumentError("the command is not a list of texts", hint='Write shell.run(["ls", "-l"]).')
    for number, word in enumerate(words):
        problem = explain_bad_text(word)
        if problem is not None:
            program = f" {words[0]!r}" if number else ""
            hint = f"Write {str(word)!r}." if isinstance(word, int | float) else 'Write shell.run(["ls", "-l"]).'
            raise ArgumentError(f"word {number} of the command{program} {problem}", hint=hint)
    secret = next((word for word in words if word.startswith(SECRET_PREFIX)), None)
    if secret is not None:
        hint = f'Other users see arguments. Pass it as a variable: env={{"TOKEN": {secret!r}}}'
        raise ArgumentError(f"{secret!r} is an argument of the command {words[0]!r}", hint=hint)
    return words


def _as_text(word: object) -> Any:
    """Return the text of a path, and other values as they are."""
    return os.fspath(word) if isinstance(word, os.PathLike) else word
