"""Slack: the notifier, and the verifier of its requests.

The notifier posts one message for each opening of an incident and updates it as its state changes; the history is in its thread.

The metadata of a message carries the key of its subject and the id of its notice. If an earlier attempt may have been accepted, the link
searches for that message before it posts another. The search needs the scopes channels:history (groups:history) and, for a channel that is
not given by its id, channels:read (groups:read). Without them a crash at the wrong instant may show a message twice.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from mainspring.domain.clock import Clock
from mainspring.domain.duration import SpanInput
from mainspring.domain.notifications.notification import Notification, NotificationEvent
from mainspring.domain.triggers.webhooks.verifier_options import (
    DEFAULT_TOLERANCE,
    VerifierOptions,
    check_secret_names,
    check_tolerance,
)
from mainspring.domain.triggers.webhooks.webhook import ResponseMode
from mainspring.integrations.base.channel_address import AddressParts, ChannelAddress
from mainspring.integrations.base.http import HttpClient
from mainspring.integrations.base.notifier import ChannelFault, ErrorFormatter, NotifierPlugin
from mainspring.integrations.base.webhook_verifier import (
    NO_SIGNATURE,
    ImmediateResponse,
    RejectedRequest,
    RequestSigner,
    WebhookVerifier,
    check_signature,
    check_timestamp,
    encode_header,
    read_text_field,
)
from mainspring.integrations.slack_api import (
    ANSWER_ACTION,
    NOT_ALLOWED_CODES,
    SLACK_CHANNEL,
    SLACK_URL,
    SlackApi,
    SlackError,
    escape_slack_text,
)

_LOG = logging.getLogger("mainspring.notifier.slack")
GAP_S = 1.05
"""Slack accepts one message a second for each channel."""
_EVENT = "mainspring_notice"
_SEARCH_WINDOW_S = 600
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
_BROADCAST = frozenset({NotificationEvent.REPEATED, NotificationEvent.ESCALATED})
"""Notices that need attention: an edit or a reply in a thread reaches only people who look."""
_MARKS = {
    NotificationEvent.RESOLVED: ":white_check_mark:",
    NotificationEvent.ACKNOWLEDGED: ":eyes:",
    NotificationEvent.SNOOZED: ":zzz:",
    NotificationEvent.DIGEST: ":newspaper:",
    NotificationEvent.TEST: ":wave:",
}
_LONGEST_SECTION, _LONGEST_BUTTON = 2_900, 75
"""Characters that Slack accepts."""
_SIGNATURE = "x-slack-signature"
_TIMESTAMP = "x-slack-request-timestamp"


class SlackLink:
    """A bot in one channel."""

    def __init__(self, channel: ChannelAddress, faults: ErrorFormatter, clock: Clock, gap_s: float = GAP_S) -> None:
        self._channel = channel
        self._faults = faults
        self._http = HttpClient(faults, clock, gap_s)
        self._api = SlackApi(channel.url, channel.secret, faults, self._http)
        self._place = "" if channel.to[0].startswith("#") else channel.to[0]
        self._incomplete: dict[str, str] = {}
        """Messages without the details of their notice: reference by key."""

    async def send(self, notice: Notification, ref: str | None, *, is_again: bool = False) -> str | None:
        """Post or update the message, then reply in its thread."""
        is_new = False
        found = ref or self._incomplete.get(notice.key)
        if found is None and is_again:
            found = await self._find_message(notice)
        if found is not None and not await self._update(found, notice):
            found = None
        if found is None:
            blocks = _build_blocks(notice)
            found = await self._post(notice, _format_message(notice), **({"blocks": blocks} if blocks else {}))
            is_new = True
        self._incomplete[notice.key] = found
        if notice.fields or notice.links:
            try:
                await self._reply(found, notice, is_again=is_again and not is_new)
            except ChannelFault as fault:
                fault.is_unknown = True  # a part of it is there, whatever became of the rest
                raise
        del self._incomplete[notice.key]
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _post(self, notice: Notification, text: str, **more: Any) -> str:
        response = await self._api.call(
            "chat.postMessage",
            {
                "channel": self._place or self._channel.to[0],
                "text": text,
                "metadata": {"event_type": _EVENT, "event_payload": {"key": notice.key, "notice": notice.id}},
                "unfurl_links": False,
                "unfurl_media": False,
                **more,
            },
        )
        self._place = str(response.get("channel", self._place))
        return f"{self._place}:{response.get('ts', '')}"

    async def _update(self, ref: str, notice: Notification) -> bool:
        """Update the message to the present state; return False if it is gone."""
        place, _, stamp = ref.partition(":")
        metadata = {"event_type": _EVENT, "event_payload": {"key": notice.key, "notice": notice.id}}
        try:
            # Without `blocks` the buttons of a question that is answered would stay.
            body = {
                "channel": place,
                "ts": stamp,
                "text": _format_message(notice),
                "metadata": metadata,
                "blocks": _build_blocks(notice),
            }
            await self._api.call("chat.update", body)
        except SlackError as error:
            if error.code in _GONE:
                return False
            raise
        self._place = place
        return True

    async def _reply(self, ref: str, notice: Notification, *, is_again: bool) -> None:
        place, _, stamp = ref.partition(":")
        if is_again and await self._find("conversations.replies", {"channel": place, "ts": stamp}, notice.id, stamp):
            return
        await self._post(notice, _format_details(notice), thread_ts=stamp, reply_broadcast=notice.about in _BROADCAST)

    async def _find_message(self, notice: Notification) -> str | None:
        """Return the reference of our message about the same subject, if there is one."""
        about = {"oldest": notice.at / 1000 - _SEARCH_WINDOW_S}
        stamp = await self._find("conversations.history", about, notice.key)
        return stamp and f"{self._place}:{stamp}"

    async def _find(self, method: str, query: dict[str, Any], key_or_notice: str, root: str = "") -> str | None:
        """Return the timestamp of our message with this key or notice, other than `root`; None if reading is not allowed."""
        try:
            place = self._place = self._place or await self._api.find_channel(self._channel.to[0])
            async for message in self._own_messages(method, {"channel": place, **query}):
                if key_or_notice in (message["key"], message["notice"]) and message["ts"] != root:
                    return message["ts"]
        except SlackError as error:
            if error.code not in NOT_ALLOWED_CODES:
                raise
            _LOG.warning("earlier messages cannot be read, so this one may appear twice: %s", error.text)
        return None

    async def _own_messages(self, method: str, query: dict[str, Any]) -> AsyncIterator[dict[str, str]]:
        """Yield timestamp, key and notice of our own messages."""
        async for page in self._api.pages(method, {**query, "limit": 200, "include_all_metadata": "true"}):
            for message in page.get("messages") or ():
                metadata = message.get("metadata") or {}
                if metadata.get("event_type") == _EVENT:
                    payload = metadata.get("event_payload") or {}
                    yield {"ts": str(message["ts"]), "key": payload.get("key", ""), "notice": payload.get("notice", "")}


def _format_message(notice: Notification) -> str:
    """Return the message: enough to decide whether to look, and where."""
    mark = _MARKS.get(notice.about, ":rotating_light:" if notice.severity.rank == 0 else ":warning:")
    text = next((field.text for field in notice.fields if field.label == "What"), "")
    return "\n".join(
        [
            f"{mark} *{escape_slack_text(notice.headline)}*",
            *([escape_slack_text(text)] if text else []),
            *_list_links(notice),
        ]
    )


def _build_blocks(notice: Notification) -> list[dict[str, Any]]:
    """Return the message with its buttons; empty = it has none, and its text is enough."""
    if not notice.buttons:
        return []
    text = "\n".join(_cut_lines(_format_message(notice).splitlines(), _LONGEST_SECTION))
    buttons = [
        {
            "type": "button",
            "action_id": f"{ANSWER_ACTION}:{number}",
            "text": {"type": "plain_text", "text": button.text[:_LONGEST_BUTTON], "emoji": False},
            **({"url": button.url} if button.url else {"value": button.value}),
        }
        for number, button in enumerate(notice.buttons)
    ]
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    return [section, {"type": "actions", "elements": buttons}]


def _format_details(notice: Notification) -> str:
    fields = [f"*{escape_slack_text(field.label)}*  {escape_slack_text(field.text)}" for field in notice.fields]
    return "\n".join(_cut_lines([f"_{notice.about.value}_", *fields, *_list_links(notice)], 3_900))


def _list_links(notice: Notification) -> list[str]:
    return [f"<{escape_slack_text(link.url)}|{escape_slack_text(link.text)}>" for link in notice.links]


def _cut_lines(lines: Iterable[str], longest: int) -> list[str]:
    """Return the first lines within `longest` characters: Slack splits longer messages."""
    result: list[str] = []
    for line in lines:
        longest -= len(line) + 1
        if longest < 0:
            return [*result, "…"]
        result.append(line)
    return result


class SlackNotifier:
    """Channels of a workspace: the secret is the token of a bot, C0123ABC names a channel by its id."""

    form = "slack://secret:NAME/#CHANNEL"

    def read_address(self, parts: AddressParts) -> ChannelAddress:
        """Return the address."""
        parts.reject_user()
        secret, channel = parts.secret_name(parts.host), unquote(parts.path)
        if not SLACK_CHANNEL.fullmatch(channel):
            raise parts.invalid("the address names no channel, or one that Slack cannot have")
        url = parts.api_url(SLACK_URL)
        return ChannelAddress(scheme=parts.scheme, secret=secret, to=(channel,), url=url)

    def open_link(self, channel: ChannelAddress, faults: ErrorFormatter, clock: Clock) -> SlackLink:
        """Return the link to a channel."""
        return SlackLink(channel, faults, clock)


NOTIFIER: Final[NotifierPlugin] = SlackNotifier()


def slack(*secrets: str, tolerance: SpanInput = DEFAULT_TOLERANCE) -> VerifierOptions:
    """Check as Slack signs; its question about the address is answered without a run."""
    return VerifierOptions(kind="slack", secrets=check_secret_names(secrets), tolerance=check_tolerance(tolerance))


class SlackVerifier(WebhookVerifier):
    """X-Slack-Signature over timestamp and body. Slack shows a response to people, so by default it gets none."""

    default_response = ResponseMode.NOTHING

    def verify(
        self, options: VerifierOptions, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
    ) -> RejectedRequest | None:
        """Compare the timestamp and the signature."""
        stamp = headers.get(_TIMESTAMP, "")
        if not stamp:
            return RejectedRequest(NO_SIGNATURE, f"{_TIMESTAMP} and {_SIGNATURE} are needed")
        return check_timestamp(options, stamp, now_at) or check_signature(
            headers, _SIGNATURE, secrets, encode_header(f"v0:{stamp}:") + body, prefix="v0="
        )

    def example_headers(self, options: VerifierOptions, signer: RequestSigner) -> dict[str, str]:
        """Return timestamp and signature."""
        return {_TIMESTAMP: signer.timestamp(), _SIGNATURE: f"v0={signer.hmac('v0:{timestamp}:{body}')}"}

    def signature_headers(self, options: VerifierOptions) -> tuple[str, ...]:
        """Return the header of the signature."""
        return (_SIGNATURE,)

    def answer_handshake(self, headers: Mapping[str, str], data: Any) -> ImmediateResponse | None:
        """Answer the challenge that confirms the address."""
        challenge = data.get("challenge") if read_text_field(data, "type") == "url_verification" else None
        return (
            ImmediateResponse(challenge.encode(), "text/plain; charset=utf-8") if isinstance(challenge, str) else None
        )

    def delivery_key(self, headers: Mapping[str, str], data: Any) -> str:
        """Return the id of the event, of the click or of the command."""
        return read_text_field(data, "event_id") or read_text_field(data, "trigger_id")

    def event_name(self, headers: Mapping[str, str], data: Any) -> str:
        """Return the kind of event, or the command."""
        name = read_text_field(data.get("event"), "type") if isinstance(data, dict) else ""
        return name or read_text_field(data, "type") or read_text_field(data, "command")

    def count_redeliveries(self, headers: Mapping[str, str]) -> int:
        """Return the number of the retry."""
        count = headers.get("x-slack-retry-num", "")
        return int(count) if count.isascii() and count.isdigit() and len(count) <= 6 else 0


VERIFIER: Final[WebhookVerifier] = SlackVerifier()
