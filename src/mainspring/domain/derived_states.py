"""States that people are told: judged by what is known and stored nowhere, so that there is no table of their moves."""

from enum import StrEnum


class TriggerState(StrEnum):
    """Whether a trigger hears what arrives, as people are told: it is judged by what is known of it, and stored nowhere."""

    LISTENING = "listening"
    """What arrives is taken in."""
    AWAY = "away"
    """Nobody listens at present, or what is listened to is out of reach."""
    PAUSED = "paused"
    """Its automation is paused."""
    PROBLEM = "problem"
    """It cannot listen before a person mends it."""


class AutomationState(StrEnum):
    """How an automation stands, as people are told: judged by what is known of it, and stored nowhere."""

    ON_TIME = "on_time"
    """It succeeds within the window in which that is expected."""
    LATE = "late"
    """It should have begun, and has not."""
    SILENT = "silent"
    """It should have succeeded, and has not."""
    LEARNING = "learning"
    """Too few successes are known to say when the next is due."""
    ON_DEMAND = "on_demand"
    """Nobody expects it at any time."""
    PAUSED = "paused"
    """A person keeps it from starting."""
    RETIRED = "retired"
    """It is gone for good."""
    PROBLEM = "problem"
    """It does not load: the last good definition is shown."""
