"""Commands on incidents: the findings of one evaluation by a watcher, and the operations of people."""

import msgspec

from mainspring.domain.incidents.incident import Finding, Subject
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.store.commands.base import BookkeepingCommand, PersonalCommand, StoreCommand
from mainspring.store.commands.results import CommandDone, NumberAnswer, Refused

DECIDED_CLOCK_STEP = "decided_clock_step"
"""The entry of `meta` with the number of the newest clock step when a person resolved its incident."""


class GroupedFailure(msgspec.Struct, frozen=True):
    """One row of `failures` that this evaluation groups."""

    seq: int
    run: str
    at: int


class ErrorGroup(msgspec.Struct, frozen=True):
    """Failures of one cause, and those that this evaluation adds (`added`). All text is redacted."""

    automation: str
    fingerprint: str
    type: str
    code: str
    place: str
    message: str
    added: tuple[GroupedFailure, ...]


class EvaluatedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, with the id of its incident and the targets to notify, if it opens one.

    `failures` = its rows of `failures`; it is ignored if another watcher has grouped all of them. `parent` = the
    finding under which it is grouped, which precedes it or is open: then no one is notified.
    """

    id: str
    finding: Finding
    to: tuple[NotificationTarget, ...] = ()
    faults: tuple[int, ...] = ()
    parent: Subject | None = None


class IncidentReminder(msgspec.Struct, frozen=True):
    """Notify again of an incident that is still open (for the `number`th time), or wake one whose snooze is over.

    `wakes` = also for an acknowledged incident, which reopens it.
    """

    incident: str
    opened: int
    about: NotificationEvent
    number: int
    to: tuple[NotificationTarget, ...]
    wakes: bool = False


class Digest(msgspec.Struct, frozen=True):
    """Notify a channel of early signs at the digest's time `at`, once; they belong to no incident."""

    at: int
    to: NotificationTarget


class RecordEvaluation(BookkeepingCommand[NumberAnswer], frozen=True, kw_only=True):
    """Record one evaluation that started at `started_at` (the store's clock): open, reopen, refresh, resolve, remind.
    Answer: NumberAnswer(changes).

    `healthy` = subjects that were evaluated without a finding, or whose automation no longer exists. `is_back` = incidents
    were written by a clock that was ahead: their instants count as now.
    """

    started_at: int
    groups: tuple[ErrorGroup, ...] = ()
    found: tuple[EvaluatedFinding, ...] = ()
    healthy: tuple[Subject, ...] = ()
    reminders: tuple[IncidentReminder, ...] = ()
    digests: tuple[Digest, ...] = ()
    is_back: bool = False


class RecordStoreOutage(BookkeepingCommand[CommandDone], frozen=True, kw_only=True):
    """Record an outage of the store from `since_at` to `over_at` that people were notified of without the store: it
    sends no notification. Answer: CommandDone.

    `id` = that of a new incident. An outage that overlaps one on record is the same.
    """

    id: str
    since_at: int
    over_at: int
    text: str
    facts: dict[str, object]


class AcknowledgeIncident(PersonalCommand[CommandDone | Refused], frozen=True):
    """Acknowledge an incident for a person; at `until_at` it reopens unless it is resolved. Answer: CommandDone,
    Refused not_found | wrong_state.
    """

    incident: str
    by: str
    note: str | None = None
    until_at: int | None = None


class SnoozeIncident(PersonalCommand[CommandDone | Refused], frozen=True):
    """Snooze an incident until an instant, unless it is resolved before. Answer: CommandDone, Refused not_found |
    wrong_state.
    """

    incident: str
    until_at: int
    by: str
    note: str | None = None


class ResolveIncident(StoreCommand[CommandDone | Refused], frozen=True):
    """Resolve an incident; the next evaluation that finds it again reopens it. Answer: CommandDone, Refused not_found |
    wrong_state.
    """

    incident: str
    by: str
    note: str | None = None
