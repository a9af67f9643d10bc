"""What a group locks before its handlers run.

A handler holds what it decides upon by itself (Transaction.hold); this only takes beforehand what the commands name, all of it at once and
in one order (events and partitions by number, runs by id, all other names by number), so that groups of two processes wait for each other
in a row and not in a ring. Handlers keep to the same order. What one finds out only later can still make a ring: the server breaks it, and
the group is sent again.
"""

from collections.abc import Iterator
from typing import Any

from mainspring.store.commands.alerts import LeaseChannels
from mainspring.store.commands.automations import (
    AcquireLock,
    AnnounceDefinitions,
    AuditedCommand,
    BackfillSlot,
    DismissSlot,
    MakeSlot,
    PauseQueue,
    PullBackSchedule,
    RecordRunConditions,
    SetQueue,
)
from mainspring.store.commands.bulk_operations import ChangeBulkOperation, LeaseBulkBatch, RecordBulkBatch
from mainspring.store.commands.inbox import (
    CloseWait,
    DeliverFact,
    DropRejectedFacts,
    ExpireWait,
    OpenWait,
    PublishEvent,
    RejectFact,
    ReturnFact,
)
from mainspring.store.commands.incidents import (
    AcknowledgeIncident,
    RecordEvaluation,
    RecordStoreOutage,
    ResolveIncident,
    SnoozeIncident,
)
from mainspring.store.commands.journal import SaveAttempt, SaveCheckpoint, SaveOutcome
from mainspring.store.commands.outbox import LeaseQueues
from mainspring.store.commands.people import (
    AddPerson,
    ChangePerson,
    EndWebSession,
    EndWebSessions,
    OpenWebSession,
    RemovePerson,
    SetPassword,
)
from mainspring.store.commands.runs import (
    AnnotateRun,
    CancelRun,
    ClaimRuns,
    CompleteRun,
    DiscardRun,
    FinishRun,
    GiveResult,
    HaltRun,
    MarkRunDone,
    ParentLink,
    ReopenRun,
    RunKey,
    StartRun,
    SuspendRun,
)
from mainspring.store.commands.sessions import RecordHeartbeat
from mainspring.store.commands.triggers import (
    AcceptDelivery,
    DecideDelivery,
    DismissDelivery,
    JoinRun,
    ReleaseHeldDeliveries,
    ReleaseSourceKey,
)
from mainspring.store.postgres.arrays import TextArray, texts
from mainspring.store.postgres.transaction import PostgresTransaction

_ENDING = (FinishRun, MarkRunDone, DiscardRun, CancelRun)
_STOPPED = (HaltRun, ReopenRun, GiveResult)
_LOCKED_BY_NOBODY = frozenset({CompleteRun, AnnotateRun, SaveOutcome, SaveAttempt, SaveCheckpoint, RecordHeartbeat})
"""What an owner writes down about its own run: nobody else decides upon that, so nothing but its events is locked beforehand."""
_OF_PEOPLE = (
    *(AddPerson, ChangePerson, RemovePerson, SetPassword),
    *(OpenWebSession, EndWebSession, EndWebSessions),
)
_TAKING_IN = (AcceptDelivery, DecideDelivery, ReleaseHeldDeliveries, JoinRun)
_OF_A_RUN = (
    SuspendRun,
    DeliverFact,
    CloseWait,
    ExpireWait,
    RejectFact,
    ReturnFact,
    DropRejectedFacts,
    *_STOPPED,
)


def lock_group(transaction: PostgresTransaction, commands: list[Any]) -> None:
    """Lock what these commands name."""
    if _locks_alone(commands):
        return
    changed, others = _apart(commands)
    touched = {command.parent for command in changed if command.parent is not None}
    ending: set[str] = set()
    first: set[tuple[str, ...]] = set()
    last: set[tuple[str, ...]] = set()
    for command in others:
        for part in _parts(command):
            if isinstance(part, _ENDING):
                ending.add(part.run)
            touched |= _touched_by(part)
            if isinstance(part, ClaimRuns):
                first |= _lines(transaction.all("list_due_partitions", (transaction.now,)))
            first |= _first_of(part)
            last |= _last_of(part)
    for query, params in asked_at_once(commands):
        first |= _lines(transaction.all(query, params))
    transaction.hold_names(first)
    if touched or ending:  # else no run is locked but those that are changed together, in the order of their ids
        touched.update(command.run for command in changed)
    finished = [command.run for command in commands if type(command) is FinishRun]
    transaction.hold_runs(touched, ending, [("list_linked_runs", (texts(finished),))] if len(finished) > 1 else ())
    transaction.hold_names(last)
    if any(isinstance(part, SetQueue | PauseQueue) for command in others for part in _parts(command)):
        transaction.all(
            "list_queue_limits"
        )  # a claim of this group locks the rows of all limited queues, in the order of their names


