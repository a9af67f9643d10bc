"""Attempt hooks: what a test changes around the attempts of a worker."""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any

from msgspec.structs import replace

from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_host import EndCallback
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.isolation import unwrap_function


class AttemptBoundary(StrEnum):
    """The boundaries of the code of an attempt."""

    BEGIN = "begin"
    END = "end"


class AttemptHooks:
    """`replacements` = functions in the place of those of steps.

    `on_boundary` is called in the loop of the worker before the code of an attempt begins, and when it has ended, before the store or the
    run learns of it.
    """

    def __init__(self) -> None:
        self.replacements: dict[Callable[..., Any], Callable[..., Any]] = {}
        self.on_boundary: Callable[[AttemptSpec, AttemptBoundary], None] | None = None

    def begin(self, spec: AttemptSpec, on_end: EndCallback) -> tuple[AttemptSpec, EndCallback]:
        """Return what begins in the place of this attempt, and whom its end is reported to."""
        if self.on_boundary is not None:
            self.on_boundary(spec, AttemptBoundary.BEGIN)
            on_end = partial(self._end, spec, on_end)
        if self.replacements:
            spec = replace(spec, fn=self.replacements.get(unwrap_function(spec.fn), spec.fn))
        return spec, on_end

    def _end(self, spec: AttemptSpec, on_end: EndCallback, end: AttemptEnd) -> None:
        if self.on_boundary is not None:
            self.on_boundary(spec, AttemptBoundary.END)
        on_end(end)
