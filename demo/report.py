"""The report of the year, as Markdown, with the rejected rows beside it as CSV."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from demo import source
from demo.warehouse import Airline, WarehouseReader, YearTotals
from mainspring.actions import files

REPORT, REJECTED = "report.md", "rejected.csv"


@dataclass(frozen=True)
class Fault:
    """A file that cannot be used, why, and what to do."""

    file: str
    why: str
    hint: str


def write(folder: Path, totals: YearTotals, faults: list[Fault], *, count_cancelled: bool) -> str:
    """Write both files, each all or nothing, and return the report's path."""
    warehouse_reader = WarehouseReader(folder / "warehouse.db")
    try:
        files.write(folder / REJECTED, _csv([(*source.KEY, "reason", "file"), *warehouse_reader.rejected()]))
    finally:
        warehouse_reader.close()
    files.write(folder / REPORT, _markdown(totals, faults, count_cancelled=count_cancelled))
    return str(folder / REPORT)


def _markdown(totals: YearTotals, faults: list[Fault], *, count_cancelled: bool) -> str:
    head = ["airline", "flights", "mean arrival delay (min)", "15 min late or more"]
    head += ["never left"] if count_cancelled else []
    treatment = "counted, by your answer" if count_cancelled else "left out of every figure below"
    windy = f"In wind of 30 km/h and more flights leave {totals.windy_delay:.0f} min late, below 15 km/h {totals.calm_delay:.0f} min."
    return "\n".join(
        [
            "# Flights out of New York, 2013",
            "",
            f"{totals.flights:,} flights. {windy} Flights that never left are {treatment}.",
            "",
            *_table(head, [_line(airline, count_cancelled=count_cancelled) for airline in totals.airlines]),
            "",
            f"## Rejected rows: {totals.rejected:,}",
            "",
            *_table(["reason", "rows"], [[reason, f"{n:,}"] for reason, n in totals.reasons.items()]),
            "",
            f"Each of them is in [{REJECTED}]({REJECTED}) with its reason.",
            "",
            f"## Files that cannot be used: {len(faults)}",
            "",
            *_table(["file", "why", "what to do"], [[fault.file, fault.why, fault.hint] for fault in faults]),
            "",
        ]
    )


def _line(airline: Airline, *, count_cancelled: bool) -> list[str]:
    cells = [airline.name, f"{airline.flights:,}", f"{airline.delay:.1f}", f"{airline.late:.0%}"]
    planned = airline.flights + airline.never_left
    return [*cells, f"{airline.never_left:,} ({airline.never_left / planned:.1%})"] if count_cancelled else cells


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def _csv(rows: list[tuple[object, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
