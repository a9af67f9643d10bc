"""Slack: post a message once for its key, reply in a thread, update a message."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mainspring.actions.base.account import Account, AccountKind, find_account
from mainspring.actions.base.calling_thread import refuse_body
from mainspring.actions.base.sent_once import SentOnce, repeat, repeat_async
from mainspring.domain.duration import SpanInput
from mainspring.domain.errors import OptionError, Permanent, Transient
from mainspring.domain.ids import read_instant
from mainspring.domain.text.escaping import escape as escape_controls
from mainspring.integrations.base.channel_address import AddressParts, ChannelAddress
from mainspring.integrations.base.http import HttpClient
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.integrations.slack_api import (
    NOT_ALLOWED_CODES,
    SLACK_CHANNEL,
    SLACK_URL,
    SlackApi,
    SlackError,
    escape_slack_text,
)
from mainspring.resources.effects import doubt_error

_EVENT = "mainspring_action"
_SEARCH_WINDOW_S = 600
"""Slack's clock may be this far behind ours."""
_LATER = frozenset({"ratelimited", "rate_limited", "team_added_to_org"})
_HINTS = {
    "channel_not_found": "Check the name of the channel, and invite the bot to it.",
    "not_in_channel": "Invite the bot to the channel.",
    "is_archived": "Choose a channel that is not archived.",
    "missing_scope": "Give the bot this scope, and install it again.",
}


def _read_workspace(parts: AddressParts) -> ChannelAddress:
    """Return the address of a bot or a webhook; a channel in it is not used."""
    parts.reject_user()
    return ChannelAddress(scheme=parts.scheme, secret=parts.secret_name(parts.host), url=parts.api_url(SLACK_URL))


_WORKSPACE = AccountKind("Slack", ("slack",), "slack://secret:NAME", _read_workspace)


class SlackMessage(msgspec.Struct, frozen=True):
    """A message in a channel. `ts` is its timestamp, by which Slack finds it; "" from a webhook, which returns none."""

    channel: str
    ts: str


def post(
    channel: str,
    text: str,
    *,
    blocks: Sequence[dict[str, Any]] | None = None,
    thread: SlackMessage | str | None = None,
    server: str | None = None,
    once: str | None = None,
    within: SpanInput | None = None,
) -> SlackMessage:
    """Post a message, or with `thread` a reply.

    `server` = "slack://secret:NAME", or the name of a channel in [notify.channels]; without it the only Slack there. The secret is the
    token of a bot, or the URL of a webhook. `text` may have Slack's markup; put foreign text through `slack.escape`.

    Safe to run twice because the ledger records the message under `once=`, in a step under the key of the step. The metadata of the
    message have its idempotency key. If the outcome is unknown, the channel is searched for that key. The search needs the scope
    channels:history (groups:history), and channels:read (groups:read) for a channel by its name. Without it, and with a webhook, a
    person decides.

    Example:
        slack.post("#ops", "The import is done.", once=f"import:{day}")

    Raises:
        OptionError, UnknownNameError, ConfigError: an argument or the server cannot be used; nothing is sent.
        Permanent: Slack refuses the message. NotSent: it was not sent; a retry can help.
        EffectInDoubtError: it may have been posted, and only a person can decide.
    """
    posting = _Posting(channel, text, blocks, thread, server, once, within)
    return posting.call.perform(posting.deliver)


async def post_async(
    channel: str,
    text: str,
    *,
    blocks: Sequence[dict[str, Any]] | None = None,
    thread: SlackMessage | str | None = None,
    server: str | None = None,
    once: str | None = None,
    within: SpanInput | None = None,
) -> SlackMessage:
    """Post a message, as `post` does, in an event loop.

    Safe to run twice because of the same record in the ledger.
    """
    posting = _Posting(channel, text, blocks, thread, server, once, within)
    return await posting.call.perform_async(posting.deliver)


def update(
    message: SlackMessage, text: str, *, blocks: Sequence[dict[str, Any]] | None = None, server: str | None = None
) -> SlackMessage:
    """Replace the text of a message of the same bot.

    Safe to run twice because the second update changes nothing. The ledger is not used.

    Example:
        slack.update(message, "The import failed.")

    Raises:
        OptionError, UnknownNameError, ConfigError: an argument or the server cannot be used.
        Permanent: Slack refuses it, or the message is gone. Transient: a retry can help.
    """
    account = _find_bot(message, server)
    return repeat("slack.update", lambda: _update(account, message, text, blocks), account.errors)


async def update_async(
    message: SlackMessage, text: str, *, blocks: Sequence[dict[str, Any]] | None = None, server: str | None = None
) -> SlackMessage:
    """Replace the text of a message, as `update` does, in an event loop.

    Safe to run twice because the second update changes nothing.
    """
    refuse_body("slack.update")
    account = _find_bot(message, server)
    return await repeat_async("slack.update", lambda: _update(account, message, text, blocks), account.errors)


def escape(text: str) -> str:
    """Return text in which Slack finds no mention, link or style.

    Safe to run twice because it only computes.

    Example:
        slack.post("#ops", f"The title is {slack.escape(title)}.")
    """
    return escape_slack_text(text)


