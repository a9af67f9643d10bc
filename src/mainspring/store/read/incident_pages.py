"""Incident pages for people: lists page by page, the parts of one incident, its runs, and its moves."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity
from mainspring.domain.states import IncidentMove, IncidentState
from mainspring.store.base import StoreReader
from mainspring.store.read.incidents import MoveView, incident_of
from mainspring.store.read.list_bounds import LAST, NEWEST
from mainspring.store.schema.runs.runs import RUN_ROW
from mainspring.store.views import RunRow

Place = tuple[int, str]
"""Position where a list continues: the last change and the id of the last incident."""


def incident_page(
    reader: StoreReader,
    *,
    automation: str | None = None,
    states: Sequence[IncidentState] = (),
    severities: Sequence[Severity] = (),
    kinds: Sequence[IncidentKind] = (),
    since_at: int | None = None,
    apart: bool = True,
    limit: int = 50,
    before: Place | None = None,
) -> list[Incident]:
    """Return a page of incidents, the newest change first, behind a position; `apart` = without those that are part of
    another one.
    """
    at, id = (NEWEST, LAST) if before is None else before
    lists = [_listed(values) for values in (states, severities, kinds)]
    params = (since_at or 0, at, id, automation, *lists, int(apart), limit)
    return [incident_of(row) for row in reader.read("list_incident_page", params)]


def grouped_incidents_of(reader: StoreReader, incident: str, limit: int = 100) -> list[Incident]:
    """Return the incidents that are, or were at their end, part of an incident, the newest change first."""
    return [incident_of(row) for row in reader.read("list_grouped_incidents", (incident, limit))]


def incidents_named(reader: StoreReader, ids: Iterable[str]) -> list[Incident]:
    """Return the existing incidents with these ids, in the order in which they started."""
    return [incident_of(row) for row in reader.read("list_incidents_named", (_json(ids),))]


def runs_of_incident(reader: StoreReader, incident: str, named: Iterable[str] = (), limit: int = 50) -> list[RunRow]:
    """Return runs that are or were members of an incident, and the `named` ones, newest first."""
    return RUN_ROW.read_all(reader.read("list_runs_of_incident", (incident, _json(named), limit)))


def moves_since(reader: StoreReader, since_at: int, limit: int = 1_000) -> list[MoveView]:
    """Return the moves of incidents since an instant, newest first: of those that send their own notifications."""
    rows = reader.read("list_moves_since", (since_at, limit))
    return [MoveView(name, IncidentMove(move), *rest) for name, move, *rest in rows]


def _listed(values: Sequence[StrEnum]) -> str | None:
    return _json(value.value for value in values) if values else None


def _json(values: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(set(values))).decode()
