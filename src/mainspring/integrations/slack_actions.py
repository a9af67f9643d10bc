"""Slack actions: the clicks of buttons that Slack reports, and the replies that only their person sees."""

from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from mainspring.integrations.base.http import HttpClient

SLACK_SIGNING_SECRET_NAME: Final = "slack-signing-secret"  # a name
"""The secret by which Slack signs what it reports."""
ANSWER_ACTION: Final = "mainspring-answer"
"""The start of the id of each button that answers a question."""
REPLY_URL: Final = "https://hooks.slack.com/"
"""The start of the addresses for replies: nothing is sent elsewhere, whatever a request names."""


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
