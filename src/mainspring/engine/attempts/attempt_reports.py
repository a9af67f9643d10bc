"""Reports of a running attempt to the engine.

They reach `on_report(spec, kind, report)` in the loop's thread, in the order in which the step sent them, and all of them
before the attempt's end. Each kind has one class.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.secrets.secret_use import SecretUse
from mainspring.resources.effects import AnswerCallback, EffectRequest, EffectSettlement
from mainspring.resources.locks import LockCallback, LockSpec
from mainspring.store.commands.flags import AnswerFlag
from mainspring.store.commands.targets import EnterTarget, LeaveTarget

AckCallback = Callable[[BaseException | None], None]


class ReportKind(StrEnum):
    """The kinds of reports."""

    CHECKPOINT = "checkpoint"
    PROGRESS = "progress"
    LOG = "log"
    STARTED = "began"
    ENDED = "ended"
    ABANDONED = "abandoned"
    PROCESS = "process"
    LOCK = "lock"
    UNLOCK = "unlock"
    EFFECT = "effect"
    EFFECT_SETTLED = "effect_settled"
    SECRETS = "secrets"
    SECRET_REFUSED = "secret_refused"
    COMMAND = "command"
    HEARTBEAT = "heartbeat"
    STREAM = "stream"
    STREAM_FLUSH = "stream_flush"


SIGNS_OF_LIFE: Final[Mapping[ReportKind, str]] = {
    ReportKind.CHECKPOINT: "a checkpoint",
    ReportKind.PROGRESS: "progress",
    ReportKind.LOG: "a log line",
    ReportKind.STREAM: "a record of a stream",
    ReportKind.HEARTBEAT: "a heartbeat",
}
"""The reports by which an attempt shows that it works, with their names for people."""


class CheckpointReport(msgspec.Struct, frozen=True):
    """A value to save. `ack(None)` means that it is committed, `ack(error)` that it never will be.

    `ack` may be called from any thread and more than once: the first call counts.
    """

    data: bytes
    ack: AckCallback
    kind = ReportKind.CHECKPOINT


class ProgressReport(msgspec.Struct, frozen=True):
    """Progress of the step; `total` None = unknown."""

    done: int
    total: int | None
    kind = ReportKind.PROGRESS


class LogReport(msgspec.Struct, frozen=True):
    """One line: of `ms.log`, of a logger (`logger`), or of printed output (`stream` "stdout" or "stderr"). All texts are printable.

    `is_out` = the line is in the process's own output already.
    """

    level: str
    text: str
    fields: dict[str, Any] = {}
    stream: str | None = None
    logger: str = ""
    is_out: bool = False
    kind = ReportKind.LOG


class EndReport(msgspec.Struct, frozen=True):
    """The end of an attempt; no report follows. Sent if the attempt wrote lines or did not succeed, otherwise only with debug logging.

    `failure` None = it did not fail; `stopped` = the engine ended it.
    """

    failure: Failure | None
    duration_us: int
    stopped: bool
    output: bytes | None = None
    kind = ReportKind.ENDED


class StartReport(msgspec.Struct, frozen=True):
    """The start of an attempt; sent only with debug logging."""

    kind = ReportKind.STARTED


class AbandonReport(msgspec.Struct, frozen=True):
    """An attempt that could not be stopped: its code still runs in this process, which should be recycled."""

    reason: str
    kind = ReportKind.ABANDONED


class ProcessReport(msgspec.Struct, frozen=True):
    """The start or end of a child process; its group must be killed before a takeover. `started` distinguishes two processes with one id.

    It is sent with `spec` None: a child serves many attempts. `ack`, if set, is called like that of a checkpoint: when the group is
    recorded, or never will be.
    """

    pgid: int
    started: str
    ended: bool
    ack: AckCallback | None = None
    kind = ReportKind.PROCESS


class LockReport(msgspec.Struct, frozen=True):
    """A request for a lock. `answer` is called with its fencing token or an error.

    `number` is unique within the attempt. `answer` may be called more than once: the first call counts.
    """

    number: int
    spec: LockSpec
    answer: LockCallback
    kind = ReportKind.LOCK


class UnlockReport(msgspec.Struct, frozen=True):
    """The release of the lock with this request number, or the end of waiting for it.

    None = the attempt has ended: all its locks are released, and its pending effects are unknown.
    """

    number: int | None
    kind = ReportKind.UNLOCK


class EffectReport(msgspec.Struct, frozen=True):
    """A request for an effect; `answer` is called like that of a lock. `number` is unique within the attempt."""

    number: int
    request: EffectRequest
    answer: AnswerCallback
    kind = ReportKind.EFFECT


class EffectSettledReport(msgspec.Struct, frozen=True):
    """The outcome of an effect. `ack` is called like that of a checkpoint."""

    settlement: EffectSettlement
    ack: AckCallback
    kind = ReportKind.EFFECT_SETTLED


class SecretUsesReport(msgspec.Struct, frozen=True):
    """The secrets that an attempt has used; sent once, right before its end."""

    uses: tuple[SecretUse, ...]
    kind = ReportKind.SECRETS


class SecretRefusedReport(msgspec.Struct, frozen=True):
    """A secret that an attempt may not read; sent at most once for each name."""

    secret: str
    reason: str
    kind = ReportKind.SECRET_REFUSED


class CommandReport(msgspec.Struct, frozen=True):
    """A command for the store that needs nothing of the engine. `answer` is called like that of a lock."""

    command: AnswerFlag | EnterTarget | LeaveTarget
    answer: Callable[[Any], None]
    kind = ReportKind.COMMAND


class HeartbeatReport(msgspec.Struct, frozen=True):
    """A sign of life, and nothing else."""

    kind = ReportKind.HEARTBEAT


class StreamReport(msgspec.Struct, frozen=True):
    """A record of a stream, as JSON; `n` = its number among those of this attempt in this stream, from 1.

    `ack` is called like that of a checkpoint.
    """

    stream: str
    n: int
    data: bytes
    ack: AckCallback
    kind = ReportKind.STREAM


class StreamFlushReport(msgspec.Struct, frozen=True):
    """Send all records of this attempt now."""

    kind = ReportKind.STREAM_FLUSH


AttemptReport = (
    CheckpointReport
    | HeartbeatReport
    | StreamReport
    | StreamFlushReport
    | ProgressReport
    | LogReport
    | StartReport
    | EndReport
    | AbandonReport
    | ProcessReport
    | LockReport
    | UnlockReport
    | EffectReport
    | EffectSettledReport
    | SecretUsesReport
    | SecretRefusedReport
    | CommandReport
)
