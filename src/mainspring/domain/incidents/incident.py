"""Incidents as data, with the findings of one evaluation that they are about.

An incident is one problem: automation, kind and fingerprint name it. There is one row for each, which is never deleted.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec

from mainspring.domain.states import IncidentState

MEMBERS_FACT = "members"
"""The fact with the number of runs that failed, were fixed and are open, in words."""
ANSWER_FACT = "answer"
"""The fact that says how the question of an incident can be answered: ident, opened_at (ms UTC), choices, has_form."""
DECISION_FACT = "decided"
"""The fact of a resolved incident with the outcome of its failed runs, if not all are fixed."""
MUST_NOTIFY_FACT = "owed"
"""The fact that people must be notified even if the incident is over before that."""


class IncidentKind(StrEnum):
    """The kind of problem. The monitor of this name evaluates it, unless stated otherwise."""

    SILENCE = "silence"
    """No success in the window in which one was expected."""
    LATE_START = "late_start"
    """A slot came and its run did not begin."""
    PERMANENT_ERROR = "permanent_error"
    """A run failed by an error that another try cannot fix."""
    RETRIES_EXHAUSTED = "retries_exhausted"
    """A run failed by a passing error that outlasted its retries."""
    NEEDS_ATTENTION = "needs_attention"
    """A run cannot continue before a person decides."""
    FAIL_RATE = "fail_rate"
    """Too large a share of the runs fails."""
    TOO_SLOW = "too_slow"
    """Runs take longer than they may, or ever took."""
    STALLED = "stalled"
    """A step that nothing ends gives no sign of life."""
    TOO_FAST = "too_fast"
    """Runs end sooner than the work can be done in."""
    DID_NOTHING = "did_nothing"
    """A run succeeded and put out next to nothing."""
    TOO_OFTEN = "too_often"
    """It starts more often than it should."""
    BACKLOG = "backlog"
    """Too much waits, or for too long."""
    BACKLOG_GROWING = "backlog_growing"
    """More comes in than is done."""
    HUMAN_WAIT = "human_wait"
    """A question has waited for its answer too long."""
    REJECTED_MESSAGE = "rejected_message"
    """A run rejected a signal, an event or an answer that its code cannot read."""
    WORKER_LOST = "worker_lost"
    """A process that is needed is dead, blocked or missing."""
    STORE_LOST = "store_lost"
    """The store cannot be read or written; reported without it, see app/alerting/fallback_alerting.py."""
    COMMITS_LOST = "commits_lost"
    """The store went back in time: it lacks commits that were acknowledged."""
    STORE_DAMAGED = "store_damaged"
    """A page of the store's file cannot be read."""
    DEFINITION_LOST = "definition_lost"
    """An automation that ran is no longer defined, or fails to load."""
    SOURCE_UNREACHABLE = "source_unreachable"
    """A broker or folder cannot be reached, or a webhook is rejected."""
    DELIVERY_REJECTED = "delivery_rejected"
    """A delivery of a known sender was rejected: another body under its key, or a value that does not fit."""
    DELIVERY_FAILED = "delivery_failed"
    """The filter of a delivery raised, or no run could be made of it."""
    SENDER_REJECTED = "sender_rejected"
    """A webhook rejects a sender that it knew: its secret was changed on one side."""
    SECRET_MISSING = "secret_missing"
    """No secret of a webhook is set, so it accepts nothing."""
    CODEC_UNAVAILABLE = "codec_unavailable"
    ADDRESS_TAKEN = "address_taken"
    """An address that a process should listen on is taken."""
    UPKEEP_FAILING = "upkeep_failing"
    """A part of the upkeep of a process fails, so that dead processes or old data stay."""
    OUTBOX_BLOCKED = "outbox_blocked"
    """Messages that steps have sent do not reach their broker."""
    DEBOUNCE_HELD = "debounce_held"
    """A debounce starts nothing."""
    RUN_PAUSED = "run_paused"
    """A single run is paused, and seems forgotten."""
    PARTITION_HELD = "partition_held"
    """Runs wait behind one that holds their partition and does not run."""
    UNSERVED = "unserved"
    """Runs are ready, and no live worker serves their queue, tag or version."""
    CLOCK_REGRESSION = "clock_regression"
    """The clock was put back, and has not passed the old instant yet."""
    WAL_HELD = "wal_held"
    """The write-ahead log of a store in a file cannot be emptied."""
    SECRET_DUE = "secret_due"
    """A secret has to be renewed."""
    LOCK_HELD = "lock_held"
    """A lock is held far longer than it usually is."""
    EFFECT_IN_DOUBT = "effect_in_doubt"
    """An effect may or may not have happened, and no run asks a person about it."""
    FLAG_UNANSWERED = "flag_unanswered"
    """Code got its own default, because its question did not fit a flag."""
    FLAG_EXPIRED = "flag_expired"
    """A flag is past its expiry date."""
    FLAG_STALE = "flag_stale"
    """A flag decides nothing any more: all keys have the same side, or no code asks for it."""
    ROLLOUT_ROLLED_BACK = "rollout_rolled_back"
    """A rollout was rolled back by its guard, because the new version is worse."""
    ROLLOUT_UNDECIDED = "rollout_undecided"
    """The time of a step of a rollout is over, and there is not enough evidence for the next one."""
    CADENCE_DRIFT = "cadence_drift"
    """It starts less often, or later, than its schedule says."""
    PAUSED = "paused"
    """It was paused without an end, and seems forgotten."""
    NOTIFIER_BROKEN = "notifier_broken"
    """A channel does not accept notifications; evaluated by alerting/always_on.py."""
    RECURRING = "recurring"
    """The same error came back three times."""
    HELPED_BY_HAND = "helped_by_hand"
    """Too many of its runs need a person."""
    STORM = "storm"
    """Many incidents with one cause; made by incident_correlation.py."""


