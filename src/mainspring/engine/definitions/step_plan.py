"""The plan of a step, from the options of its definition and of its call."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mainspring.domain.failures.retry import Retry


class StepPlan(Struct, frozen=True):
    """The options of one step; None = not set."""

    key: str | None = None
    timeout: timedelta | None = None
    retry: Retry | None = None
    undo: Callable[..., Any] | None = None
    name: str | None = None
    delivery: str = "at_least_once"
    isolate: str | None = None
    queue: str | None = None
    tag: str | None = None
    run_key: str | None = None
    close: str = "cancel"
    was: tuple[str, ...] = ()
    has_end: bool = False
    """Its code enforces a time-out itself."""

    @property
    def is_endless(self) -> bool:
        """Whether no time-out ends an attempt."""
        return self.timeout is None and not self.has_end

    def but(self, over: "StepPlan") -> "StepPlan":
        """Return this plan, overridden by the options that `over` sets."""
        overrides = {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(over, name)) is not None and value != getattr(_EMPTY_PLAN, name)
        }
        return replace(self, **overrides) if overrides else self


_EMPTY_PLAN = StepPlan()
