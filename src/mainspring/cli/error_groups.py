"""What failed, grouped by error: one line for each cause, from the newest runs that failed or need a person."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.cli import words
from mainspring.cli.context import Invocation
from mainspring.cli.output import Column
from mainspring.domain.fingerprint import Fingerprint, fingerprint_of
from mainspring.domain.states import RunState

if TYPE_CHECKING:
    from mainspring.store.base import Reader
    from mainspring.store.views import RunView

MOST_LOOKED_AT = 1_000
_PAGE = 200
_SHOWN_AUTOMATIONS = 3


class ErrorGroup(msgspec.Struct):
    """Runs that failed by one error. `example` is the newest of them; instants are those of their ends (ms UTC)."""

    error: Fingerprint
    example: str
    last_at: int
    first_at: int
    number: int = 0
    automations: list[str] = []

    def add(self, view: "RunView") -> None:
        """Count one more run, an older one."""
        self.number += 1
        self.first_at = min(self.first_at, view.changed_at)
        self.last_at = max(self.last_at, view.changed_at)
        if view.automation not in self.automations:
            self.automations.append(view.automation)

    @property
    def text(self) -> str:
        """The error in one line."""
        name = self.error.type.rpartition(".")[2]
        return f"{name}: {self.error.message}" if self.error.message else f"{name} ({self.error.code})"


Found = tuple["RunView", Fingerprint | None]


def failed_runs(
    reader: "Reader", states: tuple[RunState, ...], name: str | None, since_at: int | None, error: str | None = None
) -> Iterator[Found]:
    """Yield runs in these states, newest first, each with the fingerprint of its error, which begins with `error`."""
    from mainspring.store.reads.runs import list_runs, run_view

    cursor: int | None = None
    while True:
        page = list_runs(reader, states=states, name=name, since_at=since_at, limit=_PAGE, cursor=cursor)
        for row in page.runs:
            view = run_view(reader, row.id)
            found = None if view.failure is None else fingerprint_of(view.failure)
            if error is None or (found is not None and found.id.startswith(error)):
                yield view, found
        cursor = page.cursor
        if cursor is None:
            return


def grouped(found: Iterator[Found]) -> list[ErrorGroup]:
    """Return the groups of the newest runs, the one that was seen last first."""
    groups: dict[str, ErrorGroup] = {}
    for view, error in islice(found, MOST_LOOKED_AT):
        if error is None:
            continue
        group = groups.get(error.id)
        if group is None:
            group = groups[error.id] = ErrorGroup(error, view.id, view.changed_at, view.changed_at)
        group.add(view)
    return sorted(groups.values(), key=lambda group: -group.last_at)


def print_groups(invocation: Invocation, groups: list[ErrorGroup]) -> None:
    """Print them: which error, how often, since when, where, and a run to look at."""
    now = invocation.clock.now()
    columns = [
        Column("ERROR", lambda row: row["fingerprint"]),
        Column("RUNS", lambda row: str(row["number"])),
        Column("FIRST", lambda row: words.ago(row["first_at"], now)),
        Column("LAST", lambda row: words.ago(row["last_at"], now)),
        Column("AUTOMATIONS", lambda row: _names(row["automations"])),
        Column("EXAMPLE", lambda row: row["example"]),
        Column("WHAT", lambda row: words.one_line(row["text"], 80)),
    ]
    invocation.output.rows(
        [_row(group) for group in groups], columns, empty="Nothing failed and nothing needs a person."
    )
    if groups:
        told = f"Of the newest {MOST_LOOKED_AT:,} that failed or need a person. "
        invocation.output.hint(f"{told}Those of one error: mainspring failed list --error {groups[0].error.id}")


def _names(names: list[str]) -> str:
    more = len(names) - _SHOWN_AUTOMATIONS
    shown = ", ".join(words.one_line(name, 20) for name in names[:_SHOWN_AUTOMATIONS])
    return f"{shown} and {more} more" if more > 0 else shown


def _row(group: ErrorGroup) -> dict[str, Any]:
    return {
        "fingerprint": group.error.id,
        "text": group.text,
        "type": group.error.type,
        "code": group.error.code,
        "place": group.error.place,
        "number": group.number,
        "first_at": group.first_at,
        "last_at": group.last_at,
        "automations": group.automations,
        "example": group.example,
    }
