"""All states and the one table of legal moves; no state literal is anywhere else (states that are not stored: `derived_states`).

The states of a run are drawn in docs/states.md. A move is named by its verb; `RUN_MOVES` gives the states from which it may start and the
one in which it ends. Stores guard each statement with `source_states(move)`, so a move that is not in the table cannot be made.
"""

from enum import StrEnum
from typing import Final


class RunState(StrEnum):
    """The state of a run."""

    QUEUED = "queued"
    """Waits for its due time, its place in the queue, its partition key or a worker."""
    RUNNING = "running"
    """Claimed by a live session."""
    WAITING = "waiting"
    """Unloaded until a timer, an event, a signal, a child or a human."""
    RETRYING = "retrying"
    """The next attempt of a step, or of the run, has a time."""
    PAUSED = "paused"
    """A person paused it; it continues when a person resumes it."""
    NEEDS_ATTENTION = "needs_attention"
    """Cannot continue by itself; a person must decide. Nothing is lost."""
    SUCCEEDED = "succeeded"
    """Ended with its result."""
    FAILED = "failed"
    """Ended with an error. May be continued by hand."""
    CANCELLED = "cancelled"
    """Ended because a person or a program requested it."""


TERMINAL_STATES: Final = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})
"""States that end a run."""

IDLE_STATES: Final = frozenset({RunState.QUEUED, RunState.WAITING, RunState.RETRYING})
"""No session owns the run; a claim may take it when it is ready."""

REOPENABLE_STATES: Final = frozenset({RunState.FAILED, RunState.NEEDS_ATTENTION})
"""States from which a person may resume a run."""


class OutcomeState(StrEnum):
    """How a saved outcome of a run ended; the body sees it once."""

    SUCCEEDED = "succeeded"
    """The value is returned to the body."""
    FAILED = "failed"
    """The failure is raised in the body as an error."""
    CANCELLED = "cancelled"
    """The body cancelled the request; stored for the record, returned to no one."""
    REFUSED = "refused"
    """Done, but its value could not be saved: a person must give the result."""
    IN_DOUBT = "in_doubt"
    """An at-most-once step may or may not have had its effect: a person must decide."""


class AttemptState(StrEnum):
    """The state of one attempt of a step."""

    STARTED = "started"
    """A start mark was committed; no end is known yet."""
    FAILED = "failed"
    """Ended with an error; `next_at` shows whether another follows."""
    LOST = "lost"
    """Its worker died. Never counts against the retry policy."""
    IN_DOUBT = "in_doubt"
    """At-most-once and not proven unsent."""


class MessageState(StrEnum):
    """The state of a message of the outbox; one that was sent is deleted."""

    UNSENT = "unsent"
    """It waits for a Sender, and for its broker."""
    REFUSED = "refused"
    """Its broker does not accept it: a person sends it again or discards it."""


class EffectState(StrEnum):
    """The state of an effect in the ledger; one that was released or forgotten is deleted."""

    PENDING = "pending"
    """Its intent is committed, and its holder works."""
    DONE = "done"
    """It happened; its result is on record."""
    UNKNOWN = "unknown"
    """Its outcome is not known: the next call of its key asks the target, or repeats it under the same idempotency key."""
    IN_DOUBT = "in_doubt"
    """Its outcome is not known, and a person must decide."""


class EffectMove(StrEnum):
    """The verbs that change an effect."""

    BEGIN = "begin"
    COMPLETE = "complete"
    LOSE = "lose"
    DOUBT = "doubt"
    DISPUTE = "dispute"
    """The target does not have what is on record as done."""
    PERMIT = "permit"
    """A person says that it did not happen, and lets its step perform it."""
    KEEP = "keep"
    """It did not happen, but parts of it did: the next call continues after them."""
    CORRECT = "correct"
    """A person gives another result to what a person has confirmed."""


_UNPROVEN_STATES: Final = frozenset({EffectState.UNKNOWN, EffectState.IN_DOUBT})
EFFECT_MOVES: Final[dict[EffectMove, tuple[frozenset[EffectState], EffectState]]] = {
    EffectMove.BEGIN: (frozenset(EffectState), EffectState.PENDING),
    EffectMove.COMPLETE: (_UNPROVEN_STATES | {EffectState.PENDING}, EffectState.DONE),
    EffectMove.LOSE: (frozenset({EffectState.PENDING}), EffectState.UNKNOWN),
    EffectMove.DOUBT: (frozenset({EffectState.PENDING, EffectState.UNKNOWN}), EffectState.IN_DOUBT),
    EffectMove.DISPUTE: (frozenset({EffectState.DONE}), EffectState.IN_DOUBT),
    EffectMove.PERMIT: (frozenset({EffectState.IN_DOUBT}), EffectState.UNKNOWN),
    EffectMove.KEEP: (_UNPROVEN_STATES | {EffectState.PENDING}, EffectState.UNKNOWN),
    EffectMove.CORRECT: (frozenset({EffectState.DONE}), EffectState.DONE),
}
"""THE table of effects: verb -> (states it may start from, state it ends in). `effects.decision` says when one may begin."""


