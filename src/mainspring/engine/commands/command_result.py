"""The result of a command, and the failure that its end becomes. Without the context of a step: `exec` has none."""

import signal
from datetime import timedelta

import msgspec

from mainspring.domain.duration import format_duration, format_rounded_duration
from mainspring.domain.text.escaping import unescape
from mainspring.engine.commands.command import OUTPUT_LOST, TIMED_OUT, CommandEnd, CommandFailed


class CommandRecord(msgspec.Struct, frozen=True):
    """The saved result of a successful command; `tail` is the end of its output, printable.

    `output_bytes` = size of the promised files, otherwise of its standard output; None = saved by an older version.
    """

    exit_code: int
    tail: str
    took_ms: int
    output_bytes: int | None = None


def read_output_bytes(encoded: bytes) -> int | None:
    """Return the bytes of a command's output, from its saved result."""
    return msgspec.json.decode(encoded, type=CommandRecord).output_bytes


def raise_unless_succeeded(
    words: list[str],
    end: CommandEnd,
    timeout: timedelta | None,
    heartbeat: timedelta | None = None,
    step: str | None = None,
) -> None:
    """Raise CommandFailed unless the command succeeded and all its output was forwarded; the error has its last line.

    `timeout` and `heartbeat` are its limits, `step` is the step that it is.
    """
    last = end.tail.rstrip("\n").rpartition("\n")[2]
    hint = f"Its last line: {unescape(last)}" if last else None  # a failure escapes its text
    if end.timed_out and end.silent_since_us is not None and heartbeat is not None:
        subject = words[0] if step is None else f"step {step!r} ({words[0]})"
        history = f"its last output came {format_rounded_duration(end.silent_since_us // 1000)} after its start"
        raise CommandFailed(
            f"{subject} gave no sign of life for its heartbeat of {format_duration(heartbeat)}: "
            f"{history if end.tail else 'it wrote no output'}",
            TIMED_OUT,
            hint=hint or "Output is the sign of life of a command. Let it print more often, or set a longer heartbeat.",
        )
    if end.timed_out and timeout is not None:
        raise CommandFailed(f"{words[0]} took longer than {format_duration(timeout)}", TIMED_OUT, hint=hint)
    if end.stopped:
        raise CommandFailed(f"{words[0]} was stopped", end.code, hint=hint)
    if isinstance(end.lost, BrokenPipeError) and end.code in (0, -signal.SIGPIPE):
        raise CommandFailed(
            f"{words[0]} was ended by SIGPIPE: the reader of its output closed it before the end",
            -signal.SIGPIPE,
            hint=hint,
        )
    if end.lost is not None and end.code == 0:
        raise CommandFailed(f"the output of {words[0]} was lost: {end.lost.strerror}", OUTPUT_LOST, hint=hint)
    if end.code != 0:
        ending = f"was ended by signal {-end.code}" if end.code < 0 else f"ended with exit code {end.code}"
        raise CommandFailed(f"{words[0]} {ending}", end.code, hint=hint)