def asked_at_once(commands: list[Any]) -> list[tuple[str, tuple[TextArray]]]:
    """Return what is asked about a group whatever the answers are: which partitions its ends and stops may pass on."""
    if _locks_alone(commands):
        return []
    changed, others = _apart(commands)
    stopping = {command.run for command in changed}
    stopping |= {part.run for command in others for part in _parts(command) if isinstance(part, (*_ENDING, *_STOPPED))}
    return [("list_partitions_of", (texts(sorted(stopping)),))] if stopping else []


def _apart(commands: list[Any]) -> tuple[list[CompleteRun], list[Any]]:
    """Return the ends of runs of one step, of which there may be hundreds, and all others that name something to lock."""
    ends = [command for command in commands if type(command) is CompleteRun]
    return ends, [c for c in commands if type(c) not in _LOCKED_BY_NOBODY or bool(getattr(c, "events", ()))]


def _touched_by(part: Any) -> set[str]:
    """Return the runs that a command decides upon, but for one that it ends."""
    match part:
        case StartRun(parent=ParentLink(run=run)):
            return {run}
        case OpenWait(kind="run", run=run, name=name):
            return {run, name}
        case OpenWait(run=run):
            return {run}
    return {part.run} if isinstance(part, _OF_A_RUN) else set()


def _locks_alone(commands: list[Any]) -> bool:
    """Tell whether a group is one command of one name at most, whose handler locks it in time and holds nothing else yet."""
    several = (AuditedCommand, CompleteRun, *_ENDING, *_STOPPED, *_TAKING_IN)
    if len(commands) != 1 or isinstance(commands[0], several):
        return False
    if type(commands[0]) in _LOCKED_BY_NOBODY:
        return True
    return len({name for part in _parts(commands[0]) for name in (*_first_of(part), *_last_of(part))}) < 2


def _lines(rows: list[tuple[str, str]]) -> set[tuple[str, ...]]:
    return {("partition", queue, partition) for queue, partition in rows}


def _parts(command: Any) -> Iterator[Any]:
    """Return a command and those inside it."""
    yield command
    for name in ("inner", "then", "start"):
        inner = getattr(command, name, None)
        if inner is not None:
            yield from _parts(inner)
    yield from getattr(command, "events", ())


def _first_of(command: Any) -> set[tuple[str, ...]]:
    """Return the names that are held before any run: whoever has one of them finds only then which runs it is about."""
    match command:
        case StartRun(queue=queue, partition=str(partition)):
            return {("partition", queue, partition)}
        case PublishEvent(name=name) | OpenWait(kind="event", name=name):
            return {("event", name)}
        case RejectFact(event=str(name)) | ReturnFact(event=str(), name=name):
            return {("event", name)}
        case AcceptDelivery(trigger=trigger, key=key, by=by, pace=pace):
            return {("delivery", trigger, key), *(() if pace.is_plain else [("pace", trigger, by)])}
        case DecideDelivery(delivery=delivery, trigger=trigger, key=key, by=by, pace=pace):
            of_key = [("delivery", trigger, key)] if key else []
            return {("delivery", delivery), *of_key, *(() if pace.is_plain else [("pace", trigger, by)])}
        case DismissDelivery(delivery=delivery):
            return {("delivery", delivery)}
        case ReleaseHeldDeliveries(trigger=trigger, by=by):
            return {("pace", trigger, by)}
        case JoinRun(trigger=trigger, per=per):
            return {("pace", trigger, per)}
        case ReleaseSourceKey(trigger=trigger, key=key):
            return {("delivery", trigger, key)}
    return set()


def _last_of(command: Any) -> set[tuple[str, ...]]:
    match command:
        case StartRun(automation=automation, run_key=RunKey(key=key)):
            return {("key", automation, key)}
        case AuditedCommand():
            return {("audit",)}
        case AnnounceDefinitions(schedules=schedules):
            return {("deployments",), *(("schedule", row.name) for row in schedules)}
        case SetQueue() | PauseQueue():
            return {("queue",)}
        case RecordRunConditions():
            return {("run_conditions",)}
        case MakeSlot() | BackfillSlot() | DismissSlot() | PullBackSchedule():
            return {("schedule", command.schedule)}
        case AcquireLock(name=name):
            return {("lock", name)}
        case LeaseQueues():
            return {("outbox_leases",)}
        case LeaseChannels():
            return {("channels",)}
        case LeaseBulkBatch() | RecordBulkBatch() | ChangeBulkOperation():
            return {("bulk",)}
        case RecordEvaluation() | RecordStoreOutage() | AcknowledgeIncident() | SnoozeIncident() | ResolveIncident():
            return {("incidents",)}
    return {("people",)} if isinstance(command, _OF_PEOPLE) else set()
