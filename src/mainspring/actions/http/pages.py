"""Pages of a list: read one after another, and continue after the last one that was processed."""

import functools
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Unpack

from mainspring.actions.base.calling_thread import refuse_body, refuse_event_loop
from mainspring.actions.http.errors import HttpAddressError, HttpBodyError
from mainspring.actions.http.exchange import join_address, run_blocking, send_call
from mainspring.actions.http.prepared_call import CallOptions, PreparedCall, prepare_call
from mainspring.actions.http.reply import HttpReply
from mainspring.engine.attempts.step_context import CURRENT_STEP, checkpoint, last_checkpoint

_NAME = "http.paginate"
_NEXT_LINK = re.compile(r"<([^<>]{1,8192})>[^<>]*?;\s{0,5}rel=\"?next\b")
_MARK = "pages of"
NextReader = Callable[[HttpReply], str | None]
"""Returns the address of the next page, None after the last one."""


def paginate(
    url: str,
    *,
    next: NextReader | None = None,
    items: Callable[[HttpReply], Any] | None = None,
    resume: bool = False,
    **options: Unpack[CallOptions],
) -> Iterator[Any]:
    """Yield each page of a list.

    `next(reply)` returns the address of the next page (default: the Link header with rel="next"); it must have the same host.
    `items(reply)` returns what is yielded (default: the JSON of the body). `params=` is for the first page only.

    With `resume=True` the next attempt of a step does not read again what this one has processed: a page counts as processed when the loop
    asks for the next one, and a checkpoint is saved then. Only use it if the loop stores each page outside the step: a list that the
    step collects lacks the pages of earlier attempts. The step must not save other checkpoints. If it has several such loops, the next
    attempt may read pages again.

    Safe to run twice because it only reads. Each attempt reads all pages, or with `resume=True` those that were not processed.

    Example:
        for orders in http.paginate("https://api.example.com/orders", params={"limit": 100}): load(orders)

    Raises:
        HttpAddressError: the next page is on another host, which must not get the secrets.
        HttpBodyError: the next page is the same page.
    """
    refuse_event_loop(_NAME)
    return _iterate(_Walk(url, next, items, options, is_saved=resume))


def _iterate(walk: "_Walk") -> Iterator[Any]:
    while walk.call is not None:
        yield walk.read_page(run_blocking(_NAME, functools.partial(send_call, walk.call)))
        walk.advance()
        if walk.is_saved:
            checkpoint(walk.position)


def paginate_async(
    url: str,
    *,
    next: NextReader | None = None,
    items: Callable[[HttpReply], Any] | None = None,
    resume: bool = False,
    **options: Unpack[CallOptions],
) -> AsyncIterator[Any]:
    """Yield each page of a list, as `paginate` does, for `async for`.

    Safe to run twice because it only reads. Each attempt reads all pages, or with `resume=True` those that were not processed.
    """
    refuse_body(f"{_NAME}_async")
    return _iterate_async(_Walk(url, next, items, options, is_saved=resume))


async def _iterate_async(walk: "_Walk") -> AsyncIterator[Any]:
    while walk.call is not None:
        yield walk.read_page(await send_call(walk.call))
        walk.advance()
        if walk.is_saved:
            await checkpoint(walk.position)


class _Walk:
    """The position in the pages. `call` = the request of the current page, None after the last one; `is_saved` = by checkpoints."""

    def __init__(
        self,
        url: str,
        next: NextReader | None,
        items: Callable[[HttpReply], Any] | None,
        options: CallOptions,
        *,
        is_saved: bool,
    ) -> None:
        self._url = url
        self._next = next or _read_link
        self._items = items or (lambda reply: reply.json())
        self._options: Any = {name: value for name, value in options.items() if name != "params"}
        first = prepare_call("GET", url, options)
        self._origin, self._secrets = first.target.origin, first.secrets
        self._number, self._next_url = 0, None
        self.call: PreparedCall | None = first
        step = CURRENT_STEP.get() if is_saved else None
        self.is_saved = step is not None
        self._loop = None if step is None else [step.name_use(_NAME), url]
        saved = None if step is None else last_checkpoint()
        if isinstance(saved, dict) and saved.get(_MARK) == self._loop:
            self._number, self._next_url = int(saved["page"]), saved["next"]
            self.call = self._prepare_next()

    @property
    def position(self) -> dict[str, Any]:
        """The checkpoint: the loop, the number of its processed pages, and the address of the next one, without secrets."""
        return {_MARK: self._loop, "page": self._number, "next": self._next_url}

    def read_page(self, reply: HttpReply) -> Any:
        """Return the items of a page, and remember the next one."""
        found = self._next(reply)
        assert self.call is not None
        self._next_url = join_address(reply.url, found, self.call) if found else None
        if self._next_url == reply.url:
            raise HttpBodyError(
                f"page {self._number + 1} of {self._url.partition('?')[0]} names itself as the next page",
                hint="Correct next=: it returns None after the last page.",
            )
        return self._items(reply)

    def advance(self) -> None:
        """Continue with the next page."""
        self._number += 1
        self.call = self._prepare_next()

    def _prepare_next(self) -> PreparedCall | None:
        if self._next_url is None:
            return None
        call = prepare_call("GET", self._secrets.escape_other_names(self._next_url), self._options)
        if call.target.origin != self._origin:
            raise HttpAddressError(
                f"{call.place}: page {self._number + 1} is on another host than {self._url.partition('?')[0]}",
                hint="If you trust it, read its pages by a call of their own.",
            )
        return call


def _read_link(reply: HttpReply) -> str | None:
    """Return the address of the Link header with rel="next"."""
    match = _NEXT_LINK.search(reply.headers.get("link", ""))
    return None if match is None else match[1]
