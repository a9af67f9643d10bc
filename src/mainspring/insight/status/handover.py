"""Handover of a shift: what opened, what closed, what people did, and what still waits. For status, the pages and the API.

Reads only, each bounded: it reports that more exists, which can be listed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from mainspring.domain.access.permissions import WEB
from mainspring.domain.definitions.pause_state import is_paused
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.states import IncidentMove, IncidentState, RunState
from mainspring.insight.incidents.visible_incidents import ViewFilter, select_visible
from mainspring.insight.status.upcoming import OpenQuestion, list_open_questions
from mainspring.store.base import StoreReader
from mainspring.store.commands.results import Refused, Result
from mainspring.store.read.incident_pages import incidents_named, moves_since
from mainspring.store.read.incidents import MoveView, grouped_incidents, open_incidents
from mainspring.store.read.runs.run_views import automations_of, list_runs, questions
from mainspring.store.read.status import status
from mainspring.store.views import AuditView, AutomationView, RunRow, WaitView

SINCE_MS: Final = 8 * 3_600_000
"""The length of a shift."""
MOST: Final = 30
"""Most lines of each kind."""
_PEOPLE = frozenset({"cli", "link", WEB})
"""Entry points of people; programs use others."""
_OWN_SESSION_VERBS = frozenset({"sign in", "sign out", "offer"})
_READ_AT_MOST: Final = 500
_OPERATIONS_AT_MOST: Final = 2_000
_OPERATIONS_READ: Final = 10_000
"""Most audit entries, the newest, that are searched for operations of people."""


class IncidentChange(msgspec.Struct, frozen=True, kw_only=True):
    """An incident that changed in this time; `move` is the last change, `by` None = a watcher found it."""

    incident: Incident
    move: IncidentMove
    moved_at: int
    by: str | None
    note: str | None


class PersonOperation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation of a person; one line for one command on `number` subjects. `automation` "" = none."""

    done_at: int
    by: str
    verb: str
    subject: str
    automation: str
    reason: str | None
    number: int = 1


class PausedAutomation(msgspec.Struct, frozen=True):
    """A paused automation; `until_at` None = until a person resumes it."""

    automation: str
    by: str | None
    reason: str | None
    paused_at: int
    until_at: int | None


class HandoverRemainder(msgspec.Struct, frozen=True, kw_only=True):
    """How many more of each exist than are listed, at least: reads are bounded."""

    opened: int = 0
    closed: int = 0
    acts: int = 0
    incidents: int = 0
    questions: int = 0
    halted: int = 0
    paused: int = 0


