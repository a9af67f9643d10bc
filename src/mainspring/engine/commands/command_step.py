"""The step of a script's command: its output becomes log lines, its exit code a failure that can be classified.

It runs in a thread and can be stopped: the attempt's cancellation ends the command's whole group.
"""

import functools
import inspect
import os
import time
from collections.abc import Callable
from datetime import timedelta
from queue import SimpleQueue
from typing import Any

from mainspring.domain.redaction.secret_name import command_variable_name
from mainspring.domain.runs.log_line import STREAM_LEVELS
from mainspring.engine.attempts.attempt_reports import LogReport, ProcessReport
from mainspring.engine.attempts.step_context import AttemptChannel, current_step
from mainspring.engine.commands.command import CommandSpec, build_environment
from mainspring.engine.commands.command_process import CommandProcess
from mainspring.engine.commands.command_result import CommandRecord, raise_unless_succeeded
from mainspring.engine.commands.output_file_check import check_output_files
from mainspring.engine.commands.result_schema import MAX_PRINTED_BYTES, check_printed
from mainspring.resources.known_secrets import KNOWN_SECRETS


def run_command(
    command: list[str],
    cwd: str | None = None,
    env: dict[str, str] | None = None,
    timeout_s: float | None = None,
    produces: list[str] | None = None,
    stdin: str | None = None,
    expect: dict[str, Any] | None = None,
    secrets: list[str] | None = None,
    heartbeat_s: float | None = None,
) -> CommandRecord:
    """Run the command in this step; `stdin` is its standard input, `secrets` are variables that it gets.

    Raises:
        ConfigError: a secret cannot be read.
        CommandFailed: its exit code is not 0, a signal ended it, it took longer than `timeout_s`, or it
            wrote no output for `heartbeat_s`.
        ResultNotExpected: its standard output does not match the schema `expect`.
        NotProduced: a pattern of `produces` (relative to `cwd`) matches no new, non-empty file.
        NotInStepError: no step is running.
    """
    step = current_step("run_command()")
    secret_variables = {
        command_variable_name(name): step.channel.read_secret(name, None).value for name in secrets or ()
    }
    environ = build_environment(
        os.environ,
        (env or {}) | secret_variables,
        run_id=step.run_id,
        attempt=step.attempt,
        key=step.key,
        slot_at=step.slot_at,
        headers=step.headers,
    )
    timeout, heartbeat = (
        None if seconds is None else timedelta(seconds=seconds) for seconds in (timeout_s, heartbeat_s)
    )
    data = None if stdin is None else stdin.encode()
    printed = bytearray()

    def keep(stream: str, data: bytes) -> None:
        if stream == "stdout":
            printed.extend(data[: MAX_PRINTED_BYTES + 1 - len(printed)])

    running = CommandProcess(
        CommandSpec(words=command, cwd=cwd, env=environ, timeout=timeout, heartbeat=heartbeat, stdin=data),
        on_line=lambda stream, text: step.channel.post(LogReport(STREAM_LEVELS[stream], text, stream=stream)),
        on_data=None if expect is None else keep,
        on_group=lambda pgid, mark, ended: report_group(step.channel, pgid, mark, ended=ended),
    )
    started_at = time.time_ns() // 1_000_000  # compared with times of the file system, so it is the machine's clock
    with step.stoppable(running.stop, running.processes):
        end = running.run()
    raise_unless_succeeded(command, end, timeout, heartbeat, step.name)
    if expect is not None:
        check_printed(expect, bytes(printed))
    produced = check_output_files(produces or [], cwd, started_at)
    size = produced if produces else end.printed
    return CommandRecord(end.code, KNOWN_SECRETS.redact(end.tail), end.duration_us // 1000, size)


def bind_folder(folder: str | None) -> Callable[..., CommandRecord]:
    """Return `run_command` for a folder that is not part of its input: a project may move while its runs continue."""
    signature = inspect.signature(run_command)

    @functools.wraps(run_command)
    def run(*args: Any, **kwargs: Any) -> CommandRecord:
        bound = signature.bind(*args, **kwargs)
        bound.arguments["cwd"] = bound.arguments.get("cwd") or folder
        return run_command(*bound.args, **bound.kwargs)

    return run


def report_group(channel: AttemptChannel, pgid: int, mark: str, *, ended: bool) -> None:
    """Report the command's process group; at its start return once that is recorded, so that a takeover can kill it.

    Raises:
        AttemptClosed, StoreError: it cannot be recorded.
    """
    answers: SimpleQueue[BaseException | None] = SimpleQueue()
    channel.post(ProcessReport(pgid, mark, ended, None if ended else answers.put))
    error = None if ended else answers.get()
    if error is not None:
        raise error
