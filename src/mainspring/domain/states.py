"""Every state there is and the one table of legal moves; no state literal stands anywhere else (what is stored nowhere: `derived_states`).

The states of a run are drawn in docs/states.md. A move is named by its verb; `MOVES` says from which states it may start and in which
state it ends. Stores guard each statement with `sources(move)`, so a move that is not in the table cannot be made.
"""

from enum import StrEnum
from typing import Final


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    """Waits for its due time, its place in the queue, its partition key or a worker."""
    RUNNING = "running"
    """Claimed by a live session."""
    WAITING = "waiting"
    """Unloaded until a timer, an event, a signal, a child or a human."""
    RETRYING = "retrying"
    """The next attempt of a step has a time."""
    NEEDS_ATTENTION = "needs_attention"
    """Cannot go on by itself; a person must decide. Nothing is lost."""
    SUCCEEDED = "succeeded"
    """Ended with its result."""
    FAILED = "failed"
    """Ended with an error. May be continued by hand."""
    CANCELLED = "cancelled"
    """Ended because somebody asked for it."""


TERMINAL_STATES: Final = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})
"""States that end a run."""

IDLE_STATES: Final = frozenset({RunState.QUEUED, RunState.WAITING, RunState.RETRYING})
"""Nobody owns the run; a claim may take it when it is ready."""

REOPENABLE_STATES: Final = frozenset({RunState.FAILED, RunState.NEEDS_ATTENTION})
"""States from which a person may continue a run."""


class OutcomeState(StrEnum):
    """How a saved outcome of a run ended; the body sees it once."""

    SUCCEEDED = "succeeded"
    """The value is handed to the body."""
    FAILED = "failed"
    """The failure is handed to the body as an error."""
    CANCELLED = "cancelled"
    """The body gave the request up; kept for the record, handed to nobody."""
    REFUSED = "refused"
    """Done, but its value could not be saved: a person must give the result."""
    IN_DOUBT = "in_doubt"
    """An at-most-once step may or may not have had its effect: a person must say."""


class AttemptState(StrEnum):
    """How one attempt of a step stands."""

    STARTED = "started"
    """A start mark was committed; no end is known yet."""
    FAILED = "failed"
    """Ended with an error; whether another follows is told by its `next_at`."""
    LOST = "lost"
    """Its worker died. Never counts against the retry policy."""
    IN_DOUBT = "in_doubt"
    """At-most-once and not proven unsent."""


class MessageState(StrEnum):
    """How a message of the outbox stands; one that was sent is gone."""

    UNSENT = "unsent"
    """It waits for a Sender, and for its broker."""
    REFUSED = "refused"
    """Its broker will not take it: a person sends it again or discards it."""


class FailureReason(StrEnum):
    """Why a run failed or needs attention."""

    PERMANENT_ERROR = "permanent_error"
    """An error that another try cannot mend."""
    RETRIES_EXHAUSTED = "retries_exhausted"
    """A passing error that outlasted its retry policy."""
    DEADLINE = "deadline"
    """The run's deadline passed."""
    ROLLED_BACK = "rolled_back"
    """The body chose to undo what it had done."""
    CRASHES_WORKER = "crashes_worker"
    """Its code took its worker process down three times, alone."""
    DRIFT = "drift"
    """The code asks for a saved step with another input, or cannot ask for it any more."""
    IN_DOUBT = "in_doubt"
    """An at-most-once step ended without proof of what happened."""
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
    """A person gave it up."""


class SessionState(StrEnum):
    """Where a process's session stands."""

    ALIVE = "alive"
    """May claim and write."""
    DRAINING = "draining"
    """Writes, but claims nothing new."""
    CLOSED = "closed"
    """Ended by itself."""
    DEAD = "dead"
    """Declared dead by another process; whatever it still sends is refused."""
    QUARANTINED = "quarantined"
    """As dead, because a person said so: its supervisor starts no other in its place."""


class DeliveryState(StrEnum):
    """Where a delivery stands: what arrived for a trigger, from the moment it was stored."""

    RECEIVED = "received"
    """Stored, not decided: its filter or the router has to look at it."""
    HELD = "held"
    """Kept until its pace, or the others of its kind, let it start."""
    STARTED = "started"
    """A run was started for it, alone or with others."""
    FILTERED = "filtered"
    """Its filter said no."""
    DROPPED = "dropped"
    """Another one counts in its place, or a person dismissed it."""
    REFUSED = "refused"
    """It may not count: its signature, its value, or another body under its key."""
    FAILED = "failed"
    """Its filter raised, or no run can be started for it; a person may replay it."""


UNDECIDED_STATES: Final = frozenset({DeliveryState.RECEIVED, DeliveryState.HELD})
"""States in which something still becomes of a delivery by itself."""

_D = DeliveryState
DELIVERY_MOVES: Final[dict[DeliveryState, frozenset[DeliveryState]]] = {
    _D.RECEIVED: frozenset({_D.HELD, _D.STARTED, _D.FILTERED, _D.DROPPED, _D.REFUSED, _D.FAILED}),
    _D.HELD: frozenset({_D.STARTED, _D.DROPPED, _D.FAILED}),
    _D.FAILED: frozenset({_D.DROPPED}),
}
"""THE table of deliveries: state -> states that may follow. A state that is not in it is final."""


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    """It is wrong, and nobody said that they look after it."""
    ACKNOWLEDGED = "acknowledged"
    """It is wrong, and somebody looks after it."""
    SNOOZED = "snoozed"
    """It is wrong, and somebody said when to be told again."""
    RESOLVED = "resolved"
    """It is well again, or somebody said so."""


