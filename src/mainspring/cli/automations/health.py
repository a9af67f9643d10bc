"""Health of automations, in the words of the pages; of an unannounced one only whether it loads."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from mainspring.domain.derived_states import AutomationState

if TYPE_CHECKING:
    from mainspring.cli.automations.automation_list import KnownAutomation
    from mainspring.cli.context import Invocation
    from mainspring.insight.automations.automation_health import AutomationHealth

UNANNOUNCED_STATE: Final = "unannounced"
"""It is in the code, and no worker has announced it: the store has nothing to evaluate."""
HEALTH_STATES: Final = (*(state.value for state in AutomationState), UNANNOUNCED_STATE)
HEALTH_COLOURS: Final = {
    AutomationState.ON_TIME.value: "green",
    AutomationState.LATE.value: "yellow",
    AutomationState.SILENT.value: "red",
    AutomationState.PAUSED.value: "yellow",
    AutomationState.PROBLEM.value: "red",
}


def read_health(
    invocation: "Invocation", known: "Iterable[KnownAutomation]", now: int, *, is_single: bool = False
) -> "dict[str, AutomationHealth]":
    """Return the health of each automation at the instant `now`; `is_single` = for one automation, evaluated as closely as on its page."""
    from mainspring.config.monitor_settings import read_tuning_overrides, read_tunings
    from mainspring.insight.automations.automation_health import AutomationHealth, read_automation_health

    monitors, announced = (
        invocation.settings.monitors,
        [automation.name for automation in known if automation.view is not None],
    )
    no_health: dict[str, AutomationHealth] = {}
    if not announced:
        return no_health
    tunings, own = read_tunings(monitors), read_tuning_overrides(monitors)
    return invocation.read_if_made(
        lambda reader: read_automation_health(reader, announced, now, tunings, own, is_single=is_single), no_health
    )


def health_state(known: "KnownAutomation", automation_health: "AutomationHealth | None") -> str:
    """Return the state of an automation, one of HEALTH_STATES."""
    if automation_health is not None:
        return automation_health.state.value
    return AutomationState.PROBLEM.value if known.problem else UNANNOUNCED_STATE


def format_state(state: str) -> str:
    """Return a state in words: "on time"."""
    return state.replace("_", " ")
