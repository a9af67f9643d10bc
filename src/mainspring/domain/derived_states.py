"""Derived states, which people see: computed from known facts and stored nowhere, so there is no table of their moves."""

from enum import StrEnum


class TriggerState(StrEnum):
    """The state of a trigger, as people see it: derived from known facts, and stored nowhere."""

    LISTENING = "listening"
    """Deliveries are accepted."""
    UNREACHABLE = "unreachable"
    """No process listens at present, or the source is unreachable."""
    PAUSED = "paused"
    """Its automation is paused."""
    PROBLEM = "problem"
    """It cannot listen before a person fixes it."""


class AutomationState(StrEnum):
    """The state of an automation, as people see it: derived from known facts, and stored nowhere."""

    ON_TIME = "on_time"
    """It succeeds within the window in which that is expected."""
    LATE = "late"
    """It should have begun, and has not."""
    SILENT = "silent"
    """It should have succeeded, and has not."""
    LEARNING = "learning"
    """Too few successes are known to say when the next is due."""
    ON_DEMAND = "on_demand"
    """It is not expected at any time."""
    PAUSED = "paused"
    """A person keeps it from starting."""
    RETIRED = "retired"
    """It has ended for good."""
    PROBLEM = "problem"
    """It does not load: the last good definition is shown."""


class ScheduleState(StrEnum):
    """The state of a schedule in lists."""

    ACTIVE = "active"
    PAUSED = "paused"
    AUTOMATION_PAUSED = "automation_paused"
    RETIRED = "retired"
    """Its automation is retired."""
    ENDED = "ended"
    """It has no more slots."""


class ScheduleOrigin(StrEnum):
    """The origin of a schedule in lists."""

    CODE = "code"
    """It is declared in code."""
    CREATED = "created"
    """A person or program created it."""
