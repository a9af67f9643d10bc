"""Slack: one message for each opening of an incident, with the link to it, changed as it goes on; its history is the thread below.

A message carries the key of what it is about, and the id of its notice, as metadata. Where an earlier try may have been taken, our own
message is looked for by them before another is posted. That takes the scopes channels:history (groups:history) and, for a channel that is
not named by its id, channels:read (groups:read); without them a crash at the wrong instant may show a message twice.
"""

import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import urlencode

import msgspec

from mainspring.alerting.notifiers.base import ChannelFault
from mainspring.alerting.notifiers.http import HttpClient
from mainspring.domain.clock import Clock
from mainspring.domain.notifications.channel_address import ChannelAddress
from mainspring.domain.notifications.notification import Notification, NotificationEvent
from mainspring.resources.error_text import ErrorText

_LOG = logging.getLogger("mainspring.notifier.slack")
GAP_S = 1.05
"""Slack takes one message a second for each channel."""
_EVENT = "mainspring_notice"
_PAGES = 20
_LOOKS_BACK_S = 600
_OF_THE_NOTICE = frozenset(
    {"msg_too_long", "no_text", "invalid_blocks", "invalid_metadata_format", "metadata_too_large", "invalid_arguments"}
)
_UNCERTAIN = frozenset({"internal_error", "fatal_error", "request_timeout", "service_unavailable"})
"""Some of what was asked may have happened all the same."""
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
_NOT_ALLOWED = frozenset({"missing_scope", "no_permission", "not_allowed_token_type", "not_in_channel"})
_SHOWN_TO_ALL = frozenset({NotificationEvent.REPEATED, NotificationEvent.ESCALATED})
"""What calls for somebody: an edit and a reply in a thread reach only those who look."""
_MARKS = {
    NotificationEvent.RESOLVED: ":white_check_mark:",
    NotificationEvent.ACKNOWLEDGED: ":eyes:",
    NotificationEvent.SNOOZED: ":zzz:",
    NotificationEvent.DIGEST: ":newspaper:",
    NotificationEvent.TEST: ":wave:",
}


class SlackError(ChannelFault):
    """An answer that says no: `code` is Slack's."""

    def __init__(self, code: str, text: str, **how: bool) -> None:
        super().__init__(text, **how)
        self.code = code