class FailureReason(StrEnum):
    """The reason why a run failed or needs attention."""

    PERMANENT_ERROR = "permanent_error"
    """An error that another try cannot fix."""
    RETRIES_EXHAUSTED = "retries_exhausted"
    """A passing error that outlasted its retry policy."""
    DEADLINE = "deadline"
    """The run's deadline passed."""
    ROLLED_BACK = "rolled_back"
    """The body chose to undo what it had done."""
    CRASHES_WORKER = "crashes_worker"
    """Its code ended its worker process three times, as the only run."""
    DRIFT = "drift"
    """The code requests a saved step with another input, or cannot request it any more."""
    IN_DOUBT = "in_doubt"
    """A step ended without proof of what happened: an at-most-once step, or one with an effect in doubt."""
    VALUE_REFUSED = "value_refused"
    """A step is done but its result cannot be saved."""
    UNDO_FAILED = "undo_failed"
    """An undo ended with an error."""
    BODY_ERROR = "body_error"
    """The body raised by itself, or waits for something that cannot come."""
    NO_OUTPUT = "no_output"
    """It ended well but did not make what it declares to make."""
    PROCESS_LOST = "process_lost"
    """The process that held a wrapped command died."""
    DISCARDED = "discarded"
    """A person discarded it."""


class SessionState(StrEnum):
    """The state of a process's session."""

    ALIVE = "alive"
    """May claim and write."""
    DRAINING = "draining"
    """Writes, but claims nothing new."""
    CLOSED = "closed"
    """Ended by itself."""
    DEAD = "dead"
    """Declared dead by another process; everything it still sends is refused."""
    QUARANTINED = "quarantined"
    """As dead, by a person: its supervisor starts no other in its place."""


class DeliveryState(StrEnum):
    """The state of a delivery for a trigger, from the moment it was stored."""

    RECEIVED = "received"
    """Stored, not decided: its filter or the router has to read it."""
    HELD = "held"
    """Held until its flow control, or the others of its kind, allow it to start."""
    STARTED = "started"
    """A run was started for it, alone or with others."""
    FILTERED = "filtered"
    """Its filter rejected it."""
    DROPPED = "dropped"
    """Another one counts in its place, or a person dismissed it."""
    REFUSED = "refused"
    """It is rejected: its signature, its value, or another body under its key."""
    FAILED = "failed"
    """Its filter raised, or no run can be started for it; a person may replay it."""


UNDECIDED_STATES: Final = frozenset({DeliveryState.RECEIVED, DeliveryState.HELD})
"""States in which a delivery still proceeds by itself."""

DELIVERY_MOVES: Final[dict[DeliveryState, frozenset[DeliveryState]]] = {
    DeliveryState.RECEIVED: frozenset(
        {
            DeliveryState.HELD,
            DeliveryState.STARTED,
            DeliveryState.FILTERED,
            DeliveryState.DROPPED,
            DeliveryState.REFUSED,
            DeliveryState.FAILED,
        }
    ),
    DeliveryState.HELD: frozenset({DeliveryState.STARTED, DeliveryState.DROPPED, DeliveryState.FAILED}),
    DeliveryState.FAILED: frozenset({DeliveryState.DROPPED}),
}
"""THE table of deliveries: state -> states that may follow. A state that is not in it is final."""


class UpdateState(StrEnum):
    """The state of an update: a request to a run that gets a reply."""

    RECEIVED = "received"
    """Stored. The code of the run has not checked it."""
    ACCEPTED = "accepted"
    """The code accepted it: its handler runs, also after a crash."""
    REJECTED = "rejected"
    """The code rejected it: nothing of it is in the journal. The reason is the reply."""
    DONE = "done"
    """Its handler has returned the reply."""
    FAILED = "failed"
    """Its handler raised, or the run ended before: the error is the reply."""


class UpdateMove(StrEnum):
    """The moves of an update."""

    ACCEPT = "accept"
    REJECT = "reject"
    REPLY = "reply"
    FAIL = "fail"
    RETURN = "return"
    """The run continues without what followed its acceptance: its code gets it again."""


UPDATE_MOVES: Final[dict[UpdateMove, tuple[frozenset[UpdateState], UpdateState]]] = {
    UpdateMove.ACCEPT: (frozenset({UpdateState.RECEIVED}), UpdateState.ACCEPTED),
    UpdateMove.REJECT: (frozenset({UpdateState.RECEIVED}), UpdateState.REJECTED),
    UpdateMove.REPLY: (frozenset({UpdateState.ACCEPTED}), UpdateState.DONE),
    UpdateMove.FAIL: (frozenset({UpdateState.RECEIVED, UpdateState.ACCEPTED}), UpdateState.FAILED),
    UpdateMove.RETURN: (frozenset({UpdateState.ACCEPTED}), UpdateState.RECEIVED),
}
"""THE table of updates: move -> (states it may start from, state it ends in). A reply that was given stays."""


