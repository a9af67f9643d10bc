"""What failed, grouped by error: one line for each cause, from what watchers grouped and what is too new for that."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from mainspring.cli.context import Invocation
from mainspring.cli.output import Column
from mainspring.domain.fingerprint import Fingerprint, fingerprint_of
from mainspring.domain.states import RunState
from mainspring.insight import words

if TYPE_CHECKING:
    from mainspring.store.base import Reader
    from mainspring.store.views import RunView

_MOST = 1_000
_PAGE = 200
_SHOWN_AUTOMATIONS = 3


class Group(msgspec.Struct, kw_only=True):
    """Failures of one error, of whichever automation; `text` and `example` are those of the newest. Instants are ms UTC."""

    fingerprint: str
    text: str
    type: str
    code: str
    place: str
    number: int
    first_at: int
    last_at: int
    automations: list[str]
    example: str

    def add(self, other: "Group") -> None:
        """Count others of the same error."""
        if other.last_at >= self.last_at:
            self.text, self.example = other.text, other.example
        self.number += other.number
        self.first_at, self.last_at = min(self.first_at, other.first_at), max(self.last_at, other.last_at)
        self.automations = list(dict.fromkeys([*self.automations, *other.automations]))


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


def grouped(
    reader: "Reader", states: tuple[RunState, ...], name: str | None, since_at: int | None, error: str | None
) -> list[Group]:
    """Return what failed by error, the one that was seen last first: what watchers grouped, and what is too new for that."""
    from mainspring.store.reads.incidents import errors

    state = states[0] if len(states) == 1 else None
    stored = errors(reader, name, error=error, since_at=since_at, state=state, limit=_MOST)
    found = [
        Group(
            fingerprint=one.fingerprint,
            text=_text(one.type, one.code, one.message),
            type=one.type,
            code=one.code,
            place=one.place,
            number=one.number,
            first_at=one.first_at,
            last_at=one.last_at,
            automations=[one.automation],
            example=one.last_run,
        )
        for one in stored
    ]
    groups: dict[str, Group] = {}
    for one in (*found, *_ungrouped(reader, states, name, since_at, error)):
        known = groups.setdefault(one.fingerprint, one)
        if known is not one:
            known.add(one)
    return sorted(groups.values(), key=lambda group: -group.last_at)


def _ungrouped(
    reader: "Reader", states: tuple[RunState, ...], name: str | None, since_at: int | None, error: str | None
) -> Iterator[Group]:
    """Yield failures that no watcher has grouped yet."""
    from mainspring.operations.failures import failures_of
    from mainspring.resources.hidden import HIDDEN
    from mainspring.store.reads.incidents import untold_faults

    untold = [one for one in untold_faults(reader) if one.state in states and name in (None, one.automation)]
    for one in failures_of(untold, HIDDEN.redact).groups:
        first, last = one.told[0], one.told[-1]
        if last.at >= (since_at or 0) and one.fingerprint.startswith(error or ""):
            yield Group(
                fingerprint=one.fingerprint,
                text=_text(one.type, one.code, one.message),
                type=one.type,
                code=one.code,
                place=one.place,
                number=len(one.told),
                first_at=first.at,
                last_at=last.at,
                automations=[one.automation],
                example=last.run,
            )


def _text(type: str, code: str, message: str) -> str:
    name = type.rpartition(".")[2]
    return f"{name}: {message}" if message else f"{name} ({code})"


def print_groups(invocation: Invocation, groups: list[Group]) -> None:
    """Print them: which error, how often, since when, where, and a run to look at."""
    now = invocation.clock.now()
    columns = [
        Column("ERROR", lambda one: one.fingerprint),
        Column("FAILURES", lambda one: str(one.number)),
        Column("FIRST", lambda one: words.ago(one.first_at, now)),
        Column("LAST", lambda one: words.ago(one.last_at, now)),
        Column("AUTOMATIONS", lambda one: _names(one.automations)),
        Column("EXAMPLE", lambda one: one.example),
        Column("WHAT", lambda one: words.one_line(one.text, 80)),
    ]
    invocation.output.rows(groups, columns, empty="Nothing failed and nothing needs a person.")
    if groups:
        error = groups[0].fingerprint
        invocation.output.hint(f"Runs that stand still by one error: mainspring failed list --error {error}")


def _names(names: list[str]) -> str:
    more = len(names) - _SHOWN_AUTOMATIONS
    shown = ", ".join(words.one_line(name, 20) for name in names[:_SHOWN_AUTOMATIONS])
    return f"{shown} and {more} more" if more > 0 else shown
