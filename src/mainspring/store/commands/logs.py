"""Lines of log of runs, in parts."""

import msgspec

from mainspring.domain.runs.log_chunk import DEFAULT_MAX_LINES, KEPT_LINES, MAX_RUN_BYTES, LogChunk


class SaveLogs(msgspec.Struct, frozen=True):
    """Add parts to the lines of a run. Answer: Done, Refused not_found.

    What the run may not keep is dropped: parts behind its first lines, the oldest first. No claim is needed: what an attempt said stays
    said.
    """

    run: str
    parts: tuple[LogChunk, ...]
    most_lines: int = DEFAULT_MAX_LINES
    most_bytes: int = MAX_RUN_BYTES
    kept_lines: int = KEPT_LINES


class PruneLogs(msgspec.Struct, frozen=True):
    """Delete parts whose last line is older than an instant, at most `limit`. Answer: Numbered(parts deleted)."""

    before_at: int
    limit: int = 1_000
