"""Bodies and queries that many routes share: words with their bounds, the query of a list, the response of an operation."""

from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

import msgspec

from mainspring.web.api.response_types import Page

T = TypeVar("T")

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A name: one line without control characters."""
Text = Annotated[str, msgspec.Meta(max_length=2_000, pattern=r"^[^\x00]*$")]
"""A text that a person wrote."""
Limit = Annotated[int, msgspec.Meta(ge=1, le=500)]
Number = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
"""A position in an order, as `next` returned it; the number of a session."""


class ListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a list: at most `limit` items after `cursor`, which is the `next` of the part before."""

    limit: Limit = 50
    cursor: Word | None = None


class CommitOrderQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a list in commit order, newest first: at most `limit` items after `cursor`."""

    limit: Limit = 50
    cursor: Number | None = None


class OperationRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operation without other arguments than its reason."""

    reason: Text | None = None


class OperationResponse(msgspec.Struct, frozen=True):
    """The operation is done. A second request with this command id as Idempotency-Key does not do it again."""

    command: str


def slice_rows(rows: Iterable[T], key: Callable[[T], str], query: ListQuery) -> Page[T]:
    """Return a page of a short list: it is read whole, sorted by key and cut here."""
    ordered = sorted((row for row in rows if query.cursor is None or key(row) > query.cursor), key=key)
    page_rows = ordered[: query.limit]
    return Page(page_rows, key(page_rows[-1]) if len(ordered) > query.limit else None)
