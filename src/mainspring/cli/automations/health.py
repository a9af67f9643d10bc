"""How automations stand, in the words of the pages; of those that no worker announced only whether they load."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from mainspring.domain.derived_states import AutomationState

if TYPE_CHECKING:
    from mainspring.cli.automations.automation_list import KnownAutomation
    from mainspring.cli.context import Invocation
    from mainspring.insight.automations.automation_health import AutomationHealth

UNANNOUNCED_STATE: Final = "unannounced"
"""It is in the code, and no worker has told of it: the store knows nothing to judge it by."""
HEALTH_STATES: Final = (*(state.value for state in AutomationState), UNANNOUNCED_STATE)
HEALTH_COLOURS: Final = {
    AutomationState.ON_TIME.value: "green",
    AutomationState.LATE.value: "yellow",
    AutomationState.SILENT.value: "red",
    AutomationState.PAUSED.value: "yellow",
    AutomationState.PROBLEM.value: "red",
}


def read_health(
    invocation: "Invocation", known: "Iterable[KnownAutomation]", now: int, *, alone: bool = False
) -> "dict[str, AutomationHealth]":
    """Return how each of these stands at the instant `now`; `alone` = it is one, which is judged as closely as its page does."""
    from mainspring.config.monitor_settings import read_tuning_overrides, read_tunings
    from mainspring.insight.automations.automation_health import AutomationHealth, read_automation_health

    monitors, announced = invocation.settings.monitors, [one.name for one in known if one.view is not None]
    nothing: dict[str, AutomationHealth] = {}
    if not announced:
        return nothing
    tunings, own = read_tunings(monitors), read_tuning_overrides(monitors)
    return invocation.read_if_made(
        lambda reader: read_automation_health(reader, announced, now, tunings, own, alone=alone), nothing
    )


def health_state(known: "KnownAutomation", standing: "AutomationHealth | None") -> str:
    """Return the state of an automation, one of STATES."""
    if standing is not None:
        return standing.state.value
    return AutomationState.PROBLEM.value if known.problem else UNANNOUNCED_STATE


def format_state(state: str) -> str:
    """Return a state as it is read: "on time"."""
    return state.replace("_", " ")
