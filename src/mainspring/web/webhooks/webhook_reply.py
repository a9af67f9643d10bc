"""Replies to the sender of a webhook: a status, a small JSON document, and a code that scripts may compare."""

import http
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec

from mainspring.domain.triggers.webhooks.webhook_body import InvalidRequest
from mainspring.integrations.base.webhook_verifier import ImmediateResponse
from mainspring.store.commands.results import Refused

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
_JSON, _PROBLEM, _TEXT = "application/json", "application/problem+json", "text/plain; charset=utf-8"
_RETRY_AFTER_S = 5
_STATUSES = {"other_body": 409, "no_trigger": 404, "busy": 429, "bad_value": 422}


class WebhookReply(msgspec.Struct, frozen=True, kw_only=True):
    """One reply. `code` is for counting; `close` ends the connection, as is necessary if the body was not read."""

    status: int
    code: str
    body: bytes = b""
    kind: str = _JSON
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False
    detail: str = ""
    """The problem, for people."""

    async def send(self, send: Send, *, head: bool = False) -> None:
        """Send it; `head` = without its body."""
        headers = [
            ("content-length", str(len(self.body))),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            *self.headers,
        ]
        if self.body:
            headers.append(("content-type", self.kind))
        if self.close:
            headers.append(("connection", "close"))
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": self.status, "headers": encoded})
        await send({"type": "http.response.body", "body": b"" if head else self.body})


def problem_reply(
    status: int,
    code: str,
    text: str,
    *,
    retry_after: int | None = None,
    close: bool = False,
    scheme: str | None = None,
    more: Mapping[str, Any] = {},
) -> WebhookReply:
    """Return a reply with a problem (RFC 9457), and the seconds until a retry, if that helps. `scheme` = how the sender proves itself."""
    title = http.HTTPStatus(status).phrase
    document = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": text} | dict(more)
    headers: list[tuple[str, str]] = []
    if retry_after is not None:
        headers.append(("retry-after", str(retry_after)))
    if scheme is not None:
        headers.append(("www-authenticate", f'{scheme} realm="webhook"'))
    body = msgspec.json.encode(document)
    return WebhookReply(
        status=status, code=code, body=body, kind=_PROBLEM, headers=tuple(headers), close=close, detail=text
    )


def unavailable_reply(text: str) -> WebhookReply:
    """Return the reply while the store is unreachable: nothing is lost if the sender tries again."""
    return problem_reply(503, "store_unreachable", text, retry_after=_RETRY_AFTER_S)


def overloaded_reply() -> WebhookReply:
    """Return the reply above the limits of admission."""
    return problem_reply(503, "full", "too many requests at the same time", retry_after=1, close=True)


def invalid_reply(error: InvalidRequest) -> WebhookReply:
    """Return the reply to an invalid request."""
    more = {} if error.at is None else {"at": error.at}
    return problem_reply(error.status, error.code, error.text, more=more)


def refused_reply(refused: Refused) -> WebhookReply:
    """Return the reply to a delivery that the store refused."""
    status = _STATUSES.get(refused.code, 503)
    wait = None
    if status in (429, 503):
        wait = max(1, -(-(refused.retry_after_ms or 1_000) // 1_000))
    text = "there is nothing at this path" if status == 404 else refused.text
    return problem_reply(status, refused.code, text, retry_after=wait)


def setup_reply(response: ImmediateResponse) -> WebhookReply:
    """Return the reply to a question of a set-up."""
    return WebhookReply(status=200, code="question", body=response.body, kind=response.content_type)


def json_reply(status: int, code: str, content: Any) -> WebhookReply:
    """Return a reply in JSON."""
    return WebhookReply(status=status, code=code, body=msgspec.json.encode(content))


def text_reply(status: int, code: str, text: str) -> WebhookReply:
    """Return a reply in plain text."""
    return WebhookReply(status=status, code=code, body=text.encode(), kind=_TEXT)
