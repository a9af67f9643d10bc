"""A signed webhook, by the Standard Webhooks specification: repeated requests have the same `webhook-id`."""

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import OptionError
from mainspring.domain.notifications.notification import Notification
from mainspring.domain.redaction.secret_name import SECRET_NAME
from mainspring.domain.triggers.webhooks.signing import sign_message
from mainspring.integrations.base.channel_address import AddressParts, ChannelAddress, may_be_key
from mainspring.integrations.base.http import HttpClient
from mainspring.integrations.base.notifier import ChannelFault, ErrorFormatter, NotifierPlugin

_NOTICE_FAULTS = frozenset({400, 413, 415, 422})


class WebhookLink:
    """One address that receives notices as JSON."""

    def __init__(self, channel: ChannelAddress, faults: ErrorFormatter, clock: Clock) -> None:
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


class WebhookNotifier:
    """Addresses that receive notices: the secret, whsec_..., signs them. A part that is a key is written as `{secret:NAME}`."""

    form = "webhook+https://HOST/PATH?secret=NAME"

    def read_address(self, parts: AddressParts) -> ChannelAddress:
        """Return the address."""
        parts.reject_user()
        parts.server()
        pairs = parts.pairs()
        names = [value for key, value in pairs if key == "secret"]
        if len(names) != 1 or not SECRET_NAME.fullmatch(names[0]):
            raise parts.invalid("the address does not name the secret that signs what is sent")
        other_parameters = [(key, value) for key, value in pairs if key != "secret"]
        texts = [*parts.path.split("/"), *(text for pair in other_parameters for text in pair)]
        if any(map(may_be_key, texts)):
            raise OptionError(
                "a part of the address looks like a key, and a secret is never written here",
                hint="Set it as a secret, MAINSPRING_SECRET_NAME, and write {secret:NAME} in its place.",
            )
        query = "&".join(f"{quote(key)}={quote(value, safe='{}:')}" for key, value in other_parameters)
        url = f"{parts.scheme.removeprefix('webhook+')}://{parts.host}/{parts.path}{'?' if query else ''}{query}"
        return ChannelAddress(scheme=parts.scheme, secret=names[0], url=url)

    def open_link(self, channel: ChannelAddress, faults: ErrorFormatter, clock: Clock) -> WebhookLink:
        """Return the link to a receiver."""
        return WebhookLink(channel, faults, clock)


NOTIFIER: Final[NotifierPlugin] = WebhookNotifier()
