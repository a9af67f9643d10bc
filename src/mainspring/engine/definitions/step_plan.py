"""The plan of a step, from the options of its definition and of its call."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import OptionError
from mainspring.domain.failures.retry import Retry
from mainspring.engine.attempts.isolation import LIMITS, PROCESS, is_async


class StepPlan(Struct, frozen=True):
    """The options of one step; None = not set."""

    key: str | None = None
    timeout: timedelta | None = None
    heartbeat: timedelta | None = None
    overlap_attempts: bool | None = None
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
    headers: bytes | None = None
    """The headers of a child or started run as JSON: the stated ones over those of its run; None = those of its run."""
    has_end: bool = False
    """Its code enforces a time-out or a heartbeat itself."""

    @property
    def is_endless(self) -> bool:
        """Whether no time-out ends an attempt."""
        return self.timeout is None and self.heartbeat is None and not self.has_end

    @property
    def overlaps(self) -> bool:
        """Whether an attempt may begin while the code of the one before still runs. A transactional one can no longer commit then."""
        return bool(self.overlap_attempts) or self.delivery == "transactional"

    def but(self, over: "StepPlan") -> "StepPlan":
        """Return this plan, overridden by the options that `over` sets."""
        overrides = {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(over, name)) is not None and value != getattr(_EMPTY_PLAN, name)
        }
        return replace(self, **overrides) if overrides else self


def read_limits(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a plan that limit an attempt, from the options of a definition or call."""
    spans = {name: options[name] for name in LIMITS if options.get(name) is not None}
    return {
        **{name: parse_duration(span) for name, span in spans.items()},
        "overlap_attempts": options.get("overlap_attempts"),
    }


def refuse_useless_overlap(fn: Callable[..., Any], plan: StepPlan, subject: str) -> None:
    """Refuse `overlap_attempts` for a step or task (`subject`) whose attempts never overlap.

    Raises:
        OptionError: it names the reason, and the fix.
    """
    if not plan.overlap_attempts:
        return
    hint = "Leave it out."
    if plan.is_endless:
        reason, hint = "no time-out ends its attempts", "Add timeout= or heartbeat=, or leave it out."
    elif plan.delivery == "at_most_once":
        reason = "no attempt follows a time-out of an at_most_once step, it is in doubt then"
    elif plan.delivery == "transactional":
        reason = "a transactional attempt can commit nothing after its time-out, so the next one never waits for it"
    elif plan.isolate == PROCESS or (plan.isolate is None and not is_async(fn)):
        reason = "a time-out ends its child process, so the next attempt never waits for it"
        hint = "Add isolate='thread' to run it in the worker, or leave it out."
    else:
        return
    raise OptionError(f"overlap_attempts=True would change nothing: {reason}\nin {subject}", hint=hint)


_EMPTY_PLAN = StepPlan()