class IncidentMove(StrEnum):
    """The verbs that change an incident."""

    OPEN = "open"
    REOPEN = "reopen"
    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    WAKE = "wake"
    RESOLVE = "resolve"


_I = IncidentState
_OPEN_INCIDENT_STATES = frozenset({_I.OPEN, _I.ACKNOWLEDGED, _I.SNOOZED})
INCIDENT_MOVES: Final[dict[IncidentMove, tuple[frozenset[IncidentState], IncidentState]]] = {
    IncidentMove.OPEN: (frozenset(), _I.OPEN),
    IncidentMove.REOPEN: (frozenset({_I.RESOLVED}), _I.OPEN),
    IncidentMove.ACKNOWLEDGE: (frozenset({_I.OPEN, _I.SNOOZED}), _I.ACKNOWLEDGED),
    IncidentMove.SNOOZE: (_OPEN_INCIDENT_STATES, _I.SNOOZED),
    IncidentMove.WAKE: (frozenset({_I.SNOOZED, _I.ACKNOWLEDGED}), _I.OPEN),
    IncidentMove.RESOLVE: (_OPEN_INCIDENT_STATES, _I.RESOLVED),
}
"""THE table of incidents: verb -> (states it may start from, state it ends in)."""


class AlertState(StrEnum):
    """How one thing to be told to one channel stands."""

    UNSENT = "unsent"
    """It waits for its time, or for its channel."""
    SENT = "sent"
    """The channel took it."""
    REFUSED = "refused"
    """The channel will never take it."""
    DROPPED = "dropped"
    """What it was to tell was over, or told by another, before its time."""


class BulkState(StrEnum):
    """Where one act on many runs stands: it goes on piece by piece, until it is paused."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    """Somebody ended it: what was done is done, the rest is left as it is."""
    DONE = "done"
    """Each of its runs was acted upon or refused."""


class BulkMove(StrEnum):
    """The verbs that change a bulk act."""

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
"""THE table of bulk acts. A paused one ends if its last piece was under way."""


class RunMove(StrEnum):
    """The verbs that change a run's state."""

    STAGE = "stage"
    START_HERE = "start_here"
    CLAIM = "claim"
    SUSPEND = "suspend"
    RETRY_LATER = "retry_later"
    RELEASE = "release"
    LOSE = "lose"
    QUARANTINE = "quarantine"
    HALT = "halt"
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"
    CANCEL_IDLE = "cancel_idle"
    UNDO = "undo"
    REOPEN = "reopen"
    MARK_DONE = "mark_done"
    DISCARD = "discard"


_S = RunState
NO_STATES: Final[frozenset[RunState]] = frozenset()
"""Sources of a move that makes a run."""

RUN_MOVES: Final[dict[RunMove, tuple[frozenset[RunState], RunState]]] = {
    RunMove.STAGE: (NO_STATES, _S.QUEUED),
    RunMove.START_HERE: (NO_STATES, _S.RUNNING),
    RunMove.CLAIM: (IDLE_STATES, _S.RUNNING),
    RunMove.SUSPEND: (frozenset({_S.RUNNING}), _S.WAITING),
    RunMove.RETRY_LATER: (frozenset({_S.RUNNING}), _S.RETRYING),
    RunMove.RELEASE: (frozenset({_S.RUNNING}), _S.QUEUED),
    RunMove.LOSE: (frozenset({_S.RUNNING}), _S.QUEUED),
    RunMove.QUARANTINE: (frozenset({_S.QUEUED, _S.RUNNING}), _S.NEEDS_ATTENTION),
    RunMove.HALT: (frozenset({_S.RUNNING}), _S.NEEDS_ATTENTION),
    RunMove.SUCCEED: (frozenset({_S.RUNNING}), _S.SUCCEEDED),
    RunMove.FAIL: (frozenset({_S.RUNNING}), _S.FAILED),
    RunMove.CANCEL: (frozenset({_S.RUNNING}), _S.CANCELLED),
    RunMove.CANCEL_IDLE: (frozenset({_S.QUEUED, _S.NEEDS_ATTENTION}), _S.CANCELLED),
    RunMove.UNDO: (REOPENABLE_STATES, _S.QUEUED),
    RunMove.REOPEN: (REOPENABLE_STATES, _S.QUEUED),
    RunMove.MARK_DONE: (IDLE_STATES | {_S.NEEDS_ATTENTION}, _S.SUCCEEDED),
    RunMove.DISCARD: (frozenset({_S.NEEDS_ATTENTION}), _S.FAILED),
}
"""THE table: verb -> (states it may start from, state it ends in)."""


def source_states(move: RunMove) -> frozenset[RunState]:
    """Return the states from which `move` is legal."""
    return RUN_MOVES[move][0]


def target_state(move: RunMove) -> RunState:
    """Return the state in which `move` ends."""
    return RUN_MOVES[move][1]


def is_move_legal(move: RunMove, state: RunState) -> bool:
    """Tell whether a run in `state` may make `move`."""
    return state in RUN_MOVES[move][0]