class ShiftHandover(msgspec.Struct, frozen=True, kw_only=True):
    """From one instant to another. `more` = there is more than is listed, `left` = of what."""

    since_at: int
    until_at: int
    opened: list[IncidentChange]
    closed: list[IncidentChange]
    acts: list[PersonOperation]
    incidents: list[Incident]
    questions: list[OpenQuestion]
    halted: list[RunRow]
    paused: list[PausedAutomation]
    more: bool
    left: HandoverRemainder = HandoverRemainder()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing happened and nothing waits."""
        return not any((self.opened, self.closed, self.acts, self.incidents, self.questions, self.halted, self.paused))


def read_handover(
    reader: StoreReader,
    since_at: int,
    now: int,
    may_view: ViewFilter = lambda _: True,
    opened_wait: Callable[[WaitView], WaitView] = lambda wait: wait,
) -> ShiftHandover:
    """Return the handover at `now` (ms) since an instant; `opened_wait` unseals a question."""
    moved = _list_incident_changes(reader, since_at, may_view)
    operations, has_more_operations = _list_operations(reader, since_at, may_view)
    views = [view for view in status.automations(reader) if view.retired_at is None and may_view(view.name)]
    names = None if may_view(None) else [view.name for view in views]
    halted = list_runs(reader, states=(RunState.NEEDS_ATTENTION,), limit=_READ_AT_MOST)
    open_questions = questions(reader, _READ_AT_MOST, names)
    lists: dict[str, list[Any]] = {
        "opened": [change for change in moved if change.incident.opened_at >= since_at],
        "closed": [change for change in moved if change.incident.state is IncidentState.RESOLVED],
        "acts": operations,
        "incidents": select_visible(
            open_incidents(reader, _READ_AT_MOST), grouped_incidents(reader, _READ_AT_MOST), may_view
        ),
        "halted": [run for run in halted.runs if may_view(run.automation)],
        "paused": list(_list_paused(views, now)),
    }
    left = {
        name: len(found) - MOST for name, found in [*lists.items(), ("questions", open_questions)] if len(found) > MOST
    }
    return ShiftHandover(
        since_at=since_at,
        until_at=now,
        questions=list_open_questions(reader, [opened_wait(wait) for wait in open_questions[:MOST]], now),
        more=has_more_operations or bool(left),
        left=HandoverRemainder(**left),
        **{name: found[:MOST] for name, found in lists.items()},
    )


def _list_incident_changes(reader: StoreReader, since_at: int, may_view: ViewFilter) -> list[IncidentChange]:
    """Return each incident that changed, with its newest change, the newest first."""
    newest: dict[str, MoveView] = {}
    for move in moves_since(reader, since_at):
        newest.setdefault(move.incident, move)
    found = {incident.id: incident for incident in incidents_named(reader, newest)}
    return [
        IncidentChange(incident=found[id], move=move.move, moved_at=move.at, by=move.by, note=move.note)
        for id, move in newest.items()
        if id in found and may_view(found[id].subject.automation or None)
    ]


def _list_paused(views: Iterable[AutomationView], now: int) -> Iterator[PausedAutomation]:
    for view in views:
        if view.paused_at is not None and is_paused(view, now):
            yield PausedAutomation(view.name, view.paused_by, view.pause_reason, view.paused_at, view.paused_until)


def _list_operations(reader: StoreReader, since_at: int, may_view: ViewFilter) -> tuple[list[PersonOperation], bool]:
    """Return what people did, newest first, and whether there is more; without refused operations, sign-ins and sign-outs."""
    rows, has_more = status.audit_rows_of(reader, _PEOPLE, since_at, among=_OPERATIONS_READ, limit=_OPERATIONS_AT_MOST)
    done = [row for row in rows if _is_relevant(row)]
    owner = _owner_lookup(reader, done)
    groups: dict[tuple[str, ...], list[AuditView]] = {}
    for row in done:
        automation = owner(row.subject)
        if may_view(automation):
            at_once = row.command.partition("/")[0] if "/" in row.command else row.command
            groups.setdefault((at_once, row.actor, row.verb, automation or ""), []).append(row)
    return [_build_operation(group, key[-1]) for key, group in groups.items()], has_more


def _is_relevant(row: AuditView) -> bool:
    if row.verb in _OWN_SESSION_VERBS:
        return False
    return not _is_refused(row.result)


@lru_cache(maxsize=1_024)  # nearly all results are equal
def _is_refused(result: bytes) -> bool:
    return isinstance(msgspec.json.decode(result, type=Result), Refused)


def _owner_lookup(reader: StoreReader, rows: Sequence[AuditView]) -> Callable[[str], str | None]:
    """Return a function from a subject to its automation; None = it has none."""
    named: dict[str, set[str]] = {"run": set(), "incident": set()}
    for row in rows:
        noun, _, name = row.subject.partition(":")
        named.get(noun, set()).add(name)
    runs = automations_of(reader, named["run"])
    incidents = {incident.id: incident.subject.automation for incident in incidents_named(reader, named["incident"])}

    def owner(subject: str) -> str | None:
        noun, _, name = subject.partition(":")
        return {"run": runs, "incident": incidents}.get(noun, {name: name} if noun == "automation" else {}).get(
            name
        ) or None

    return owner


def _build_operation(group: list[AuditView], automation: str) -> PersonOperation:
    row = group[0]
    return PersonOperation(
        done_at=row.at,
        by=row.actor,
        verb=row.verb,
        subject=row.subject,
        automation=automation,
        reason=row.reason,
        number=len(group),
    )
