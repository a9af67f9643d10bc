"""PagerDuty, Events API v2: opening triggers an event, acknowledging or snoozing acknowledges it, resolving resolves it.

All notices of one opening have one dedup key, so a repeated one shows once.
"""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.incidents.incident import Severity
from mainspring.domain.notifications.notification import Notification, NotificationEvent
from mainspring.integrations.base.channel_address import AddressParts, ChannelAddress
from mainspring.integrations.base.http import HttpClient
from mainspring.integrations.base.notifier import ChannelFault, ErrorFormatter, NotifierPlugin

PAGERDUTY_URL: Final = "https://events.pagerduty.com"
GAP_S = 0.5
"""An integration accepts 120 events a minute."""
_BAD_EVENT = 400
_LONGEST_ERROR = 400
"""Characters of an error text."""
_ACTIONS = {
    NotificationEvent.ACKNOWLEDGED: "acknowledge",
    NotificationEvent.SNOOZED: "acknowledge",
    NotificationEvent.RESOLVED: "resolve",
}
_SEVERITIES = {Severity.PAGE: "critical", Severity.NOTIFY: "warning", Severity.DIGEST: "info"}


class PagerDutyLink:
    """An integration of one service."""

    def __init__(self, channel: ChannelAddress, faults: ErrorFormatter, clock: Clock, gap_s: float = GAP_S) -> None:
        self._channel = channel
        self._faults = faults
        self._http = HttpClient(faults, clock, gap_s)

    async def send(self, notice: Notification, ref: str | None, *, is_again: bool = False) -> str | None:
        """Send the event. A test is resolved at once, so that it leaves nothing open."""
        await self._enqueue(notice, _ACTIONS.get(notice.about, "trigger"))
        if notice.about is NotificationEvent.TEST:
            await self._enqueue(notice, "resolve")
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _enqueue(self, notice: Notification, action: str) -> None:
        event: dict[str, Any] = {
            "routing_key": self._faults.get(self._channel.secret),
            "event_action": action,
            "dedup_key": notice.key,
        }
        if action == "trigger":
            event |= {
                "client": "Mainspring",
                "payload": _build_payload(notice),
                "links": [{"href": link.url, "text": link.text} for link in notice.links],
            }
        await enqueue_event(self._http, self._channel.url, event, self._faults)


class PagerDutyError(ChannelFault):
    """An error response to an event."""


async def enqueue_event(http: HttpClient, url: str, event: dict[str, Any], faults: ErrorFormatter) -> None:
    """Send an event, its routing key included.

    Raises:
        PagerDutyError: it is not accepted. `is_final` = because of what it says, not because of its key.
        ChannelFault: there is no response.
    """
    headers = {"content-type": "application/json"}
    response = await http.post(f"{url}/v2/enqueue", msgspec.json.encode(event), headers)
    if response.is_ok:
        return
    data = response.data()
    errors = "; ".join(str(error) for error in data.get("errors") or ())
    message = faults.redact(": ".join(part for part in (str(data.get("message", "")), errors) if part))
    is_key_fault = "routing_key" in errors or "routing key" in message.lower()
    raise PagerDutyError(
        f"PagerDuty does not accept it ({response.status}): {message}"[:_LONGEST_ERROR],
        is_final=response.status == _BAD_EVENT and not is_key_fault,
    )


def _build_payload(notice: Notification) -> dict[str, Any]:
    return {
        "summary": notice.headline,
        "source": notice.project or "mainspring",
        "severity": _SEVERITIES[notice.severity],
        "timestamp": datetime.fromtimestamp(notice.at / 1000, UTC).isoformat(),
        "component": notice.automation or "mainspring",
        "group": notice.team or "",
        "custom_details": {field.label: field.text for field in notice.fields},
    }


class PagerDutyNotifier:
    """Services: the secret is the integration key of Events API v2."""

    form = "pagerduty://secret:NAME"

    def read_address(self, parts: AddressParts) -> ChannelAddress:
        """Return the address."""
        parts.reject_user()
        parts.reject_path()
        secret, url = parts.secret_name(parts.host), parts.api_url(PAGERDUTY_URL)
        return ChannelAddress(scheme=parts.scheme, secret=secret, url=url)

    def open_link(self, channel: ChannelAddress, faults: ErrorFormatter, clock: Clock) -> PagerDutyLink:
        """Return the link to a service."""
        return PagerDutyLink(channel, faults, clock)


NOTIFIER: Final[NotifierPlugin] = PagerDutyNotifier()
