"""Log lines of runs, in chunks: the commands that save and prune these logs."""

from mainspring.domain.runs.log_chunk import DEFAULT_MAX_LINES, MAX_RUN_BYTES, PROTECTED_LINES, LogChunk
from mainspring.store.commands.base import BookkeepingCommand
from mainspring.store.commands.results import CommandDone, NumberAnswer, Refused


class SaveLogs(BookkeepingCommand[CommandDone | Refused], frozen=True):
    """Append chunks to the log lines of a run. Answer: CommandDone, Refused not_found.

    Lines above the limits of the run are dropped: chunks behind its first lines, the oldest first. No claim is needed:
    the lines of an attempt stay.
    """

    run: str
    parts: tuple[LogChunk, ...]
    most_lines: int = DEFAULT_MAX_LINES
    most_bytes: int = MAX_RUN_BYTES
    protected_lines: int = PROTECTED_LINES


class PruneLogs(BookkeepingCommand[NumberAnswer], frozen=True):
    """Delete chunks whose last line is older than an instant, at most `limit`. Answer: NumberAnswer(chunks deleted)."""

    before_at: int
    limit: int = 1_000
