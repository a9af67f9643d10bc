"""What the buttons of an incident do, on whatever page they stand; its id is in the path, or in the form."""

from datetime import UTC, datetime
from typing import Any

from mainspring.domain.access import Role
from mainspring.domain.errors import OptionError
from mainspring.domain.trigger import MisfitError
from mainspring.insight.instants import HINT, instant_at
from mainspring.web.api import incidents, run_acts
from mainspring.web.api.bodies import Because
from mainspring.web.api.call import Call
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
    site, span = call.site, call.body.get("span", "").strip()
    try:
        at = instant_at(span, site.clock.now(), site.settings.project.timezone, back=False)
        return datetime.fromtimestamp(at / 1000, UTC)
    except (OptionError, OverflowError, ValueError) as error:
        said = error.message if isinstance(error, OptionError) else f"{span!r} is too far away"
        raise MisfitError(said, hint=HINT, at="$.span") from None


BUTTONS = {
    "acknowledge": Button(Role.OPERATOR, acknowledge),
    "snooze": Button(Role.OPERATOR, snooze),
    "resolve": Button(Role.OPERATOR, resolve),
    "retry": Button(Role.OPERATOR, retry),
}
