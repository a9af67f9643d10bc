"""Commands on incidents: what a watcher saw in one look, and what people say about one."""

from typing import Any

import msgspec

from mainspring.domain.incidents.incident import Finding, Subject
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationTarget

DECIDED_CLOCK_STEP = "decided_clock_step"
"""The entry of `meta` with the number of the newest step of the clock when a person resolved the incident of it."""


class GroupedFailure(msgspec.Struct, frozen=True):
    """One row of `faults` that this look groups."""

    seq: int
    run: str
    at: int


class ErrorGroup(msgspec.Struct, frozen=True):
    """Failures of one cause, and those of them that this look adds. All text is redacted."""

    automation: str
    fingerprint: str
    type: str
    code: str
    place: str
    message: str
    told: tuple[GroupedFailure, ...]


class EvaluatedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, with the id of its incident if it opens one, and who is told if it does.

    `faults` = the rows of `faults` that it is made of; it counts for nothing where another watcher has grouped them all. `parent` = what it
    is folded into, which stands before it or is open: it is then told to nobody.
    """

    id: str
    finding: Finding
    to: tuple[NotificationTarget, ...] = ()
    faults: tuple[int, ...] = ()
    parent: Subject | None = None


class IncidentReminder(msgspec.Struct, frozen=True):
    """Tell once more of an incident that is still open (its `number`th time), or wake one whose snooze is over.

    `wakes` = it is told of one that is acknowledged too, and opens it again by that.
    """

    incident: str
    opened: int
    about: NotificationEvent
    number: int
    to: tuple[NotificationTarget, ...]
    wakes: bool = False


class Digest(msgspec.Struct, frozen=True):
    """Tell a channel of early signs at the digest's time `at`, once; they are about no incident."""

    at: int
    to: NotificationTarget


class RecordEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Write down one look, begun at `looked_at` (the store's clock): open, reopen, refresh, resolve, remind. Answer: Numbered(changes).

    `well` = subjects that were judged, or whose automation is gone, and of which nothing was found.
    `is_back` = incidents were written by a clock that was ahead: their instants count as now.
    """

    looked_at: int
    groups: tuple[ErrorGroup, ...] = ()
    found: tuple[EvaluatedFinding, ...] = ()
    well: tuple[Subject, ...] = ()
    reminders: tuple[IncidentReminder, ...] = ()
    digests: tuple[Digest, ...] = ()
    is_back: bool = False


class RecordStoreOutage(msgspec.Struct, frozen=True, kw_only=True):
    """The store was lost from `since_at` to `over_at`, of which people heard without it: nobody is told. Answer: Done.

    `id` = that of the incident if there was none before. What overlaps with what is on record is the same loss.
    """

    id: str
    since_at: int
    over_at: int
    text: str
    facts: dict[str, Any]


class AcknowledgeIncident(msgspec.Struct, frozen=True):
    """Somebody looks after it; `until_at` = it is open again then, unless it is resolved. Answer: Done, Refused not_found | wrong_state."""

    incident: str
    by: str
    note: str | None = None
    until_at: int | None = None


class SnoozeIncident(msgspec.Struct, frozen=True):
    """Say no more of it until an instant, unless it is resolved before. Answer: Done, Refused not_found | wrong_state."""

    incident: str
    until_at: int
    by: str
    note: str | None = None


class ResolveIncident(msgspec.Struct, frozen=True):
    """It is over; the next look that finds it again reopens it. Answer: Done, Refused not_found | wrong_state."""

    incident: str
    by: str
    note: str | None = None
