"""Dead letters: the errors that stopped runs, how many runs, and what changed before each."""

from collections.abc import Iterator

import msgspec

from mainspring.domain.states import RunState
from mainspring.insight.runs.error_groups import FailureGroup, ViewFilter, group_by_error_with_new
from mainspring.store.base import StoreReader
from mainspring.store.read.incidents import incidents
from mainspring.store.read.runs.unresolved_runs import count_unresolved, unresolved_among, unresolved_runs
from mainspring.store.views import Capped, RunRow

_MAX_COUNTED = 100
"""Most failures of an error and automation that are read for its count; a count that high reads no other automation."""
_INCIDENTS = 1_000


class DeadLetterGroup(msgspec.Struct, frozen=True, kw_only=True):
    """One error: the runs that it stopped, and all its failures. `changed` = what changed before the first; `example` = a run."""

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
    """A filter: runs in these states, of one automation, stopped since then, whose fingerprint has this prefix.

    `may_view` = which automations the caller may see; `gone` = also errors without stopped runs.
    """

    states: tuple[RunState, ...]
    may_view: ViewFilter
    name: str | None = None
    since_at: int | None = None
    error: str | None = None
    gone: bool = False

    @property
    def state(self) -> RunState | None:
        """The one state, if there is one."""
        return self.states[0] if len(self.states) == 1 else None


DeadLetterCursor = tuple[int, str]
"""The place of an error in the list: when it was last seen, negative, and its fingerprint."""


def list_dead_letters(
    reader: StoreReader, letter_filter: DeadLetterFilter, after: DeadLetterCursor | None = None
) -> Iterator[tuple[DeadLetterCursor, DeadLetterGroup | None]]:
    """Yield the errors after a place, the last seen first; None = the error at that place has no stopped run."""
    groups, new = group_by_error_with_new(
        reader,
        letter_filter.states,
        letter_filter.name,
        letter_filter.since_at,
        letter_filter.error,
        letter_filter.may_view,
    )
    incidents_by_error = _incidents_by_error(reader) if groups else {}
    for group in groups:
        place = (-group.last_at, group.fingerprint)
        if after is not None and place <= after:
            continue
        number = _count_stopped_runs(reader, group, new.get(group.fingerprint, []), letter_filter)
        if not letter_filter.gone and not number.number and not number.more:
            yield place, None
            continue
        found = [
            incidents_by_error[key]
            for name in group.automations
            if (key := (name, group.fingerprint)) in incidents_by_error
        ]
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
    reader: StoreReader, letter_filter: DeadLetterFilter, *, limit: int, cursor: int | None = None
) -> list[tuple[int, RunRow]]:
    """Return the runs stopped by the matching errors, the newest failure first; see `unresolved_runs`.

    Failures too new to be grouped come first, at the place above all others.
    """
    groups, new = group_by_error_with_new(
        reader,
        letter_filter.states,
        letter_filter.name,
        letter_filter.since_at,
        letter_filter.error,
        letter_filter.may_view,
    )
    causes = [(name, group.fingerprint) for group in groups for name in group.automations]
    found: list[tuple[int, RunRow]] = []
    if cursor is None:
        fresh = unresolved_among(reader, sorted({run for runs in new.values() for run in runs}))
        fits = [row for row in fresh.values() if row.state in letter_filter.states]
        found = [(0, row) for row in sorted(fits, key=lambda row: -row.seq)]
    since_at = letter_filter.since_at or 0
    return found + unresolved_runs(
        reader, causes, state=letter_filter.state, since_at=since_at, limit=limit, cursor=cursor
    )


def _count_stopped_runs(
    reader: StoreReader, group: FailureGroup, new: list[str], letter_filter: DeadLetterFilter
) -> Capped:
    """Count the runs stopped by an error, over all its automations together, up to the limit."""
    state = letter_filter.state
    fresh = [row for row in unresolved_among(reader, new).values() if state in (None, row.state)] if new else []
    number, more = len(fresh), False
    for name in group.automations:
        if number >= _MAX_COUNTED:
            return Capped(number, more=True)
        count = count_unresolved(reader, (name, group.fingerprint), _MAX_COUNTED, state, letter_filter.since_at or 0)
        number, more = number + count.number, more or count.more
    return Capped(number, more)


def _incidents_by_error(reader: StoreReader) -> dict[tuple[str, str], tuple[str, str | None]]:
    """Return the incident and what changed before it, by automation and fingerprint."""
    return {
        (incident.subject.automation, incident.subject.fingerprint): (
            incident.id,
            str(incident.facts.get("changed") or "") or None,
        )
        for incident in incidents(reader, limit=_INCIDENTS)
    }
