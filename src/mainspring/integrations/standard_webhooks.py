"""Standard Webhooks: the notifier that signs its requests, and the verifier of requests that are signed in the same way.

HMAC-SHA256 over id, timestamp and body; secrets as `whsec_` and base 64. Repeated requests have the same `webhook-id`.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import OptionError
from mainspring.domain.notifications.notification import Notification
from mainspring.domain.redaction.secret_name import SECRET_NAME, SET_SECRET_HINT
from mainspring.domain.triggers.webhooks.verifier_options import (
    DEFAULT_TOLERANCE,
    VerifierOptions,
    check_secret_names,
    check_tolerance,
)
from mainspring.integrations.base.channel_address import AddressParts, ChannelAddress, may_be_key
from mainspring.integrations.base.http import HttpClient
from mainspring.integrations.base.notifier import ChannelFault, ErrorFormatter, NotifierPlugin
from mainspring.integrations.base.webhook_verifier import (
    LONGEST_HEADER,
    NO_SIGNATURE,
    RejectedRequest,
    RequestSigner,
    WebhookVerifier,
    check_timestamp,
    compare_signatures,
    compute_digests,
    decode_base64,
    encode_header,
)

_ID = "webhook-id"
_TIMESTAMP = "webhook-timestamp"
_SIGNATURE = "webhook-signature"
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
            raise parts.invalid("the address does not name the secret for the signature")
        other_parameters = [(key, value) for key, value in pairs if key != "secret"]
        texts = [*parts.path.split("/"), *(text for pair in other_parameters for text in pair)]
        if any(map(may_be_key, texts)):
            raise OptionError(
                "a part of the address looks like a key, and an address must not contain a secret",
                hint=f"Write {{secret:NAME}} in its place. {SET_SECRET_HINT}",
            )
        query = "&".join(f"{quote(key)}={quote(value, safe='{}:')}" for key, value in other_parameters)
        url = f"{parts.scheme.removeprefix('webhook+')}://{parts.host}/{parts.path}{'?' if query else ''}{query}"
        return ChannelAddress(scheme=parts.scheme, secret=names[0], url=url)

    def open_link(self, channel: ChannelAddress, faults: ErrorFormatter, clock: Clock) -> WebhookLink:
        """Return the link to a receiver."""
        return WebhookLink(channel, faults, clock)


NOTIFIER: Final[NotifierPlugin] = WebhookNotifier()


def sign_message(secrets: Iterable[str], id: str, now_at: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message, signed by each secret, so that a receiver needs to know only one of them.

    Raises:
        OptionError: no secret is base 64; the value is not repeated.
    """
    stamp = str(now_at // 1000)
    content = f"{id}.{stamp}.".encode() + body
    keys = [_decode_key(secret) for secret in secrets]
    digests = list(compute_digests([key for key in keys if key is not None], content))
    if not digests:
        raise OptionError("a secret of Standard Webhooks is not base 64", hint="It looks like whsec_ and base 64.")
    signature = " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
    return {_ID: id, _TIMESTAMP: stamp, _SIGNATURE: signature}


def standard(*secrets: str, tolerance: SpanInput = DEFAULT_TOLERANCE) -> VerifierOptions:
    """Check by Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature)."""
    return VerifierOptions(kind="standard", secrets=check_secret_names(secrets), tolerance=check_tolerance(tolerance))


class StandardVerifier(WebhookVerifier):
    """HMAC-SHA256 over id, timestamp and body."""

    def verify(
        self, options: VerifierOptions, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
    ) -> RejectedRequest | None:
        """Compare the timestamp and all signatures of version 1."""
        identity, stamp = headers.get(_ID, ""), headers.get(_TIMESTAMP, "")
        signature_header = headers.get(_SIGNATURE, "")
        if not identity or not stamp or not signature_header:
            return RejectedRequest(NO_SIGNATURE, f"{_ID}, {_TIMESTAMP} and {_SIGNATURE} are needed")
        signatures = [
            decode_base64(text[3:]) for text in signature_header[:LONGEST_HEADER].split(" ") if text.startswith("v1,")
        ]
        content = encode_header(f"{identity}.{stamp}.") + body
        keys = [key for secret in secrets if (key := _decode_key(secret)) is not None]
        return check_timestamp(options, stamp, now_at) or compare_signatures(signatures, compute_digests(keys, content))

    def example_headers(self, options: VerifierOptions, signer: RequestSigner) -> dict[str, str]:
        """Return id, timestamp and signature."""
        stamp = signer.timestamp()
        signature = signer.hmac("msg_{timestamp}.{timestamp}.{body}", encoding="base64", is_standard_key=True)
        return {_ID: f"msg_{stamp}", _TIMESTAMP: stamp, _SIGNATURE: f"v1,{signature}"}

    def explain_bad_secret(self, secret: str) -> str | None:
        """Return why a secret is none of Standard Webhooks."""
        if _decode_key(secret) is None:
            return "it is not whsec_ and base 64, as secrets of Standard Webhooks are"
        return None

    def signature_headers(self, options: VerifierOptions) -> tuple[str, ...]:
        """Return the header of the signature."""
        return (_SIGNATURE,)


def _decode_key(secret: str) -> bytes | None:
    """Return the key of a secret; None if it is not base 64."""
    text = secret.removeprefix("whsec_")
    return decode_base64(text + "=" * (-len(text) % 4)) or None


VERIFIER: Final[WebhookVerifier] = StandardVerifier()
