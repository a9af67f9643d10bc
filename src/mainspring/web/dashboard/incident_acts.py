"""What the buttons of an incident do, on whatever page they stand; its id is in the path, or in the form."""

from datetime import datetime
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.web.api import incidents, run_acts
from mainspring.web.api.bodies import Because
from mainspring.web.api.call import Call
from mainspring.web.dashboard.moments import coming_moment
from mainspring.web.dashboard.page import Button, Form, press, reason_of

Pressed = Call[Any, Form]


def acknowledge(call: Pressed) -> None:
    """Say that somebody looks after it; with a span, for so long."""
    until = _until(call) if call.body.get("span", "").strip() else None
    body = incidents.Acknowledge(until=until, reason=reason_of(call))
    press(call, incidents.acknowledge, body, incident=_incident(call))


def snooze(call: Pressed) -> None:
    """Say no more of it for a span."""
    body = incidents.Snooze(until=_until(call), reason=reason_of(call))
    press(call, incidents.snooze, body, incident=_incident(call))


def resolve(call: Pressed) -> None:
    """Say that it is over."""
    press(call, incidents.resolve, Because(reason=reason_of(call)), incident=_incident(call))


def retry(call: Pressed) -> None:
    """Continue the run that the form names, from where it failed."""
    press(call, run_acts.retry, run_acts.Retry(reason=reason_of(call)), run=call.body.get("run", ""))


def _incident(call: Pressed) -> str:
    return call.names.get("incident") or call.body.get("incident", "")


def _until(call: Pressed) -> datetime:
    """Return the instant that the field `span` means. Raises MisfitError."""
    return coming_moment(call, call.body.get("span", "").strip(), "$.span")


BUTTONS = {
    "acknowledge": Button(Role.OPERATOR, acknowledge),
    "snooze": Button(Role.OPERATOR, snooze),
    "resolve": Button(Role.OPERATOR, resolve),
    "retry": Button(Role.OPERATOR, retry),
}
