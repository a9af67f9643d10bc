"""What is wrong, as data: findings of one look, and the incidents that they are about.

An incident is the one thing that is wrong: automation, kind and fingerprint name it, and there is one row for each, for ever.
"""

from enum import StrEnum
from typing import Any

import msgspec

from mainspring.domain.states import IncidentState

MEMBERS_FACT = "members"
"""The fact that says how many runs failed, were fixed and are open, in words."""
DECISION_FACT = "decided"
"""The fact of one that is over that says what became of its failed runs, where not all are fixed."""
MUST_NOTIFY_FACT = "owed"
"""The fact that people are told of it even if it is over before they would be."""


class IncidentKind(StrEnum):
    """What kind of thing is wrong: judged by the monitor of this name, but for those that say otherwise."""

    SILENCE = "silence"
    """No success in the window in which one was expected."""
    LATE_START = "late_start"
    """A slot came and its run did not begin."""
    PERMANENT_ERROR = "permanent_error"
    """A run failed by an error that another try cannot mend."""
    RETRIES_EXHAUSTED = "retries_exhausted"
    """A run failed by a passing error that outlasted its retries."""
    NEEDS_ATTENTION = "needs_attention"
    """A run cannot go on before a person decides."""
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
    """A run rejected a signal or event that its code cannot read."""
    WORKER_LOST = "worker_lost"
    """A process that is needed is dead, blocked or missing."""
    STORE_LOST = "store_lost"
    """The store cannot be read or written; told without it, see app/alerting/fallback_alerting.py."""
    COMMITS_LOST = "commits_lost"
    """The store went back in time: it lacks commits that were acknowledged."""
    STORE_DAMAGED = "store_damaged"
    """A page of the store's file cannot be read."""
    DEFINITION_LOST = "definition_lost"
    """An automation that ran is no longer defined, or fails to load."""
    SOURCE_AWAY = "source_away"
    """A broker or folder cannot be reached, or a webhook is turned away."""
    DELIVERY_REJECTED = "delivery_rejected"
    """A delivery of a known sender was rejected: another body under its key, or a value that does not fit."""
    DELIVERY_FAILED = "delivery_failed"
    """The filter of a delivery raised, or no run could be made of it."""
    SENDER_REJECTED = "sender_rejected"
    """A webhook rejects the sender that it knew: its secret was changed on one side."""
    SECRET_MISSING = "secret_missing"
    """No secret of a webhook is set, so it takes nothing."""
    CODEC_UNAVAILABLE = "codec_unavailable"
    ADDRESS_TAKEN = "address_taken"
    """An address that a process should listen on is taken."""
    UPKEEP_FAILING = "upkeep_failing"
    """A part of the upkeep of a process fails, so that dead processes or old data stay."""
    OUTBOX_BLOCKED = "outbox_blocked"
    """Messages that steps have sent do not reach their broker."""
    DEBOUNCE_HELD = "debounce_held"
    """A debounce lets nothing go."""
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
    CADENCE_DRIFT = "cadence_drift"
    """It starts less often, or later, than its schedule says."""
    PAUSED = "paused"
    """It was paused without an end, and seems forgotten."""
    NOTIFIER_BROKEN = "notifier_broken"
    """A channel does not take what it is to tell; judged by alerting/channel_findings.py."""
    RECURRING = "recurring"
    """The same error came back three times."""
    HELPED_BY_HAND = "helped_by_hand"
    """Too many of its runs need a person."""
    STORM = "storm"
    """Many incidents with one cause; made by folding.py."""


class Severity(StrEnum):
    """How loudly it is told, loudest first."""

    PAGE = "page"
    NOTIFY = "notify"
    DIGEST = "digest"

    @property
    def rank(self) -> int:
        """0 is the loudest."""
        return list(Severity).index(self)

    def at_most(self, other: "Severity") -> "Severity":
        """Return the quieter of the two."""
        return max(self, other, key=lambda one: one.rank)


class Subject(msgspec.Struct, frozen=True, order=True):
    """What an incident is of. `automation` "" = Mainspring itself; `fingerprint` "" = the automation has one of this kind."""

    automation: str
    kind: IncidentKind
    fingerprint: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a monitor says is wrong at the instant of its look."""

    subject: Subject
    severity: Severity
    text: str
    """The first line of what is told, without the automation's name: "no success for 26 h (expected daily 03:00 Europe/Berlin)"."""
    since_at: int
    """Since when it is wrong (ms UTC)."""
    hint: str | None = None
    """What to do, with the command that does it."""
    facts: dict[str, Any] = {}
    """What it was judged by, as JSON: figures, the arithmetic, ids of runs."""
    cause: str | None = None
    """What it shares with others that went wrong for the same reason ("host:a", "store", "queue:mail"); None = nothing known."""
    number: int = 1
    """How many new failures it stands for."""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as it stands. Instants are ms UTC."""

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
    """When a look found it last."""
    resolved_at: int | None = None
    snoozed_until: int | None = None
    """When it is told again: of one that is snoozed, or acknowledged for a time."""
    opened: int = 1
    """How many times it was opened; 2 = it came back once."""
    number: int = 1
    """How many failures it stands for since it was opened."""
    by: str | None = None
    """Who acknowledged, snoozed or resolved it last."""
    note: str | None = None
    parent: str | None = None
    """The storm it is folded into."""

    @property
    def said(self) -> str:
        """Return its first line, with what became of its failed runs: "failed: KeyError: 'b' (3 runs failed, 1 fixed, 2 open)"."""
        members = self.facts.get(MEMBERS_FACT) or self.facts.get(DECISION_FACT)
        return f"{self.text} ({members})" if isinstance(members, str) else self.text

    @property
    def dedup_key(self) -> str:
        """What receivers know it by, over all that is told of one opening."""
        return f"mainspring:{self.id}:{self.opened}"
