"""Lines of log of runs, in parts."""

import msgspec

from mainspring.domain.log_part import KEPT_LINES, MOST_BYTES, MOST_LINES, Part


class SaveLines(msgspec.Struct, frozen=True):
    """Add parts to the lines of a run, and drop what the run may not keep: parts after the first lines, oldest first. Answer: Done, Refused not_found.

    No claim is needed: what an attempt said stays said.
    """

    run: str
    parts: tuple[Part, ...]
    most_lines: int = MOST_LINES
    most_bytes: int = MOST_BYTES
    kept_lines: int = KEPT_LINES
