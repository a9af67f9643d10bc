"""Decorators that say when an automation starts, stacked above or below `task` and `workflow`.

    @ms.on.cron("0 3 * * *", tz="Europe/Berlin")
    @ms.on.every("15m")
    @ms.task
    def sync() -> None: ...

Below the decorator that makes the automation, the function carries what was said until that decorator takes it;
what nobody took is found after loading, so that no schedule is lost in silence.
"""

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from mainspring.domain.errors import DefinitionError
from mainspring.domain.schedule import Schedule, Span
from mainspring.engine.automation import Automation, Step

T = TypeVar("T")
_WAITING = "_mainspring_schedules"


def cron(expr: str, *, tz: str | None = None) -> Callable[[T], T]:
    """Start at the times of a cron expression, in UTC or in the zone `tz`.

    Raises:
        OptionError: the expression cannot be read or never fires.
        UnknownNameError: no such time zone.
    """
    Schedule.parse(cron=expr, tz=tz, name="any")
    return _attach({"cron": expr, "tz": tz})


def every(span: Span, *, offset: Span | None = None) -> Callable[[T], T]:
    """Start once per span of elapsed time, on a grid anchored at the epoch plus `offset`.

    Raises:
        OptionError: the span is shorter than a second, or the offset is not shorter than the span.
    """
    Schedule.parse(every=span, offset=offset)
    return _attach({"every": span, "offset": offset})


def take_waiting(fn: Any, name: str) -> list[Schedule]:
    """Return the schedules that a function carries, in the order in which they are written, and take them off it."""
    waiting = getattr(fn, "__dict__", {}).pop(_WAITING, [])
    return [Schedule.parse(**spec, name=name) for spec in reversed(waiting)]


def is_waiting(value: Any) -> bool:
    """Whether this is a function with schedules that no decorator took."""
    return type(value) is FunctionType and bool(value.__dict__.get(_WAITING))


def _attach(spec: dict[str, Any]) -> Callable[[T], T]:
    """Return the decorator that gives one schedule to an automation, or to a function that will become one."""

    def decorate(target: T) -> T:
        if isinstance(target, Automation):
            target.add_schedule(Schedule.parse(**spec, name=target.name))
        elif isinstance(target, Step) or not callable(target):
            raise DefinitionError(
                f"{target!r} cannot have a schedule", hint="Only @task and @workflow can; a step is started by a run."
            )
        else:
            target.__dict__.setdefault(_WAITING, []).append(spec)
        return target

    return decorate