class IncidentState(StrEnum):
    """The state of an incident."""

    OPEN = "open"
    """It is failing, and no one has acknowledged it."""
    ACKNOWLEDGED = "acknowledged"
    """It is failing, and a person looks after it."""
    SNOOZED = "snoozed"
    """It is failing, and a person chose the time of the next notification."""
    RESOLVED = "resolved"
    """It is healthy again, or a person resolved it."""


class IncidentMove(StrEnum):
    """The verbs that change an incident."""

    OPEN = "open"
    REOPEN = "reopen"
    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    WAKE = "wake"
    RESOLVE = "resolve"


_OPEN_INCIDENT_STATES = frozenset({IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.SNOOZED})
INCIDENT_MOVES: Final[dict[IncidentMove, tuple[frozenset[IncidentState], IncidentState]]] = {
    IncidentMove.OPEN: (frozenset(), IncidentState.OPEN),
    IncidentMove.REOPEN: (frozenset({IncidentState.RESOLVED}), IncidentState.OPEN),
    IncidentMove.ACKNOWLEDGE: (frozenset({IncidentState.OPEN, IncidentState.SNOOZED}), IncidentState.ACKNOWLEDGED),
    IncidentMove.SNOOZE: (_OPEN_INCIDENT_STATES, IncidentState.SNOOZED),
    IncidentMove.WAKE: (frozenset({IncidentState.SNOOZED, IncidentState.ACKNOWLEDGED}), IncidentState.OPEN),
    IncidentMove.RESOLVE: (_OPEN_INCIDENT_STATES, IncidentState.RESOLVED),
}
"""THE table of incidents: verb -> (states it may start from, state it ends in)."""


class AlertState(StrEnum):
    """The state of one notification for one channel."""

    UNSENT = "unsent"
    """It waits for its time, or for its channel."""
    SENT = "sent"
    """The channel accepted it."""
    REFUSED = "refused"
    """The channel will never accept it."""
    DROPPED = "dropped"
    """Its subject was over, or covered by another notification, before its time."""


class BulkState(StrEnum):
    """The state of an operation on many runs: it continues piece by piece, until it is paused."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    """A person ended it: finished parts stay, the rest is left as it is."""
    DONE = "done"
    """Each of its runs was operated on or refused."""


class BulkMove(StrEnum):
    """The verbs that change a bulk operation."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    END = "end"


BULK_MOVES: Final[dict[BulkMove, tuple[frozenset[BulkState], BulkState]]] = {
    BulkMove.PAUSE: (frozenset({BulkState.RUNNING}), BulkState.PAUSED),
    BulkMove.RESUME: (frozenset({BulkState.PAUSED}), BulkState.RUNNING),
    BulkMove.STOP: (frozenset({BulkState.RUNNING, BulkState.PAUSED}), BulkState.STOPPED),
    BulkMove.END: (frozenset({BulkState.RUNNING, BulkState.PAUSED}), BulkState.DONE),
}
"""THE table of bulk operations. A paused one ends if its last piece was in progress."""


class RolloutState(StrEnum):
    """The state of a rollout of a new version."""

    RUNNING = "running"
    """New runs are divided between the two versions."""
    PAUSED = "paused"
    """As running; no step follows until a person resumes it."""
    FINISHED = "finished"
    """The new version is in force."""
    ABORTED = "aborted"
    """A person ended it: new runs get the old version."""
    ROLLED_BACK = "rolled_back"
    """The guard ended it, because the new version was worse."""
    SUPERSEDED = "superseded"
    """A third version was deployed without a rollout, and is in force."""


class RolloutMove(StrEnum):
    """The verbs that change a rollout."""

    PAUSE = "pause"
    RESUME = "resume"
    ADVANCE = "advance"
    FINISH = "finish"
    ABORT = "abort"
    ROLL_BACK = "roll_back"
    SUPERSEDE = "supersede"


