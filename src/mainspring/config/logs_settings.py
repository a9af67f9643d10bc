"""Settings of `[logs]`: how processes write lines, and how many lines of runs are stored."""

from datetime import timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

from mainspring.domain.runs.log_chunk import DEFAULT_MAX_LINES


class LogsSettings(Struct, frozen=True, kw_only=True):
    """`auto` = JSON unless a terminal reads it. `max_lines` = stored lines of a run; 0 = none, and nothing is captured.

    `values` = lines of the engine itself show the start of inputs and outputs.
    """

    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
    retention: Annotated[timedelta, Meta(title="positive span")] = timedelta(days=14)
    max_lines: Annotated[int, Meta(ge=0, le=1_000_000)] = DEFAULT_MAX_LINES
    values: bool = True
