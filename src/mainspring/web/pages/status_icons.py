"""Icons and tones of states: a tone is a colour of static/css/tokens.css."""

from typing import Final

from mainspring.domain.derived_states import AutomationState, TriggerState
from mainspring.domain.effects.effect import CallOutcome
from mainspring.domain.states import (
    AlertState,
    AttemptState,
    BulkState,
    DeliveryState,
    EffectState,
    IncidentState,
    OutcomeState,
    RolloutState,
    RunState,
    SessionState,
    UpdateState,
)
from mainspring.insight.text.formatting import ICONS

TONES: Final[dict[str, str]] = {
    RunState.QUEUED: "idle",
    RunState.RUNNING: "busy",
    RunState.RETRYING: "warn",
    RunState.WAITING: "wait",
    RunState.PAUSED: "idle",
    RunState.NEEDS_ATTENTION: "bad",
    RunState.SUCCEEDED: "good",
    RunState.FAILED: "bad",
    RunState.CANCELLED: "idle",
    AttemptState.LOST: "warn",
    OutcomeState.IN_DOUBT: "bad",
    IncidentState.OPEN: "bad",
    IncidentState.ACKNOWLEDGED: "warn",
    IncidentState.SNOOZED: "idle",
    IncidentState.RESOLVED: "good",
    SessionState.ALIVE: "good",
    SessionState.DRAINING: "warn",
    SessionState.QUARANTINED: "warn",
    SessionState.CLOSED: "idle",
    SessionState.DEAD: "bad",
    DeliveryState.RECEIVED: "busy",
    DeliveryState.HELD: "wait",
    DeliveryState.STARTED: "good",
    DeliveryState.FILTERED: "idle",
    DeliveryState.DROPPED: "idle",
    DeliveryState.REFUSED: "warn",
    UpdateState.ACCEPTED: "busy",
    UpdateState.REJECTED: "warn",
    TriggerState.LISTENING: "good",
    TriggerState.UNREACHABLE: "bad",
    TriggerState.PROBLEM: "bad",
    TriggerState.PAUSED: "idle",
    AutomationState.ON_TIME: "good",
    AutomationState.LATE: "warn",
    AutomationState.SILENT: "bad",
    AutomationState.LEARNING: "idle",
    AutomationState.ON_DEMAND: "idle",
    AutomationState.RETIRED: "idle",
    BulkState.STOPPED: "idle",
    BulkState.DONE: "good",
    RolloutState.FINISHED: "good",
    RolloutState.ABORTED: "bad",
    RolloutState.ROLLED_BACK: "bad",
    EffectState.PENDING: "busy",
    EffectState.UNKNOWN: "warn",
    CallOutcome.RELEASED: "warn",
    AlertState.UNSENT: "busy",
    AlertState.SENT: "good",
}
_ICONS: Final[dict[str, str]] = {
    **{str(state): icon for state, icon in ICONS.items()},
    IncidentState.OPEN: "✗",
    IncidentState.ACKNOWLEDGED: "!",
    IncidentState.SNOOZED: "…",
    IncidentState.RESOLVED: "✓",
    AutomationState.LEARNING: "…",
    AutomationState.RETIRED: "–",  # noqa: RUF001 - as a run that was cancelled
}
_OF_TONES: Final = {"good": "✓", "bad": "✗", "warn": "!", "busy": "▶", "wait": "☐", "idle": "·"}


def state_tone(state: str) -> str:
    """Return the tone of a state, or the tone itself; an unknown state has the quietest."""
    return state if state in _OF_TONES else TONES.get(state, "idle")


def state_icon(state: str) -> str:
    """Return the icon of a state."""
    return _ICONS.get(state) or _OF_TONES[state_tone(state)]
