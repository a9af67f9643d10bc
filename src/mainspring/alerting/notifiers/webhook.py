"""A webhook, signed by the Standard Webhooks specification: repeated requests have the same `webhook-id`."""

from datetime import UTC, datetime

import msgspec

from mainspring.alerting.notifiers.base import ChannelFault
from mainspring.alerting.notifiers.http import HttpClient
from mainspring.domain.clock import Clock
from mainspring.domain.notifications.channel_address import ChannelAddress
from mainspring.domain.notifications.notification import Notification
from mainspring.domain.triggers.webhooks.signing import sign_message
from mainspring.resources.error_text import ErrorText

_NOTICE_FAULTS = frozenset({400, 413, 415, 422})


class WebhookLink:
    """One address that receives notices as JSON."""

    def __init__(self, channel: ChannelAddress, faults: ErrorText, clock: Clock) -> None:
        self._channel = channel
        self._faults = faults
        self._clock = clock
        self._http = HttpClient(faults, clock)

    async def send(self, notice: Notification, ref: str | None, *, is_again: bool = False) -> str | None:
        """Post the notice; a 2xx response means that it was accepted."""
        body = _build_body(notice)
        secrets = [line.strip() for line in self._faults.get(self._channel.secret).splitlines() if line.strip()]
        signed = sign_message(secrets, notice.id, self._clock.now(), body)
        secret_values = {name: self._faults.get(name) for name in self._channel.secrets if name != self._channel.secret}
        headers = {**signed, "content-type": "application/json"}
        response = await self._http.post(self._channel.url_with(secret_values), body, headers)
        if not response.is_ok:
            raise ChannelFault(f"the webhook answers {response.status}", is_final=response.status in _NOTICE_FAULTS)
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _build_body(notice: Notification) -> bytes:
    """Return type, timestamp and data, as Standard Webhooks defines them."""
    at = datetime.fromtimestamp(notice.at / 1000, UTC).isoformat()
    return msgspec.json.encode({"type": f"incident.{notice.about.value}", "timestamp": at, "data": notice})
