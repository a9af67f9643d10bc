"""Signs of life: what a running attempt tells the engine before it ends.

They reach `on_sign(spec, kind, sign)` in the loop's thread, in the order in which the step gave them, and all of them
before the attempt's end. Each kind has one class.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from mainspring.domain.failures.failure import Failure

AckCallback = Callable[[BaseException | None], None]


class ReportKind(StrEnum):
    """The kinds of signs."""

    CHECKPOINT = "checkpoint"
    PROGRESS = "progress"
    LOG = "log"
    BEGAN = "began"
    ENDED = "ended"
    ABANDONED = "abandoned"
    PROCESS = "process"
    LOCK = "lock"
    UNLOCK = "unlock"


class CheckpointReport(msgspec.Struct, frozen=True):
    """A value to be saved. `ack(None)` says that it is committed, `ack(error)` that it never will be.

    `ack` may be called from any thread and more than once: the first call counts.
    """

    data: bytes
    ack: AckCallback
    kind = ReportKind.CHECKPOINT


class ProgressReport(msgspec.Struct, frozen=True):
    """So much of the step is done; `total` None = unknown."""

    done: int
    total: int | None
    kind = ReportKind.PROGRESS


class LogReport(msgspec.Struct, frozen=True):
    """One line: of `ms.log`, of a logger (`logger`), or of what was printed (`stream` "stdout" or "stderr"). All texts are printable.

    `is_out` = the process's own output has it already.
    """

    level: str
    text: str
    fields: dict[str, Any] = {}
    stream: str | None = None
    logger: str = ""
    is_out: bool = False
    kind = ReportKind.LOG


class EndReport(msgspec.Struct, frozen=True):
    """An attempt has ended, and nothing follows; told of one that gave lines or did not go well, of others only where somebody listens.

    `failure` None = it did not fail; `stopped` = we ended it.
    """

    failure: Failure | None
    took_us: int
    stopped: bool
    output: bytes | None = None
    kind = ReportKind.ENDED


class StartReport(msgspec.Struct, frozen=True):
    """An attempt begins; told only where somebody listens."""

    kind = ReportKind.BEGAN


class AbandonReport(msgspec.Struct, frozen=True):
    """The attempt could not be stopped: its code still runs in this process, which should be recycled."""

    why: str
    kind = ReportKind.ABANDONED


class ProcessReport(msgspec.Struct, frozen=True):
    """A child process began, or ended; its group is to be killed before a takeover. `started` tells two of one id apart.

    It comes with `spec` None: a child serves many attempts. `ack`, if there is one, is called as a checkpoint's is: when the group is on
    record, or never will be.
    """

    pgid: int
    started: str
    ended: bool
    ack: AckCallback | None = None
    kind = ReportKind.PROCESS


class LockReport(msgspec.Struct, frozen=True):
    """The attempt wants a lock, and waits for it at most `within_s` seconds. `answer` is called with its fencing token, or with an error.

    `number` tells this request from all others of the attempt. `answer` may be called more than once: the first call counts.
    """

    number: int
    name: str
    within_s: float
    answer: Callable[[int | BaseException], None]
    kind = ReportKind.LOCK


class UnlockReport(msgspec.Struct, frozen=True):
    """The attempt lets go of what it asked for under this number, or waits for it no longer; None = of all, for it has ended."""

    number: int | None
    kind = ReportKind.UNLOCK


AttemptReport = (
    CheckpointReport
    | ProgressReport
    | LogReport
    | StartReport
    | EndReport
    | AbandonReport
    | ProcessReport
    | LockReport
    | UnlockReport
)
