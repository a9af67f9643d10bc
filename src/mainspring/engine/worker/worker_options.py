"""Options of one worker."""

from dataclasses import dataclass

from mainspring.domain.runs.log_chunk import DEFAULT_MAX_LINES
from mainspring.domain.runs.log_line import Level
from mainspring.domain.runs.stream import DEFAULT_LIMITS, StreamLimits
from mainspring.engine.attempts.attempt_hooks import AttemptHooks
from mainspring.resources.flag_provider import FlagProvider


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Limits of one worker, the runs it takes, and how long it keeps suspended runs in memory."""

    concurrency: int = 64
    threads: int = 32
    max_suspended: int = 100_000
    """Most suspended runs whose bodies stay in memory."""
    park_bytes: int = 64 * 1024 * 1024
    """About how much memory they may use."""
    suspend_after_ms: int = 200
    """A run with a shorter wait is not suspended: it waits in memory."""
    tags: tuple[str, ...] = ()
    queues: tuple[str, ...] | None = None
    stalled_ms: int = 3_600_000
    """An attempt without time-out that sends no report for this long is recorded as stalled."""
    probation: bool = False
    """Probation: takes only runs that shared a crash, one at a time until each has made progress."""
    threads_only: bool = False
    """Steps of child processes run in threads: for tests on a virtual clock."""
    attempt_hooks: AttemptHooks | None = None
    """Changes of a test around attempts."""
    one_run: bool = False
    """Takes only the run of `Worker.serve_only` and the runs it starts."""
    environment: str = ""
    name: str = ""
    """Name of this worker, in log lines."""
    max_lines: int = DEFAULT_MAX_LINES
    """Most log lines that are stored of a run; 0 = none."""
    stream_limits: StreamLimits = DEFAULT_LIMITS
    """How much of one stream is stored."""
    values: bool = True
    """Whether the engine's own lines show the first characters of inputs and outputs."""
    log_level: int = Level.INFO.number
    """The lowest level of standard library log records that child processes send."""
    secrets_listed_only: bool = False
    """Whether an automation without a list of secrets may read none."""
    flag_provider: FlagProvider | None = None
    """Answers questions about flags in place of the store."""
    survive_ms: int = 2_000
    """On probation, a run that has run for this long no longer makes the next one wait."""
