"""The API of Slack: one method with its error, all pages of a list, a channel by its name; clicks that it reports, and replies to them."""

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import msgspec

from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.integrations.base.http import HttpClient
from mainspring.integrations.base.notifier import ChannelFault, ErrorFormatter

SLACK_URL: Final = "https://slack.com/api"
SLACK_CHANNEL = lazy_pattern(r"#[^\s,/#@]{1,80}|[CGD][A-Z0-9]{5,30}")
"""`#name`, or the id of a channel."""
SLACK_SIGNING_SECRET_NAME: Final = "slack-signing-secret"  # a name
"""The secret by which Slack signs what it reports."""
ANSWER_ACTION: Final = "mainspring-answer"
"""The start of the id of each button that answers a question."""
REPLY_URL: Final = "https://hooks.slack.com/"
"""The start of the addresses for replies: nothing is sent elsewhere, whatever a request names."""
MAX_PAGES = 20
MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""Bytes of a response: a page has 200 messages or 1,000 channels, and a message is returned in full, with escapes."""
NOT_ALLOWED_CODES = frozenset({"missing_scope", "no_permission", "not_allowed_token_type", "not_in_channel"})
"""The token may not do it."""
_OF_THE_NOTICE = frozenset(
    {"msg_too_long", "no_text", "invalid_blocks", "invalid_metadata_format", "metadata_too_large", "invalid_arguments"}
)
_UNCERTAIN = frozenset({"internal_error", "fatal_error", "request_timeout", "service_unavailable"})
"""The request may have had an effect all the same."""


class SlackError(ChannelFault):
    """An error response; `code` is Slack's."""

    def __init__(self, code: str, text: str, **flags: bool) -> None:
        super().__init__(text, **flags)
        self.code = code


class SlackApi:
    """The API as one bot uses it. `secret` = the name of its token, read for each request; `url` has no / at its end."""

    def __init__(self, url: str, secret: str, faults: ErrorFormatter, http: HttpClient) -> None:
        self._url = url
        self._secret = secret
        self._faults = faults
        self._http = http

    async def call(self, method: str, body: dict[str, Any], *, is_query: bool = False) -> dict[str, Any]:
        """Call a method of the API. Raises SlackError for an error response, ChannelFault for none."""
        headers = {"authorization": f"Bearer {self._faults.get(self._secret)}"}
        if is_query:  # these methods read no JSON
            headers["content-type"] = "application/x-www-form-urlencoded"
            content = urlencode(body).encode()
        else:
            headers["content-type"] = "application/json; charset=utf-8"
            content = msgspec.json.encode(body)
        response = await self._http.post(f"{self._url}/{method}", content, headers, max_bytes=MAX_RESPONSE_BYTES)
        data = response.data()
        if response.is_ok and data.get("ok") is True:
            return data
        if response.is_ok and "error" not in data:
            raise SlackError("unreadable", f"the response of Slack cannot be read ({response.status})", is_unknown=True)
        code = str(data.get("error") or f"status {response.status}")
        needed = f" (the scope {data['needed']} is needed)" if isinstance(data.get("needed"), str) else ""
        raise SlackError(
            code, f"Slack says {code}{needed}", is_final=code in _OF_THE_NOTICE, is_unknown=code in _UNCERTAIN
        )

    async def pages(self, method: str, query: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Yield the pages of a list, at most MAX_PAGES of them."""
        cursor = ""
        for _ in range(MAX_PAGES):
            page = await self.call(method, {**query, "cursor": cursor} if cursor else query, is_query=True)
            yield page
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    async def find_channel(self, channel: str) -> str:
        """Return the id of a channel, given as `#name` or by its id. Raises SlackError if the bot cannot see it."""
        if not channel.startswith("#"):
            return channel
        query = {"types": "public_channel,private_channel", "exclude_archived": "true", "limit": 1000}
        async for page in self.pages("conversations.list", query):
            for found in page.get("channels") or ():
                if found.get("name") == channel.removeprefix("#"):
                    return str(found["id"])
        raise SlackError("channel_not_found", f"there is no channel {channel} that the bot can see")


def escape_slack_text(text: str) -> str:
    """Return text in which Slack finds no mention, link or style."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("*", "\u2217").replace("`", "'")


class SlackClick(msgspec.Struct, frozen=True):
    """A click. `value` = that of the button, "" for one that only opens a page; `by` = name and id of the person.

    `reply_url` = the address for replies.
    """

    value: str
    by: str
    reply_url: str


class _User(msgspec.Struct):
    id: str = ""
    username: str = ""
    name: str = ""


class _Action(msgspec.Struct):
    action_id: str = ""
    value: str = ""


class _Payload(msgspec.Struct):
    type: str = ""
    user: _User = msgspec.field(default_factory=_User)
    actions: list[_Action] = []
    response_url: str = ""


def read_click(body: bytes) -> SlackClick | None:
    """Return the click that a request reports; None = it reports something else, or cannot be read."""
    try:
        texts = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10).get("payload", [])
        payload = msgspec.json.decode(texts[-1] if texts else "null", type=_Payload | None)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return None
    if payload is None or payload.type != "block_actions" or not payload.actions:
        return None
    action = payload.actions[0]
    if not action.action_id.startswith(f"{ANSWER_ACTION}:"):
        return None
    name = payload.user.username or payload.user.name
    return SlackClick(action.value, f"{name} {payload.user.id}".strip(), payload.response_url)


async def reply(http: HttpClient, click: SlackClick, text: str, *, reply_url: str = REPLY_URL) -> None:
    """Send a text to the person who clicked. Raises ChannelFault."""
    if not click.reply_url.startswith(reply_url):
        return
    body: dict[str, Any] = {"response_type": "ephemeral", "replace_original": False, "text": text}
    await http.post(click.reply_url, msgspec.json.encode(body), {"content-type": "application/json; charset=utf-8"})
