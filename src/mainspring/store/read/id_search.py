"""Search by id: rows whose id, or key, begins with a text; each is one range of an index."""

import msgspec

from mainspring.store.base import StoreReader
from mainspring.store.read.list_bounds import LAST
from mainspring.store.schema.row import first_values
from mainspring.store.schema.runs.runs import RUN_ROW
from mainspring.store.views import RunRow


class FoundEvent(msgspec.Struct, frozen=True):
    """An event in the results."""

    id: str
    name: str
    at: int


class FoundDelivery(msgspec.Struct, frozen=True):
    """A delivery in the results."""

    id: str
    trigger: str
    automation: str
    state: str
    at: int


def runs_from(reader: StoreReader, prefix: str, limit: int) -> list[RunRow]:
    """Return runs whose id begins with `prefix`, newest first."""
    return RUN_ROW.read_all(reader.read("list_runs_from", (prefix, prefix + LAST, limit)))


def runs_of_key(reader: StoreReader, key: str, limit: int) -> list[RunRow]:
    """Return runs that were started under a key with this beginning, of any automation; `limit` of each of up to
    `limit` automations.
    """
    key_range = (key, key + LAST, limit)
    names = first_values(reader.read("list_automations_with_key", key_range), str)
    return [run for name in names for run in RUN_ROW.read_all(reader.read("list_runs_of_key", (name, *key_range)))]


def events_from(reader: StoreReader, prefix: str, limit: int) -> list[FoundEvent]:
    """Return events whose id begins with `prefix`."""
    return [FoundEvent(*row) for row in reader.read("list_events_from", (prefix, prefix + LAST, limit))]


def deliveries_from(reader: StoreReader, prefix: str, limit: int) -> list[FoundDelivery]:
    """Return deliveries whose id begins with `prefix`."""
    return [FoundDelivery(*row) for row in reader.read("list_deliveries_from", (prefix, prefix + LAST, limit))]
