"""Finding what somebody typed: an id, its beginning or its end, a name, a key, words. What is large is looked at through an index only."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import islice

import msgspec

from mainspring.domain.ids import matches_short_id
from mainspring.store.base import StoreReader
from mainspring.store.read import bulk_operations, id_search, incidents
from mainspring.store.read.runs.run_views import list_runs
from mainspring.store.read.short_ids import IdKind, ids_ending
from mainspring.store.read.status import status
from mainspring.store.views import RunRow

MOST = 10
"""Hits of one kind."""
_SHORTEST = 2
_TITLES = 500
"""So many of the newest runs have their title looked at, ..."""
_WRONG = 500
"""... so many incidents that changed last their text, ..."""
_ERRORS = 1_000
"""... so many errors that came last theirs."""
_PER_KIND = 200


class SearchHitKind(StrEnum):
    """What was found."""

    AUTOMATION = "automation"
    RUN = "run"
    INCIDENT = "incident"
    ERROR = "error"
    EVENT = "event"
    DELIVERY = "delivery"
    BULK = "bulk"


class SearchHit(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found. `exact` = its id is what was typed; `at` (ms) = when it was made or changed last."""

    kind: SearchHitKind
    id: str
    text: str
    automation: str | None = None
    state: str | None = None
    at: int | None = None
    exact: bool = False


class SearchScope(msgspec.Struct, frozen=True):
    """Who looks: of which automations it `sees` anything, whether of all, and how a run's row is made readable."""

    sees: Callable[[str | None], bool]
    is_for_all: bool
    opened: Callable[[RunRow], RunRow]


def search(reader: StoreReader, text: str, looking: SearchScope) -> list[SearchHit]:
    """Return what fits, kind by kind; an exact id alone, where it is one, or the one that the text is the end of."""
    wanted = text.strip()
    if len(wanted) < _SHORTEST:
        return []
    kinds = (_find_automations, _find_runs, _find_incidents, _find_errors, _find_received, _find_bulk_operations)
    hits = [hit for kind in kinds for hit in islice(kind(reader, wanted, looking), MOST)]
    exact = [hit for hit in hits if hit.exact]
    ending = [msgspec.structs.replace(hit, exact=True) for hit in hits if matches_short_id(wanted, hit.id)]
    return exact[:1] or (ending if len(ending) == 1 else hits)


def _find_automations(reader: StoreReader, text: str, looking: SearchScope) -> Iterator[SearchHit]:
    for one in status.automations(reader):
        if looking.sees(one.name) and text.casefold() in one.name.casefold():
            yield SearchHit(
                kind=SearchHitKind.AUTOMATION, id=one.name, text=one.kind, automation=one.name, at=one.announced_at
            )


def _find_runs(reader: StoreReader, text: str, looking: SearchScope) -> Iterator[SearchHit]:
    """By the beginning or the end of the id, then by key, then by title."""
    seen: set[str] = set()
    prefix = text if text.startswith("r_") else f"r_{text}"
    for row in _skip_found(_find_rows(reader, text, prefix), seen):
        if looking.sees(row.automation):
            shown = looking.opened(row)
            yield _run_hit(shown, exact=row.id == text)
    # Titles may be sealed: they are compared as they are read, not where they are stored.
    for row in list_runs(reader, limit=_TITLES).runs:
        if row.id not in seen and looking.sees(row.automation):
            shown = looking.opened(row)
            if text.casefold() in (shown.title or "").casefold():
                yield _run_hit(shown)


def _find_rows(reader: StoreReader, text: str, prefix: str) -> Iterator[RunRow]:
    yield from id_search.runs_from(reader, prefix, _PER_KIND)
    for ending in ids_ending(reader, IdKind.RUN, text)[:MOST]:
        yield from id_search.runs_from(reader, ending.id, 1)
    yield from id_search.runs_of_key(reader, text, MOST)


def _skip_found(rows: Iterable[RunRow], seen: set[str]) -> Iterator[RunRow]:
    for row in rows:
        if row.id not in seen:
            seen.add(row.id)
            yield row


def _run_hit(row: RunRow, *, exact: bool = False) -> SearchHit:
    return SearchHit(
        kind=SearchHitKind.RUN,
        id=row.id,
        text=row.title or "",
        automation=row.automation,
        state=row.state.value,
        at=row.created_at,
        exact=exact,
    )


def _find_incidents(reader: StoreReader, text: str, looking: SearchScope) -> Iterator[SearchHit]:
    named = incidents.incident(reader, text)
    others = incidents.incidents(reader, wrong=False, limit=_WRONG)
    for one in ([named] if named is not None else []) + others:
        if not looking.sees(one.subject.automation or None) or (one.id == text and one is not named):
            continue
        if one.id.startswith(text) or matches_short_id(text, one.id) or text.casefold() in one.text.casefold():
            yield SearchHit(
                kind=SearchHitKind.INCIDENT,
                id=one.id,
                text=one.text,
                automation=one.subject.automation or None,
                state=one.state.value,
                at=one.changed_at,
                exact=one.id == text,
            )


def _find_errors(reader: StoreReader, text: str, looking: SearchScope) -> Iterator[SearchHit]:
    """Errors that watchers grouped, each once, whosever it is."""
    seen: set[str] = set()
    for one in incidents.errors(reader, limit=_ERRORS):
        if one.fingerprint in seen or not looking.sees(one.automation):
            continue
        line = one.message
        if one.fingerprint.startswith(text) or text.casefold() in line.casefold():
            seen.add(one.fingerprint)
            yield SearchHit(
                kind=SearchHitKind.ERROR,
                id=one.fingerprint,
                text=line,
                automation=one.automation,
                at=one.last_at,
                exact=one.fingerprint == text,
            )


def _find_received(reader: StoreReader, text: str, looking: SearchScope) -> Iterator[SearchHit]:
    """Deliveries of automations that are seen; events belong to none."""
    for one in _find_deliveries(reader, text):
        if looking.sees(one.automation):
            yield SearchHit(
                kind=SearchHitKind.DELIVERY,
                id=one.id,
                text=one.trigger,
                automation=one.automation,
                state=one.state,
                at=one.at,
                exact=one.id == text,
            )
    if looking.is_for_all:
        for event in _find_events(reader, text):
            yield SearchHit(kind=SearchHitKind.EVENT, id=event.id, text=event.name, at=event.at, exact=event.id == text)


def _find_deliveries(reader: StoreReader, text: str) -> Iterator[id_search.FoundDelivery]:
    yield from id_search.deliveries_from(reader, text, _PER_KIND)
    for ending in ids_ending(reader, IdKind.DELIVERY, text)[:MOST]:
        yield from id_search.deliveries_from(reader, ending.id, 1)


def _find_events(reader: StoreReader, text: str) -> Iterator[id_search.FoundEvent]:
    yield from id_search.events_from(reader, text, MOST)
    for ending in ids_ending(reader, IdKind.EVENT, text)[:MOST]:
        yield from id_search.events_from(reader, ending.id, 1)


def _find_bulk_operations(reader: StoreReader, text: str, looking: SearchScope) -> Iterator[SearchHit]:
    endings = ids_ending(reader, IdKind.BULK, text)
    one = bulk_operations.bulk_act(reader, endings[0].id if endings else text)
    if one is not None and (looking.is_for_all or (one.automations and all(map(looking.sees, one.automations)))):
        yield SearchHit(kind=SearchHitKind.BULK, id=one.id, text=one.verb, state=one.state, at=one.made_at, exact=True)
