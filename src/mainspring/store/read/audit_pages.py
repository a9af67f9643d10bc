"""Audit pages: recorded operations that match a filter of actor, entry point, verb and subject. The cost of a page is
bounded.

Operations of one subject, actor or verb are read by their index; the rest of the filter applies to a bounded number of
them. If a page has fewer rows than requested and there is a cursor, the rest lies behind what was searched.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from mainspring.domain.access.permissions import EntryPoint
from mainspring.store.base import Snapshot, StoreReader
from mainspring.store.read.list_bounds import NEWEST
from mainspring.store.read.time_search import number_at
from mainspring.store.schema.row import first_value
from mainspring.store.transaction import Row
from mainspring.store.views import AuditView

MOST_READ: Final = 5_000
"""Maximum of operations of one order that are searched for one page, however rare the matches are."""
_PLACES: Final = 50
"""Maximum of machines on which a name is searched, for one entry point."""


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A filter of operations. `who` = an actor ("web:ana"), or a name: "ann" is web:ann, api:ann and cli:ann@box.

    `subject` = "noun:name", or the id of a run. `automation` = also its runs or incidents, as far as those are stored.
    From `since_at` on, before `until_at`.
    """

    who: str | None = None
    act: str | None = None
    subject: str | None = None
    automation: str | None = None
    way: EntryPoint | None = None
    since_at: int | None = None
    until_at: int | None = None


_ORDERED: Final = {
    "subject": "list_audit_entries_of_subject",
    "actor": "list_audit_entries_of_actor",
    "verb": "list_audit_entries_of_verb",
}


class AuditPage(msgspec.Struct, frozen=True):
    """Recorded operations, newest first; `cursor` continues the list (None = that was all)."""

    rows: list[AuditView]
    cursor: int | None


def audit_page(
    reader: StoreReader, audit_filter: AuditFilter, *, limit: int = 50, cursor: int | None = None
) -> AuditPage:
    """Return a page of the matching operations, newest first, after `cursor`."""
    with reader.snapshot() as read:
        # The log is ordered by time, so a number is found by an instant, without an index.
        last = 0 if audit_filter.since_at is None else _number_at(read, audit_filter.since_at)
        before = NEWEST if audit_filter.until_at is None else _number_at(read, audit_filter.until_at)
        before = before if cursor is None else min(before, cursor)
        views, searched_to = list[AuditView](), last
        for order, value, rest in _orders(read, audit_filter):
            lowest = _lowest(read, order, value, before, last) if any(rest) else last
            values = (before, lowest, limit + 1, *rest)
            rows = read(_ORDERED[order], (*values, value)) if order else read("list_audit_entries_among", values)
            views += [AuditView(*row) for row in rows]
            searched_to = max(searched_to, lowest)
    matches = sorted((row for row in views if row.seq >= searched_to), key=lambda row: -row.seq)
    if len(matches) > limit:
        return AuditPage(matches[:limit], matches[limit - 1].seq)
    return AuditPage(matches, None if searched_to <= max(last, 1) else searched_to)


def _orders(read: Snapshot, audit_filter: AuditFilter) -> Iterator[tuple[str, str, Row]]:
    """Yield the orders in which operations are read (by subject, actor, verb, or all), the value, and the rest of the
    filter.
    """
    actors = None if audit_filter.who is None else list(_actors(read, audit_filter.who, audit_filter.way))
    listed = None if actors is None else msgspec.json.encode(actors).decode()
    way = None if audit_filter.way is None else str(audit_filter.way)
    if audit_filter.subject is not None:
        subject = audit_filter.subject if ":" in audit_filter.subject else f"run:{audit_filter.subject}"
        yield "subject", subject, (listed, way, audit_filter.act, audit_filter.automation)
    elif actors is not None:
        for actor in actors:
            yield "actor", actor, (None, None, audit_filter.act, audit_filter.automation)
    elif audit_filter.act is not None:
        yield "verb", audit_filter.act, (None, way, None, audit_filter.automation)
    else:
        yield "", "", (None, way, None, audit_filter.automation)


def _lowest(read: Snapshot, order: str, value: str, before: int, last: int) -> int:
    """Return the number down to which operations of an order are searched: `last` = to the end."""
    if order:
        ((bound,),) = read("find_audit_bound", (order, value, before, MOST_READ))
        return max(bound or 0, last)
    newest = first_value(read("list_audit_entries", (before, 1)), int)
    return last if newest is None else max(newest - MOST_READ, last)


def _actors(read: Snapshot, who: str, way: EntryPoint | None) -> Iterator[str]:
    """Yield the matching actors: this one, or those with this name, at the requested entry points."""
    entry_point, _, name = who.partition(":")
    if name and entry_point in list(EntryPoint):
        yield from [who] if way in (None, entry_point) else []
        return
    for point in EntryPoint if way is None else [way]:
        yield f"{point}:{who}"
        yield from _on_machines(read, f"{point}:{who}@")


def _on_machines(read: Snapshot, head: str) -> Iterable[str]:
    """Return the actors whose name begins with `head`: each is the next one in the index."""
    actors: list[str] = []
    end = f"{head[:-1]}A"  # the character after "@" in the order of bytes
    while len(actors) < _PLACES:
        actor = first_value(read("find_next_audit_actor", (actors[-1] if actors else head, end)), str)
        if actor is None:
            break
        actors.append(actor)
    return actors


def _number_at(read: Snapshot, at: int) -> int:
    return number_at(read, at, newest="read_newest_audit_entry", time_at="find_audit_time")
