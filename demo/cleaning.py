"""Cleaning of one day's file: reject the file, or turn each row into a flight or a reason. Pure functions of its bytes."""

import csv
import functools
from datetime import datetime, timedelta
from typing import Any

import mainspring as ms
from demo import source

Row = list[Any]
NEVER_LEFT, NEVER_ARRIVED, DIVERTED = "never left", "left, no arrival recorded", "landed elsewhere, no air time"
_AT = {name: place for place, name in enumerate(source.COLUMNS)}
_KM, _KMH = 1.609344, 1.609344


def clean(name: str, data: bytes) -> tuple[list[Row], list[Row]]:
    """Return the flights and the rejected rows of a file, in the order of the warehouse's columns.

    Raises:
        Permanent: the file as a whole cannot be used; a retry does not help.
    """
    flights: list[Row] = []
    rejected: list[Row] = []
    for row in _rows(name, _text(name, data)):
        key = _key(row)
        reason = _reason(row)
        if reason is None:
            flights.append([*key, *_normal(row), *_plane(row), *_weather(row)])
        else:
            rejected.append([*key, reason, name])
    return flights, rejected


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ms.Permanent(
            f"{name} is not UTF-8: byte 0x{data[error.start]:02x} at {error.start:,}",
            hint="Ask the sender to export as UTF-8.",
        ) from error


def _rows(name: str, text: str) -> list[list[str]]:
    rows = list(csv.reader(text.splitlines()))
    header = rows.pop(0) if rows else []
    if header != source.COLUMNS:
        missing, unknown = set(source.COLUMNS) - set(header), set(header) - set(source.COLUMNS)
        raise ms.Permanent(
            f"{name} has the wrong columns: missing {sorted(missing)}, unknown {sorted(unknown)}",
            hint="The sender renamed a column; agree on one name.",
        )
    for number, row in enumerate(rows, 2):
        if len(row) != len(source.COLUMNS):
            raise ms.Permanent(
                f"{name} is cut off: line {number:,} has {len(row)} of {len(source.COLUMNS)} fields",
                hint="The transfer broke; have the file sent again.",
            )
    return rows


def _key(row: list[str]) -> Row:
    year, month, day, carrier, flight, origin, departure = (row[_AT[name]] for name in source.KEY)
    return [int(year), int(month), int(day), carrier, int(flight), origin, int(departure)]


def _reason(row: list[str]) -> str | None:
    """Return why a row is no whole flight, None if it is one."""
    if row[_AT["dep_time"]] == "NA":
        return NEVER_LEFT
    if row[_AT["arr_time"]] == "NA":
        return NEVER_ARRIVED
    return DIVERTED if row[_AT["air_time"]] == "NA" else None


def _normal(row: list[str]) -> Row:
    """Names in full, instants in UTC, miles as kilometres, minutes as numbers."""
    carrier, dest, delay_out, delay_in, in_air, miles, minute, hour_at = (
        row[_AT[name]]
        for name in ("carrier", "dest", "dep_delay", "arr_delay", "air_time", "distance", "minute", "time_hour")
    )
    departs = datetime.fromisoformat(hour_at) + timedelta(minutes=int(minute))
    airline = _airlines().get(carrier, carrier)
    return [airline, dest, departs.isoformat(), int(delay_out), int(delay_in), int(in_air), round(int(miles) * _KM)]


def _plane(row: list[str]) -> Row:
    """The aircraft, where the register knows it."""
    tail = row[_AT["tailnum"]]
    return [tail, *_planes().get(tail, (None, None, None))]


def _weather(row: list[str]) -> Row:
    """The weather at the airport in the hour of departure, where it was measured."""
    return list(_hours().get((row[_AT["origin"]], row[_AT["time_hour"]]), (None, None)))


@functools.cache
def _airlines() -> dict[str, str]:
    return {row["carrier"]: row["name"] for row in source.table("airlines")}


@functools.cache
def _planes() -> dict[str, tuple[str, int | None, int]]:
    return {
        row["tailnum"]: (
            f"{row['manufacturer']} {row['model']}",
            None if row["year"] == "NA" else int(row["year"]),
            int(row["seats"]),
        )
        for row in source.table("planes")
    }


@functools.cache
def _hours() -> dict[tuple[str, str], tuple[float | None, float | None]]:
    return {
        (row["origin"], row["time_hour"]): (_number(row["wind_speed"], _KMH), _number(row["visib"], _KM))
        for row in source.table("weather")
    }


def _number(text: str, factor: float) -> float | None:
    return None if text == "NA" else round(float(text) * factor, 1)
