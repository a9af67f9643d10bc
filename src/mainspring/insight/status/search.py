"""Search for typed text: an id, its start or its end, a name, a key, words. Large tables are searched through an index only."""

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
"""Most hits of one kind."""
_SHORTEST = 2
_TITLES = 500
"""Most runs, the newest, whose titles are searched."""
_INCIDENTS = 500
"""Most incidents, the last changed, whose texts are searched."""
_ERRORS = 1_000
"""Most errors, the last seen, whose texts are searched."""
_PER_KIND = 200


class SearchHitKind(StrEnum):
    """The kind of a hit."""

    AUTOMATION = "automation"
    RUN = "run"
    INCIDENT = "incident"
    ERROR = "error"
    EVENT = "event"
    DELIVERY = "delivery"
    BULK = "bulk"


class SearchHit(msgspec.Struct, frozen=True, kw_only=True):
    """One hit. `exact` = its id is the typed text; `at` (ms) = when it was created or last changed."""

    kind: SearchHitKind
    id: str
    text: str
    automation: str | None = None
    state: str | None = None
    at: int | None = None
    exact: bool = False


class SearchScope(msgspec.Struct, frozen=True):
    """The scope of a caller: which automations it `may_view`, whether all, and how to unseal a row of a run."""

    may_view: Callable[[str | None], bool]
    is_for_all: bool
    opened: Callable[[RunRow], RunRow]


def search(reader: StoreReader, text: str, scope: SearchScope) -> list[SearchHit]:
    """Return the hits, kind by kind; only the exact id if there is one, or the only one that ends in the text."""
    query = text.strip()
    if len(query) < _SHORTEST:
        return []
    kinds = (_find_automations, _find_runs, _find_incidents, _find_errors, _find_received, _find_bulk_operations)
    hits = [hit for kind in kinds for hit in islice(kind(reader, query, scope), MOST)]
    exact = [hit for hit in hits if hit.exact]
    ending = [msgspec.structs.replace(hit, exact=True) for hit in hits if matches_short_id(query, hit.id)]
    return exact[:1] or (ending if len(ending) == 1 else hits)


def _find_automations(reader: StoreReader, text: str, scope: SearchScope) -> Iterator[SearchHit]:
    for automation in status.automations(reader):
        if scope.may_view(automation.name) and text.casefold() in automation.name.casefold():
            yield SearchHit(
                kind=SearchHitKind.AUTOMATION,
                id=automation.name,
                text=automation.kind,
                automation=automation.name,
                at=automation.announced_at,
            )


def _find_runs(reader: StoreReader, text: str, scope: SearchScope) -> Iterator[SearchHit]:
    """Yield runs by the start or the end of the id, then by key, then by title."""
    seen: set[str] = set()
    prefix = text if text.startswith("r_") else f"r_{text}"
    for row in _skip_found(_find_rows(reader, text, prefix), seen):
        if scope.may_view(row.automation):
            opened_row = scope.opened(row)
            yield _run_hit(opened_row, exact=row.id == text)
    # Titles may be sealed, so unsealed ones are compared, not stored ones.
    for row in list_runs(reader, limit=_TITLES).runs:
        if row.id not in seen and scope.may_view(row.automation):
            opened_row = scope.opened(row)
            if text.casefold() in (opened_row.title or "").casefold():
                yield _run_hit(opened_row)


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


def _find_incidents(reader: StoreReader, text: str, scope: SearchScope) -> Iterator[SearchHit]:
    named = incidents.incident(reader, text)
    other_incidents = incidents.incidents(reader, unresolved=False, limit=_INCIDENTS)
    for incident in ([named] if named is not None else []) + other_incidents:
        if not scope.may_view(incident.subject.automation or None) or (incident.id == text and incident is not named):
            continue
        if (
            incident.id.startswith(text)
            or matches_short_id(text, incident.id)
            or text.casefold() in incident.text.casefold()
        ):
            yield SearchHit(
                kind=SearchHitKind.INCIDENT,
                id=incident.id,
                text=incident.text,
                automation=incident.subject.automation or None,
                state=incident.state.value,
                at=incident.changed_at,
                exact=incident.id == text,
            )


def _find_errors(reader: StoreReader, text: str, scope: SearchScope) -> Iterator[SearchHit]:
    """Yield errors that watchers grouped, each once, of any automation."""
    seen: set[str] = set()
    for error in incidents.errors(reader, limit=_ERRORS):
        if error.fingerprint in seen or not scope.may_view(error.automation):
            continue
        line = error.message
        if error.fingerprint.startswith(text) or text.casefold() in line.casefold():
            seen.add(error.fingerprint)
            yield SearchHit(
                kind=SearchHitKind.ERROR,
                id=error.fingerprint,
                text=line,
                automation=error.automation,
                at=error.last_at,
                exact=error.fingerprint == text,
            )


def _find_received(reader: StoreReader, text: str, scope: SearchScope) -> Iterator[SearchHit]:
    """Yield deliveries of visible automations; events belong to none."""
    for delivery in _find_deliveries(reader, text):
        if scope.may_view(delivery.automation):
            yield SearchHit(
                kind=SearchHitKind.DELIVERY,
                id=delivery.id,
                text=delivery.trigger,
                automation=delivery.automation,
                state=delivery.state,
                at=delivery.at,
                exact=delivery.id == text,
            )
    if scope.is_for_all:
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


def _find_bulk_operations(reader: StoreReader, text: str, scope: SearchScope) -> Iterator[SearchHit]:
    endings = ids_ending(reader, IdKind.BULK, text)
    bulk = bulk_operations.read_bulk_operation(reader, endings[0].id if endings else text)
    if bulk is not None and (scope.is_for_all or (bulk.automations and all(map(scope.may_view, bulk.automations)))):
        yield SearchHit(
            kind=SearchHitKind.BULK, id=bulk.id, text=bulk.verb, state=bulk.state, at=bulk.made_at, exact=True
        )
