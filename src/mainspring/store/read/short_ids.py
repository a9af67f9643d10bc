"""Short ids: the last characters of an id, as many as distinguish it from every other id of its kind, and the ids that
a text means.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from mainspring.domain.errors import ConflictError, NotFoundError
from mainspring.domain.ids import MIN_SHORT_ID_LENGTH, is_regular_id, matches_short_id
from mainspring.store.base import StoreReader

_MOST_LISTED = 5


class IdKind(StrEnum):
    """The kinds of ids that people see and type."""

    RUN = "run"
    INCIDENT = "incident"
    DELIVERY = "delivery"
    EVENT = "event"
    BULK = "bulk"
    MESSAGE = "message"


_ENDING: Final = {
    IdKind.RUN: "list_run_ids_ending",
    IdKind.INCIDENT: "list_incident_ids_ending",
    IdKind.DELIVERY: "list_delivery_ids_ending",
    IdKind.EVENT: "list_event_ids_ending",
    IdKind.BULK: "list_bulk_ids_ending",
    IdKind.MESSAGE: "list_message_ids_ending",
}


class IdMatch(msgspec.Struct, frozen=True):
    """An id, and its automation (None = it belongs to none)."""

    id: str
    automation: str | None


def short_ids(reader: StoreReader, kind: IdKind, ids: Iterable[str]) -> dict[str, str]:
    """Return the short form of each id: its last six characters, or more if another id of its kind ends with these.

    An id that a person chose has no short form; it is returned unchanged.
    """
    distinct_ids = list(dict.fromkeys(ids))
    neighbours: dict[str, list[str]] = {}
    for ending in _endings(reader, kind, {id[-MIN_SHORT_ID_LENGTH:] for id in distinct_ids if is_regular_id(id)}):
        neighbours.setdefault(ending.id[-MIN_SHORT_ID_LENGTH:], []).append(ending.id)
    return {id: _shorten(id, neighbours.get(id[-MIN_SHORT_ID_LENGTH:], [])) for id in distinct_ids}


def ids_ending(reader: StoreReader, kind: IdKind, text: str) -> list[IdMatch]:
    """Return the ids that a text is short for; none if it is shorter than a displayed short id."""
    if len(text) < MIN_SHORT_ID_LENGTH:
        return []
    return [
        ending for ending in _endings(reader, kind, {text[-MIN_SHORT_ID_LENGTH:]}) if matches_short_id(text, ending.id)
    ]


def whole_id(kind: IdKind, text: str, matches: Iterable[IdMatch]) -> str:
    """Return the only id of the matches.

    Raises:
        NotFoundError: there is none.
        ConflictError: there are several; some are listed.
    """
    ids = [ending.id for ending in matches]
    if not ids:
        raise NotFoundError(f"there is no {kind} {text}")
    if len(ids) > 1:
        raise ambiguous(kind, text, ids)
    return ids[0]


def ambiguous(kind: IdKind, text: str, ids: list[str]) -> ConflictError:
    """Return the error that lists the ids that a text could mean."""
    listed = ", ".join(ids[:_MOST_LISTED]) + (", ..." if len(ids) > _MOST_LISTED else "")
    return ConflictError(f"{text} could be more than one {kind}", hint=f"One of: {listed}")


def _endings(reader: StoreReader, kind: IdKind, endings: set[str]) -> list[IdMatch]:
    if not endings:
        return []
    rows = reader.read(_ENDING[kind], (msgspec.json.encode(sorted(endings)).decode(),))
    return [IdMatch(*row) for row in rows]


def _shorten(id: str, neighbours: list[str]) -> str:
    if not is_regular_id(id):
        return id
    length = MIN_SHORT_ID_LENGTH
    while any(other != id and other.endswith(id[-length:]) for other in neighbours):
        length += 1
    return id[-length:]
