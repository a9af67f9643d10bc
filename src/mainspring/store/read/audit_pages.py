"""Lists of acts in a filter: by whom, by which door, what, with which. What one page looks at is bounded.

Acts of one subject, actor or verb are read by their index, the rest of the filter among so many of them. Where a page holds fewer than were
asked for and there is a cursor, the rest lies behind what was looked at.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from mainspring.domain.access.permissions import EntryPoint
from mainspring.store.base import Snapshot, StoreReader
from mainspring.store.read.list_bounds import NEWEST
from mainspring.store.read.time_search import number_at
from mainspring.store.views import AuditView

MOST_READ: Final = 5_000
"""So many acts of one order are looked at for one page, however seldom what is asked for is among them."""
_PLACES: Final = 50
"""On so many machines, by one door, whoever has a name is looked for."""


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which acts. `who` = an actor ("web:ana"), or the name of some: "ann" is web:ann, api:ann and cli:ann@box.

    `subject` = "noun:name", or the id of a run. `automation` = with it, its runs or its incidents, as far as those are kept.
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
    """Acts on record, newest first; `cursor` continues the list where it ends (None = that was all)."""

    rows: list[AuditView]
    cursor: int | None


def audit_page(reader: StoreReader, which: AuditFilter, *, limit: int = 50, cursor: int | None = None) -> AuditPage:
    """Return a page of the acts that fit, newest first, after `cursor`."""
    with reader.snapshot() as read:
        # The log is in the order of time, so its numbers are found by an instant, without an index.
        last = 0 if which.since_at is None else _number_at(read, which.since_at)
        before = NEWEST if which.until_at is None else _number_at(read, which.until_at)
        before = before if cursor is None else min(before, cursor)
        found, looked_to = list[AuditView](), last
        for order, value, rest in _orders(read, which):
            lowest = _lowest(read, order, value, before, last) if any(rest) else last
            values = (before, lowest, limit + 1, *rest)
            rows = read(_ORDERED[order], (*values, value)) if order else read("list_audit_entries_among", values)
            found += [AuditView(*row) for row in rows]
            looked_to = max(looked_to, lowest)
    wanted = sorted((row for row in found if row.seq >= looked_to), key=lambda row: -row.seq)
    if len(wanted) > limit:
        return AuditPage(wanted[:limit], wanted[limit - 1].seq)
    return AuditPage(wanted, None if looked_to <= max(last, 1) else looked_to)


def _orders(read: Snapshot, which: AuditFilter) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Give in which orders acts are read: of one subject, actor or verb, or of all; whose; and what is left of the filter."""
    actors = None if which.who is None else list(_actors(read, which.who, which.way))
    listed = None if actors is None else msgspec.json.encode(actors).decode()
    way = None if which.way is None else str(which.way)
    if which.subject is not None:
        subject = which.subject if ":" in which.subject else f"run:{which.subject}"
        yield "subject", subject, (listed, way, which.act, which.automation)
    elif actors is not None:
        for one in actors:
            yield "actor", one, (None, None, which.act, which.automation)
    elif which.act is not None:
        yield "verb", which.act, (None, way, None, which.automation)
    else:
        yield "", "", (None, way, None, which.automation)


def _lowest(read: Snapshot, order: str, value: str, before: int, last: int) -> int:
    """Return the number down to which acts of an order are looked at: `last` = to the end."""
    if order:
        ((reach,),) = read("find_audit_bound", (order, value, before, MOST_READ))
        return max(reach or 0, last)
    newest = read("list_audit_entries", (before, 1))
    return max(newest[0][0] - MOST_READ, last) if newest else last


def _actors(read: Snapshot, who: str, way: EntryPoint | None) -> Iterator[str]:
    """Give the actors that are meant: this one, or those who have this name, at the doors that are asked for."""
    door, _, name = who.partition(":")
    if name and door in list(EntryPoint):
        yield from [who] if way in (None, door) else []
        return
    for one in EntryPoint if way is None else [way]:
        yield f"{one}:{who}"
        yield from _on_machines(read, f"{one}:{who}@")


def _on_machines(read: Snapshot, head: str) -> Iterable[str]:
    """Return the actors whose name begins so: each is the next one behind the last in the index."""
    found: list[str] = []
    end = f"{head[:-1]}A"  # what follows "@" in the order of bytes
    while len(found) < _PLACES and (rows := read("find_next_audit_actor", (found[-1] if found else head, end))):
        found.append(rows[0][0])
    return found


def _number_at(read: Snapshot, at: int) -> int:
    return number_at(read, at, newest="read_newest_audit_entry", time_at="find_audit_time")