class Severity(StrEnum):
    """How loudly it is notified, loudest first."""

    PAGE = "page"
    NOTIFY = "notify"
    DIGEST = "digest"

    @property
    def rank(self) -> int:
        """The rank of the severity: 0 is the loudest."""
        return list(Severity).index(self)

    def at_most(self, other: "Severity") -> "Severity":
        """Return the quieter of the two."""
        return max(self, other, key=lambda severity: severity.rank)


class Subject(msgspec.Struct, frozen=True, order=True):
    """The subject of an incident. `automation` "" = Mainspring itself; `fingerprint` "" = the automation has one of this kind."""

    automation: str
    kind: IncidentKind
    fingerprint: str = ""


INCIDENT_WORD: Final = "INCIDENT"
"""Stands for the id of the incident in the hint of a finding."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A problem that a monitor finds at the instant of its evaluation."""

    subject: Subject
    severity: Severity
    text: str
    """The first line of the notification, without the automation's name: "no success for 26 h (expected daily 03:00 Europe/Berlin)"."""
    since_at: int
    """The instant from which it has been failing (ms UTC)."""
    hint: str | None = None
    """The next step, with its command."""
    facts: dict[str, Any] = {}
    """The values it was evaluated by, as JSON: figures, the arithmetic, ids of runs."""
    cause: str | None = None
    """The cause shared with other findings ("host:a", "store", "queue:mail"); None = nothing known."""
    number: int = 1
    """How many new failures it covers."""

    def hint_for(self, incident: str) -> str | None:
        """Return the next step with the id of the incident, which no monitor knows."""
        return None if self.hint is None else self.hint.replace(INCIDENT_WORD, incident)


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """An incident in its present state. Instants are ms UTC."""

    id: str
    subject: Subject
    state: IncidentState
    severity: Severity
    text: str
    hint: str | None
    facts: dict[str, Any]
    since_at: int
    opened_at: int
    changed_at: int
    seen_at: int
    """The last evaluation that found it."""
    resolved_at: int | None = None
    snoozed_until: int | None = None
    """The time of the next notification, if it is snoozed, or acknowledged for a time."""
    opened: int = 1
    """How many times it was opened; 2 = it came back once."""
    number: int = 1
    """How many failures it covers since it was opened."""
    by: str | None = None
    """The person who acknowledged, snoozed or resolved it last."""
    note: str | None = None
    parent: str | None = None
    """The storm it is grouped into."""

    @property
    def summary(self) -> str:
        """Return its first line, with the outcome of its failed runs: "failed: KeyError: 'b' (3 runs failed, 1 fixed, 2 open)"."""
        members = self.facts.get(MEMBERS_FACT) or self.facts.get(DECISION_FACT)
        return f"{self.text} ({members})" if isinstance(members, str) else self.text

    @property
    def dedup_key(self) -> str:
        """The key by which receivers know all notifications of one opening."""
        return f"mainspring:{self.id}:{self.opened}"