class SlackLink:
    """A bot in one channel."""

    def __init__(self, channel: ChannelAddress, faults: ErrorText, clock: Clock, gap_s: float = GAP_S) -> None:
        self._channel = channel
        self._faults = faults
        self._http = HttpClient(faults, clock, gap_s)
        self._place = "" if channel.to[0].startswith("#") else channel.to[0]
        self._half: dict[str, str] = {}
        """Messages that stand there without the details of their notice: reference by key."""

    async def send(self, notice: Notification, ref: str | None, *, is_again: bool = False) -> str | None:
        """Post or change the message, then write into its thread."""
        is_new = False
        found = ref or self._half.get(notice.key)
        if found is None and is_again:
            found = await self._find_message(notice)
        if found is not None and not await self._change(found, notice):
            found = None
        if found is None:
            found = await self._post(notice, _format_message(notice))
            is_new = True
        self._half[notice.key] = found
        if notice.fields or notice.links:
            try:
                await self._reply(found, notice, is_again=is_again and not is_new)
            except ChannelFault as fault:
                fault.is_unknown = True  # a part of it is there, whatever became of the rest
                raise
        del self._half[notice.key]
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _post(self, notice: Notification, text: str, **more: Any) -> str:
        answer = await self._call(
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
        self._place = str(answer.get("channel", self._place))
        return f"{self._place}:{answer.get('ts', '')}"

    async def _change(self, ref: str, notice: Notification) -> bool:
        """Let the message say how things stand now; return False where it is gone."""
        place, _, stamp = ref.partition(":")
        metadata = {"event_type": _EVENT, "event_payload": {"key": notice.key, "notice": notice.id}}
        try:
            body = {"channel": place, "ts": stamp, "text": _format_message(notice), "metadata": metadata}
            await self._call("chat.update", body)
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
        await self._post(
            notice, _format_details(notice), thread_ts=stamp, reply_broadcast=notice.about in _SHOWN_TO_ALL
        )

    async def _find_message(self, notice: Notification) -> str | None:
        """Return where our message about the same thing is, if it is there."""
        about = {"oldest": notice.at / 1000 - _LOOKS_BACK_S}
        stamp = await self._find("conversations.history", about, notice.key)
        return stamp and f"{self._place}:{stamp}"

    async def _find(self, method: str, about: dict[str, Any], said: str, root: str = "") -> str | None:
        """Return the time stamp of a message of ours, but the `root`, that says so in its metadata; None where we may not look."""
        try:
            place = self._place or await self._find_channel()
            async for message in self._own_messages(method, {"channel": place, **about}):
                if said in (message["key"], message["notice"]) and message["ts"] != root:
                    return message["ts"]
        except SlackError as error:
            if error.code not in _NOT_ALLOWED:
                raise
            _LOG.warning("it cannot be seen whether a message was posted before, it may be there twice: %s", error.text)
        return None

    async def _find_channel(self) -> str:
        """Return the id of the channel."""
        name = self._channel.to[0].removeprefix("#")
        about = {"types": "public_channel,private_channel", "exclude_archived": "true", "limit": 1000}
        async for answer in self._pages("conversations.list", about):
            for channel in answer.get("channels") or ():
                if channel.get("name") == name:
                    self._place = str(channel["id"])
                    return self._place
        raise SlackError("channel_not_found", f"there is no channel {self._channel.to[0]} that the bot can see")

    async def _own_messages(self, method: str, about: dict[str, Any]) -> AsyncIterator[dict[str, str]]:
        """Yield time stamp, key and notice of what we posted ourselves."""
        async for answer in self._pages(method, {**about, "limit": 200, "include_all_metadata": "true"}):
            for message in answer.get("messages") or ():
                metadata = message.get("metadata") or {}
                if metadata.get("event_type") == _EVENT:
                    said = metadata.get("event_payload") or {}
                    yield {"ts": str(message["ts"]), "key": said.get("key", ""), "notice": said.get("notice", "")}

    async def _pages(self, method: str, about: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        cursor = ""
        for _ in range(_PAGES):
            answer = await self._call(method, {**about, "cursor": cursor} if cursor else about, is_question=True)
            yield answer
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    async def _call(self, method: str, body: dict[str, Any], *, is_question: bool = False) -> dict[str, Any]:
        """Call a method of the API. Raises SlackError where it says no, ChannelFault where it says nothing."""
        headers = {"authorization": f"Bearer {self._faults.get(self._channel.secret)}"}
        if is_question:  # these methods read no JSON
            headers["content-type"] = "application/x-www-form-urlencoded"
            content = urlencode(body).encode()
        else:
            headers["content-type"] = "application/json; charset=utf-8"
            content = msgspec.json.encode(body)
        answer = await self._http.post(f"{self._channel.url}/{method}", content, headers)
        data = answer.data()
        if answer.is_ok and data.get("ok") is True:
            return data
        code = str(data.get("error") or f"status {answer.status}")
        needed = f" (the scope {data['needed']} is needed)" if isinstance(data.get("needed"), str) else ""
        raise SlackError(
            code, f"Slack says {code}{needed}", is_final=code in _OF_THE_NOTICE, is_unknown=code in _UNCERTAIN
        )


def _format_message(notice: Notification) -> str:
    """Return the message itself: enough to know whether one has to look, and where."""
    mark = _MARKS.get(notice.about, ":rotating_light:" if notice.severity.rank == 0 else ":warning:")
    what = next((field.text for field in notice.fields if field.label == "What"), "")
    return "\n".join([f"{mark} *{_escape(notice.headline)}*", *([_escape(what)] if what else []), *_list_links(notice)])


def _format_details(notice: Notification) -> str:
    fields = [f"*{_escape(field.label)}*  {_escape(field.text)}" for field in notice.fields]
    return "\n".join(_cut_lines([f"_{notice.about.value}_", *fields, *_list_links(notice)], 3_900))


def _list_links(notice: Notification) -> list[str]:
    return [f"<{_escape(link.url)}|{_escape(link.text)}>" for link in notice.links]


def _cut_lines(lines: Iterable[str], longest: int) -> list[str]:
    """Return the first lines of at most so many characters: Slack cuts longer messages in two."""
    kept: list[str] = []
    for line in lines:
        longest -= len(line) + 1
        if longest < 0:
            return [*kept, "…"]
        kept.append(line)
    return kept


def _escape(text: str) -> str:
    """Return text in which nothing is a mention, a link or a style of Slack's."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("*", "\u2217").replace("`", "'")
