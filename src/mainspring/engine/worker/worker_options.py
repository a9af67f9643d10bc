"""Bounds of one worker."""

from dataclasses import dataclass

from mainspring.domain.runs.log_chunk import DEFAULT_MAX_LINES
from mainspring.domain.runs.log_line import Level


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How much one worker takes on, of what, and how long it keeps what waits."""

    concurrency: int = 64
    threads: int = 32
    parked: int = 100_000
    """Suspended runs whose bodies stay in memory, at most."""
    park_bytes: int = 64 * 1024 * 1024
    """About how much memory they may take."""
    suspend_after_ms: int = 200
    """A wait shorter than this is waited out in memory."""
    tags: tuple[str, ...] = ()
    queues: tuple[str, ...] | None = None
    stalled_ms: int = 3_600_000
    """An attempt without time-out that gives no sign of life for so long is put on record."""
    suspects: bool = False
    """Probation: takes only runs that shared a crash, one at a time until each has made progress."""
    one_run: bool = False
    """Takes only the run that it is told (`Worker.serve_only`) and what that asks for."""
    environment: str = ""
    name: str = ""
    """Of this worker, in lines of log."""
    max_lines: int = DEFAULT_MAX_LINES
    """How many lines of log are kept of a run; 0 = none."""
    values: bool = True
    """Whether the engine's own lines show the beginning of inputs and outputs."""
    log_level: int = Level.INFO.number
    """The least level of records of the standard library's logging that child processes hand over."""
    survive_ms: int = 2_000
    """On probation a run that has lived so long no longer keeps the next one waiting."""