class _Posting:
    """One message on its way: its place, its account, its call on record."""

    def __init__(
        self,
        channel: str,
        text: str,
        blocks: Sequence[dict[str, Any]] | None,
        thread: SlackMessage | str | None,
        server: str | None,
        once: str | None,
        within: SpanInput | None,
    ) -> None:
        refuse_body("slack.post")
        if not isinstance(channel, str) or not SLACK_CHANNEL.fullmatch(channel):
            raise OptionError(
                f"channel={escape_controls(str(channel), 80)!r} is no channel of Slack",
                hint='Write "#ops", or the id of a channel, such as "C0123ABC".',
            )
        self._channel = channel
        self._thread = thread.ts if isinstance(thread, SlackMessage) else thread
        self._body = _make_body(text, blocks) | ({"thread_ts": self._thread} if self._thread else {})
        self._account = find_account(_WORKSPACE, server)
        self._webhook = _read_webhook(self._account)
        self.call: SentOnce[SlackMessage] = SentOnce(
            "slack.post",
            SlackMessage,
            lambda: SlackMessage(channel, ""),
            once=once,
            within=within,
            identity={"channel": channel, "thread": self._thread},
            content=self._body,
            check=None if self._webhook else self._find,
            errors=self._account.errors,
        )

    async def deliver(self) -> SlackMessage:
        """Send the message."""
        key = self.call.message_key
        async with self._account.open_http() as http:
            if self._webhook:
                await _post_to_webhook(http, _read_webhook(self._account), self._body, self._account)
                return SlackMessage(self._channel, "")
            metadata = {"event_type": _EVENT, "event_payload": {"key": key}}
            body = {"channel": self._channel, "metadata": metadata, **self._body}
            found = await _call(_open_api(self._account, http), "chat.postMessage", body, self._account)
        return SlackMessage(str(found.get("channel", self._channel)), str(found.get("ts", "")))

    async def _find(self) -> SlackMessage | None:
        """Return our message, None if the channel does not have it.

        Raises:
            EffectInDoubtError: the bot may not search. Transient: Slack does not answer.
        """
        effect = self.call.effect
        assert effect is not None
        try:
            async with self._account.open_http() as http:
                return await self._search(_open_api(self._account, http), effect.idempotency_key)
        except SlackError as error:
            if error.code in NOT_ALLOWED_CODES or error.code in ("channel_not_found", "too_many_messages"):
                text = (
                    f"effect {effect.key!r} may or may not have happened, and the channel cannot be searched: {error}"
                )
                raise doubt_error(effect.key, text) from None
            raise Transient(f"the channel cannot be searched for the message: {error}") from None
        except ChannelFault as fault:
            raise Transient(f"the channel cannot be searched for the message: {fault}") from None

    async def _search(self, api: SlackApi, key: str) -> SlackMessage | None:
        place = await api.find_channel(self._channel)
        query: dict[str, Any] = {"channel": place, "limit": 200, "include_all_metadata": "true"}
        query["oldest"] = f"{read_instant(key) / 1000 - _SEARCH_WINDOW_S:.6f}"
        if self._thread:
            query["ts"] = self._thread
        page: dict[str, Any] = {}
        async for page in api.pages("conversations.replies" if self._thread else "conversations.history", query):
            for message in page.get("messages") or ():
                metadata = message.get("metadata") or {}
                payload = metadata.get("event_payload") or {}
                if metadata.get("event_type") == _EVENT and payload.get("key") == key:
                    return SlackMessage(place, str(message["ts"]))
        if (page.get("response_metadata") or {}).get("next_cursor"):
            raise SlackError("too_many_messages", "it has too many newer messages")
        return None


def _make_body(text: str, blocks: Sequence[dict[str, Any]] | None) -> dict[str, Any]:
    if not isinstance(text, str) or not text.strip():
        raise OptionError("slack: the message has no text", hint='Write text="...", also with blocks=: phones show it.')
    return {"text": text} if blocks is None else {"text": text, "blocks": list(blocks)}


def _read_webhook(account: Account) -> str:
    """Return the URL of a webhook, "" if the secret is the token of a bot. Raises ConfigError."""
    secret = account.errors.get(account.address.secret)
    is_local = secret.startswith(("http://127.0.0.1:", "http://localhost:"))
    return secret if secret.startswith("https://") or is_local else ""


def _find_bot(message: SlackMessage, server: str | None) -> Account:
    account = find_account(_WORKSPACE, server)
    if _read_webhook(account):
        hint = "Use the token of a bot with the scope chat:write."
        raise OptionError("slack.update needs a bot; a webhook cannot change a message", hint=hint)
    if not message.ts:
        raise OptionError("slack.update: the message has no timestamp", hint="Post it by a bot, not by a webhook.")
    return account


def _open_api(account: Account, http: HttpClient) -> SlackApi:
    return SlackApi(account.address.url, account.address.secret, account.errors, http)


async def _update(
    account: Account, message: SlackMessage, text: str, blocks: Sequence[dict[str, Any]] | None
) -> SlackMessage:
    async with account.open_http() as http:
        body = {"channel": message.channel, "ts": message.ts, **_make_body(text, blocks)}
        await _call(_open_api(account, http), "chat.update", body, account)
    return message


async def _call(api: SlackApi, method: str, body: dict[str, Any], account: Account) -> dict[str, Any]:
    try:
        return await api.call(method, body)
    except SlackError as error:
        raise _convert_error(error, account) from None


async def _post_to_webhook(http: HttpClient, url: str, body: dict[str, Any], account: Account) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    response = await http.post(url, msgspec.json.encode(body), headers)
    if not response.is_ok:
        code = account.errors.redact(response.body.decode("utf-8", "replace"))
        error = SlackError(code, f"Slack says {code} ({response.status})")
        raise _convert_error(error, account) from None


def _convert_error(error: SlackError, account: Account) -> Exception:
    """Return what the code of a response proves: refused for good, or another that `error_of_fault` knows."""
    if error.is_unknown or error.code in _LATER:
        return error
    place = f"with the secret {account.address.secret!r}"
    hint = _HINTS.get(error.code)
    if hint is None and ("auth" in error.code or "token" in error.code or "account" in error.code):
        hint = f"Check the secret {account.address.secret!r}: it is the token of a bot, or the URL of a webhook."
    return Permanent(f"{error.text}\n{place}", hint=hint)
