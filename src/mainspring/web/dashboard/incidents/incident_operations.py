"""Operations of the buttons of an incident, on any page; its id is in the path or in the form."""

from datetime import datetime
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.web.api.bodies import OperationRequest
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import incidents
from mainspring.web.api.endpoints.runs import run_operations
from mainspring.web.dashboard.page_route import Form, PageButton, call_api, read_reason
from mainspring.web.dashboard.time_fields import parse_future

ButtonCall = ApiCall[Any, Form]


def acknowledge(call: ButtonCall) -> None:
    """Acknowledge it; with a span, for that time."""
    until = _parse_until(call) if call.body.get("span", "").strip() else None
    body = incidents.AcknowledgeRequest(until=until, reason=read_reason(call))
    call_api(call, incidents.acknowledge, body, incident=_incident_id(call))


def snooze(call: ButtonCall) -> None:
    """Snooze it for a span."""
    body = incidents.SnoozeRequest(until=_parse_until(call), reason=read_reason(call))
    call_api(call, incidents.snooze, body, incident=_incident_id(call))


def resolve(call: ButtonCall) -> None:
    """Resolve it."""
    call_api(call, incidents.resolve, OperationRequest(reason=read_reason(call)), incident=_incident_id(call))


def retry(call: ButtonCall) -> None:
    """Continue the run that the form names, from where it failed."""
    call_api(
        call, run_operations.retry, run_operations.RetryRequest(reason=read_reason(call)), run=call.body.get("run", "")
    )


def _incident_id(call: ButtonCall) -> str:
    return call.names.get("incident") or call.body.get("incident", "")


def _parse_until(call: ButtonCall) -> datetime:
    """Return the instant in the field `span`. Raises ArgumentMismatchError."""
    return parse_future(call, call.body.get("span", "").strip(), "$.span")


BUTTONS = {
    "acknowledge": PageButton(Role.OPERATOR, acknowledge),
    "snooze": PageButton(Role.OPERATOR, snooze),
    "resolve": PageButton(Role.OPERATOR, resolve),
    "retry": PageButton(Role.OPERATOR, retry),
}
