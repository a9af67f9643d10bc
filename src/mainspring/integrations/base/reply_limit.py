"""A limit of the replies that `requests` reads in one call. Libraries that use it read each reply whole, whatever its size."""

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from mainspring.integrations.base.notifier import ChannelFault

T = TypeVar("T")
MAX_REPLY_BYTES = 10 * 1024 * 1024
"""Bytes of all replies of one call."""
_calls = threading.local()
"""The `_ReplyBytes` of the call that this thread makes."""


def call_with_reply_limit(call: Callable[[], T]) -> T:
    """Return the result of a call that may use `requests` in this thread.

    Raises:
        ChannelFault: its replies were too large. Whether the call had an effect is not known.
    """
    _limit_adapters()
    read = _calls.read = _ReplyBytes()
    try:
        result = call()
    finally:
        _calls.read = None
    if read.count > MAX_REPLY_BYTES:
        raise ChannelFault(f"the reply of the target is larger than {MAX_REPLY_BYTES:,} bytes", is_unknown=True)
    return result


class _ReplyBytes:
    """The bytes of the replies of one call."""

    def __init__(self) -> None:
        self.count = 0

    def limit(self, response: Any, read: Callable[..., Iterator[bytes]], *args: Any, **options: Any) -> Iterator[bytes]:
        """Yield the pieces of a response that `read` returns, up to the limit."""
        from requests.exceptions import ConnectionError as LostConnection

        for piece in read(*args, **options):
            self.count += len(piece)
            if self.count > MAX_REPLY_BYTES:
                response.close()
                # Not an error of the content: after one, `requests` would read the rest of a redirect.
                raise LostConnection("the reply is too large")
            yield piece


def _limit_adapters() -> None:
    """Let the adapters of `requests` count what a thread reads in a call with a limit; other threads read as before."""
    from requests.adapters import HTTPAdapter

    build: Any = HTTPAdapter.build_response
    if hasattr(build, "__wrapped__"):
        return

    @functools.wraps(build)
    def build_limited(self: Any, request: Any, raw: Any) -> Any:
        response = build(self, request, raw)
        read = getattr(_calls, "read", None)
        if read is not None:
            response.iter_content = functools.partial(read.limit, response, response.iter_content)
        return response

    setattr(HTTPAdapter, "build_response", build_limited)  # noqa: B010 - a method that types protect