ROLLOUT_VERBS: Final = ("rollout start", *(f"rollout {move.value.replace('_', ' ')}" for move in RolloutMove))
"""The operations on rollouts as the audit log names them."""
ACTIVE_ROLLOUT_STATES: Final = frozenset({RolloutState.RUNNING, RolloutState.PAUSED})
"""States in which new runs are divided."""
FAILED_ROLLOUT_STATES: Final = frozenset({RolloutState.ABORTED, RolloutState.ROLLED_BACK})
"""States in which the new version takes no run until a rollout of it starts again."""
ROLLOUT_MOVES: Final[dict[RolloutMove, tuple[frozenset[RolloutState], RolloutState]]] = {
    RolloutMove.PAUSE: (frozenset({RolloutState.RUNNING}), RolloutState.PAUSED),
    RolloutMove.RESUME: (frozenset({RolloutState.PAUSED}), RolloutState.RUNNING),
    RolloutMove.ADVANCE: (frozenset({RolloutState.RUNNING}), RolloutState.RUNNING),
    RolloutMove.FINISH: (ACTIVE_ROLLOUT_STATES, RolloutState.FINISHED),
    RolloutMove.ABORT: (ACTIVE_ROLLOUT_STATES, RolloutState.ABORTED),
    RolloutMove.ROLL_BACK: (ACTIVE_ROLLOUT_STATES, RolloutState.ROLLED_BACK),
    RolloutMove.SUPERSEDE: (ACTIVE_ROLLOUT_STATES, RolloutState.SUPERSEDED),
}
"""THE table of rollouts: verb -> (states it may start from, state it ends in)."""


class RunMove(StrEnum):
    """The verbs that change a run's state."""

    STAGE = "stage"
    START_HERE = "start_here"
    CLAIM = "claim"
    SUSPEND = "suspend"
    RETRY_LATER = "retry_later"
    PAUSE = "pause"
    PAUSE_IDLE = "pause_idle"
    RESUME = "resume"
    RELEASE = "release"
    LOSE = "lose"
    QUARANTINE = "quarantine"
    HALT = "halt"
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"
    CANCEL_IDLE = "cancel_idle"
    UNDO = "undo"
    UNDO_CHILD = "undo_child"
    """The run that requested it rolls back."""
    REOPEN = "reopen"
    MARK_DONE = "mark_done"
    DISCARD = "discard"


NO_STATES: Final[frozenset[RunState]] = frozenset()
"""Sources of a move that makes a run."""

RUN_MOVES: Final[dict[RunMove, tuple[frozenset[RunState], RunState]]] = {
    RunMove.STAGE: (NO_STATES, RunState.QUEUED),
    RunMove.START_HERE: (NO_STATES, RunState.RUNNING),
    RunMove.CLAIM: (IDLE_STATES, RunState.RUNNING),
    RunMove.SUSPEND: (frozenset({RunState.RUNNING}), RunState.WAITING),
    RunMove.RETRY_LATER: (frozenset({RunState.RUNNING}), RunState.RETRYING),
    RunMove.PAUSE: (frozenset({RunState.RUNNING}), RunState.PAUSED),
    RunMove.PAUSE_IDLE: (IDLE_STATES, RunState.PAUSED),
    RunMove.RESUME: (frozenset({RunState.PAUSED}), RunState.QUEUED),
    RunMove.RELEASE: (frozenset({RunState.RUNNING}), RunState.QUEUED),
    RunMove.LOSE: (frozenset({RunState.RUNNING}), RunState.QUEUED),
    RunMove.QUARANTINE: (frozenset({RunState.QUEUED, RunState.RUNNING}), RunState.NEEDS_ATTENTION),
    RunMove.HALT: (frozenset({RunState.RUNNING}), RunState.NEEDS_ATTENTION),
    RunMove.SUCCEED: (frozenset({RunState.RUNNING}), RunState.SUCCEEDED),
    RunMove.FAIL: (frozenset({RunState.RUNNING}), RunState.FAILED),
    RunMove.CANCEL: (frozenset({RunState.RUNNING}), RunState.CANCELLED),
    RunMove.CANCEL_IDLE: (
        frozenset({RunState.QUEUED, RunState.PAUSED, RunState.NEEDS_ATTENTION}),
        RunState.CANCELLED,
    ),
    RunMove.UNDO: (REOPENABLE_STATES, RunState.QUEUED),
    RunMove.UNDO_CHILD: (frozenset({RunState.SUCCEEDED, RunState.FAILED}), RunState.QUEUED),
    RunMove.REOPEN: (REOPENABLE_STATES, RunState.QUEUED),
    RunMove.MARK_DONE: (IDLE_STATES | {RunState.PAUSED, RunState.NEEDS_ATTENTION}, RunState.SUCCEEDED),
    RunMove.DISCARD: (frozenset({RunState.NEEDS_ATTENTION}), RunState.FAILED),
}
"""THE table: verb -> (states it may start from, state it ends in)."""


def source_states(move: RunMove) -> frozenset[RunState]:
    """Return the states from which `move` is legal."""
    return RUN_MOVES[move][0]


def target_state(move: RunMove) -> RunState:
    """Return the state in which `move` ends."""
    return RUN_MOVES[move][1]


def is_move_legal(move: RunMove, state: RunState) -> bool:
    """Return whether a run in `state` may make `move`."""
    return state in RUN_MOVES[move][0]
