"""Reads of measurements: the numbers of a run, and the names that an automation measures."""

from collections.abc import Iterable

import msgspec

from mainspring.domain.runs.measurement import sum_measurements
from mainspring.store.base import StoreReader
from mainspring.store.schema.row import first_values

_DECODE = msgspec.json.Decoder(dict[str, float]).decode


def sum_run_numbers(rows: Iterable[tuple[object, ...]]) -> dict[str, float]:
    """Return the numbers of a run by name, from the rows of list_measurements_of_run: the sums over its steps, and over the runs that it
    started.
    """
    return sum_measurements(_DECODE(row) for row in first_values(rows, str))


def list_measured_names(reader: StoreReader, automation: str, version: int, limit: int) -> list[str]:
    """Return the names that the last runs of a version measured, in order. `limit` = how many runs are read."""
    rows = first_values(reader.read("list_last_measurements", (automation, version, limit)), str)
    return sorted({name for row in rows for name in _DECODE(row)})
