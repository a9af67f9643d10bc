"""The reply of an HTTP action: what is saved of a response, and returned to a repeated call."""

from typing import Any, TypeVar, overload

import msgspec

from mainspring.actions.http.errors import HttpBodyError

T = TypeVar("T")
Data = bytes
"""Bytes: inside of the reply, `bytes` is its property."""
SELECTED_HEADERS = frozenset(
    "cache-control content-disposition content-language content-length content-range content-type date etag expires "
    "last-modified link location retry-after x-request-id x-correlation-id x-total-count".split()
)
"""The headers of a response that a reply has; `keep=` adds others."""
CONFIDENTIAL_HEADERS = frozenset("set-cookie set-cookie2 authorization proxy-authorization www-authenticate".split())


class HttpReply(msgspec.Struct, frozen=True):
    """A response: `status`, `url` (the last one, after redirects), `headers` with names in small letters, and the body.

    The names of secrets stand in place of their values: `{secret:NAME}`. A body in UTF-8 is in `body`, any other in `binary`.
    """

    status: int
    url: str
    headers: dict[str, str] = {}
    body: str = ""
    binary: Data | None = None

    @property
    def text(self) -> str:
        """The body as text; characters that cannot be decoded are replaced."""
        return self.body if self.binary is None else self.binary.decode("utf-8", "replace")

    @property
    def bytes(self) -> Data:
        """The body as bytes."""
        return self.body.encode() if self.binary is None else self.binary

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, type: type[T]) -> T: ...
    def json(self, type: Any = Any) -> Any:
        """Return the JSON of the body; `type` restores it as an annotation would.

        Raises:
            HttpBodyError: the body is not JSON, or does not fit `type`.
        """
        try:
            return msgspec.json.decode(self.bytes, type=type)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            kind = self.headers.get("content-type", "no content type")
            raise HttpBodyError(
                f"the reply of {self.url.partition('?')[0]} is not the expected JSON ({kind}): {error}",
                hint="Read reply.text, or correct the type that you pass to reply.json().",
            ) from None


def make_reply(status: int, url: str, headers: dict[str, str], data: bytes) -> HttpReply:
    """Return the reply with a body."""
    try:
        return HttpReply(status, url, headers, data.decode())
    except UnicodeDecodeError:
        return HttpReply(status, url, headers, binary=data)
