"""Dead letters: the errors by which runs stand still, how many do, and what changed before each."""

from collections.abc import Iterator

import msgspec

from mainspring.domain.states import RunState
from mainspring.insight.runs.error_groups import FailureGroup, Sees, group_by_error_with_new
from mainspring.store.base import StoreReader
from mainspring.store.read.incidents import incidents
from mainspring.store.read.runs.unresolved_runs import count_unresolved, unresolved_among, unresolved_runs
from mainspring.store.views import Capped, RunRow

_LOOKS = 100
"""So many of the newest failures of each error and automation are looked at for its count, which goes on to no other once it is as high."""
_INCIDENTS = 1_000


class DeadLetterGroup(msgspec.Struct, frozen=True, kw_only=True):
    """One error: the runs that stand still by it, and all its failures. `changed` = what changed before the first; `example` = a run."""

    fingerprint: str
    text: str
    type: str
    code: str
    place: str
    standing: Capped
    failures: int
    first_at: int
    last_at: int
    automations: tuple[str, ...]
    example: str
    incident: str | None
    changed: str | None


class DeadLetterFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which of them: by runs in these states, of one automation, that stand still since then, whose fingerprint begins so.

    `sees` = of which automations whoever asks sees anything; `gone` = also those by which no run stands still any more.
    """

    states: tuple[RunState, ...]
    sees: Sees
    name: str | None = None
    since_at: int | None = None
    error: str | None = None
    gone: bool = False

    @property
    def state(self) -> RunState | None:
        """The one state, where it is one."""
        return self.states[0] if len(self.states) == 1 else None


DeadLetterCursor = tuple[int, str]
"""Where an error stands in the list: when it was seen last, negative, and its fingerprint."""


def list_dead_letters(
    reader: StoreReader, wanted: DeadLetterFilter, after: DeadLetterCursor | None = None
) -> Iterator[tuple[DeadLetterCursor, DeadLetterGroup | None]]:
    """Yield errors behind a place, the one that was seen last first; None = no run stands still by the one at that place."""
    w = wanted
    groups, new = group_by_error_with_new(reader, w.states, w.name, w.since_at, w.error, w.sees)
    why = _incidents_by_error(reader) if groups else {}
    for group in groups:
        place = (-group.last_at, group.fingerprint)
        if after is not None and place <= after:
            continue
        number = _count_stopped_runs(reader, group, new.get(group.fingerprint, []), w)
        if not w.gone and not number.number and not number.more:
            yield place, None
            continue
        found = [why[key] for name in group.automations if (key := (name, group.fingerprint)) in why]
        incident, changed = found[0] if found else (None, None)
        letters = DeadLetterGroup(
            fingerprint=group.fingerprint,
            text=group.text,
            type=group.type,
            code=group.code,
            place=group.place,
            standing=number,
            failures=group.number,
            first_at=group.first_at,
            last_at=group.last_at,
            automations=tuple(group.automations),
            example=group.example,
            incident=incident,
            changed=changed,
        )
        yield place, letters


def list_stopped_runs(
    reader: StoreReader, wanted: DeadLetterFilter, *, limit: int, cursor: int | None = None
) -> list[tuple[int, RunRow]]:
    """Return the runs that stand still by the errors that are wanted, the newest failure first; see `unresolved_runs`.

    What is too new to be grouped comes first, at the place above all others.
    """
    groups, new = group_by_error_with_new(
        reader, wanted.states, wanted.name, wanted.since_at, wanted.error, wanted.sees
    )
    causes = [(name, group.fingerprint) for group in groups for name in group.automations]
    found: list[tuple[int, RunRow]] = []
    if cursor is None:
        fresh = unresolved_among(reader, sorted({run for runs in new.values() for run in runs}))
        fits = [row for row in fresh.values() if row.state in wanted.states]
        found = [(0, row) for row in sorted(fits, key=lambda row: -row.seq)]
    since_at = wanted.since_at or 0
    return found + unresolved_runs(reader, causes, state=wanted.state, since_at=since_at, limit=limit, cursor=cursor)


def _count_stopped_runs(reader: StoreReader, group: FailureGroup, new: list[str], wanted: DeadLetterFilter) -> Capped:
    """Count the runs that stand still by an error, over all its automations together, until there are so many."""
    state = wanted.state
    fresh = [row for row in unresolved_among(reader, new).values() if state in (None, row.state)] if new else []
    number, more = len(fresh), False
    for name in group.automations:
        if number >= _LOOKS:
            return Capped(number, more=True)
        one = count_unresolved(reader, (name, group.fingerprint), _LOOKS, state, wanted.since_at or 0)
        number, more = number + one.number, more or one.more
    return Capped(number, more)


def _incidents_by_error(reader: StoreReader) -> dict[tuple[str, str], tuple[str, str | None]]:
    """Return incident and what changed before it, by automation and fingerprint."""
    return {
        (one.subject.automation, one.subject.fingerprint): (one.id, str(one.facts.get("changed") or "") or None)
        for one in incidents(reader, limit=_INCIDENTS)
    }
