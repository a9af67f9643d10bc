"""Locking of a group before its handlers run.

A handler locks what it decides upon (Transaction.hold). This module locks beforehand what the commands name, all at
once and in one order (events and partitions by number, runs by id, all other names by number), so that groups of two
processes cannot wait for each other in a cycle. Handlers use the same order. A name that a handler finds only later can
still cause a deadlock: the server breaks it, and the group is sent again.
"""

import contextlib
import logging
from collections.abc import Iterator
from typing import Final

import psycopg

from mainspring.store.commands.alerts import LeaseChannels
from mainspring.store.commands.automations import (
    AcquireLock,
    AnnounceDefinitions,
    AuditedCommand,
    BackfillSlot,
    BreakLock,
    CancelLockWait,
    DismissSlot,
    MakeSlot,
    PauseQueue,
    PullBackSchedule,
    RecordRunConditions,
    ReleaseLock,
    SetQueue,
)
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.bulk_operations import ChangeBulkOperation, LeaseBulkBatch, RecordBulkBatch
from mainspring.store.commands.effects import BeginEffect, ConfirmEffect, DisputeEffect, ForgetEffect, SettleEffect
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
from mainspring.store.commands.rollouts import MoveRollout, StartRollout
from mainspring.store.commands.run_control import EnterPause, ForkRun, PauseRun, ResumeRun
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
    SaveChangeVersions,
    StartRun,
    SuspendRun,
)
from mainspring.store.commands.sessions import RecordHeartbeat
from mainspring.store.commands.streams import SupersedeRecords, WriteStream
from mainspring.store.commands.targets import EnterTarget, LeaveTarget, ResetTarget
from mainspring.store.commands.triggers import (
    AcceptDelivery,
    DecideDelivery,
    DismissDelivery,
    JoinRun,
    ReleaseHeldDeliveries,
    ReleaseSourceKey,
)
from mainspring.store.commands.updates import RejectUpdate, RequestUpdate
from mainspring.store.postgres.arrays import texts
from mainspring.store.postgres.connection import ServerConnection
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.postgres.transaction import PostgresTransaction, answer_of, run
from mainspring.store.transaction import Params
from mainspring.store.write.runs import partitions
from mainspring.store.write.runs.claims import list_first_reads

_ENDING = (FinishRun, MarkRunDone, DiscardRun, CancelRun)
_STOPPED = (HaltRun, ReopenRun, GiveResult, ResumeRun)
_WITHOUT_LOCKS = frozenset(
    {CompleteRun, AnnotateRun, SaveChangeVersions, SaveOutcome, SaveAttempt, SaveCheckpoint, RecordHeartbeat}
)
"""Records of an owner about its own run: no other process decides on them, so only their events are locked beforehand."""
_LOCK_OF_KIND: Final[dict[type[StoreCommand[object]], str]] = {
    AuditedCommand: "audit",
    **dict.fromkeys((SetQueue, PauseQueue), "queue"),
    RecordRunConditions: "run_conditions",
    LeaseQueues: "outbox_leases",
    LeaseChannels: "channels",
    **dict.fromkeys((LeaseBulkBatch, RecordBulkBatch, ChangeBulkOperation), "bulk"),
    **dict.fromkeys(
        (RecordEvaluation, RecordStoreOutage, AcknowledgeIncident, SnoozeIncident, ResolveIncident), "incidents"
    ),
    **dict.fromkeys(
        (*(AddPerson, ChangePerson, RemovePerson, SetPassword), *(OpenWebSession, EndWebSession, EndWebSessions)),
        "people",
    ),
}
"""Each of these commands locks all things of one kind at once."""
_ACCEPTING = (AcceptDelivery, DecideDelivery, ReleaseHeldDeliveries, JoinRun)
_OF_A_RUN = (
    SuspendRun,
    PauseRun,
    EnterPause,
    DeliverFact,
    CloseWait,
    ExpireWait,
    RejectFact,
    ReturnFact,
    DropRejectedFacts,
    RequestUpdate,
    RejectUpdate,
    *_STOPPED,
)

_LOG = logging.getLogger("mainspring.store")


def lock_group(transaction: PostgresTransaction, commands: list[StoreCommand[object]]) -> None:
    """Lock what these commands name."""
    if _is_locked_by_handler(commands):
        return
    changed, other_commands = _split_ends(commands)
    touched = {command.parent for command in changed if command.parent is not None}
    ending: set[str] = set()
    names_before: set[tuple[str, ...]] = set()
    names_after: set[tuple[str, ...]] = set()
    for command in other_commands:
        for part in _nested_commands(command):
            if isinstance(part, _ENDING):
                ending.add(part.run)
            touched |= _touched_runs(part)
            if isinstance(part, ClaimRuns):
                names_before |= _partition_names(transaction.all("list_due_partitions", (transaction.now,)))
            names_before |= _names_before_runs(part)
            names_after |= _names_after_runs(part)
    for query, params in _list_partition_reads(commands):
        names_before |= _partition_names(transaction.all(query, params))
    transaction.hold_names(names_before)
    if (
        touched or ending
    ):  # otherwise no run is locked except those that are changed together, in the order of their ids
        touched.update(command.run for command in changed)
    finished = [command.run for command in commands if type(command) is FinishRun]
    transaction.hold_runs(touched, ending, [("list_linked_runs", (texts(finished),))] if len(finished) > 1 else ())
    transaction.hold_names(names_after)
    if any(isinstance(part, SetQueue | PauseQueue) for command in other_commands for part in _nested_commands(command)):
        transaction.all(
            "list_queue_limits"
        )  # a claim of this group locks the rows of all limited queues, in the order of their names


def list_known_reads(commands: list[StoreCommand[object]], session: int | None) -> list[tuple[str, Params]]:
    """Return the reads that a group needs in any case."""
    if len(commands) == 1 and isinstance(commands[0], ClaimRuns):
        return list_first_reads(session)
    has_claim = any(isinstance(part, ClaimRuns) for command in commands for part in _nested_commands(command))
    return [*_list_partition_reads(commands), *([partitions.NEXT_DUE] if has_claim else [])]


def _list_partition_reads(commands: list[StoreCommand[object]]) -> list[tuple[str, Params]]:
    """Return the reads of the partitions that the ends and stops of a group may pass on."""
    if _is_locked_by_handler(commands):
        return []
    changed, other_commands = _split_ends(commands)
    stopping = {command.run for command in changed}
    stopping |= {
        part.run
        for command in other_commands
        for part in _nested_commands(command)
        if isinstance(part, (*_ENDING, *_STOPPED))
    }
    return [("list_partitions_of", (texts(sorted(stopping)),))] if stopping else []


def _split_ends(commands: list[StoreCommand[object]]) -> tuple[list[CompleteRun], list[StoreCommand[object]]]:
    """Split off the ends of runs of one step, possibly hundreds, from the other commands that name something to lock."""
    ends = [command for command in commands if type(command) is CompleteRun]
    return ends, [c for c in commands if type(c) not in _WITHOUT_LOCKS or bool(getattr(c, "events", ()))]


def _touched_runs(part: StoreCommand[object]) -> set[str]:
    """Return the runs that a command decides upon, except one that it ends."""
    match part:
        case StartRun(parent=ParentLink(run=run)):
            return {run}
        case ForkRun(source=source):
            return {source}
        case OpenWait(kind="run", run=run, name=name):
            return {run, name}
        case OpenWait(run=run) | WriteStream(target=run) | SupersedeRecords(target=run):
            return {run}
    return {part.run} if isinstance(part, _OF_A_RUN) else set()


def _is_locked_by_handler(commands: list[StoreCommand[object]]) -> bool:
    """Tell whether a group is one command with at most one name, which its handler locks in time and as its first lock."""
    several = (AuditedCommand, CompleteRun, *_ENDING, *_STOPPED, *_ACCEPTING)
    if len(commands) != 1 or isinstance(commands[0], several) or bool(getattr(commands[0], "cancels", ())):
        return False
    if type(commands[0]) in _WITHOUT_LOCKS:
        return True
    return (
        len(
            {
                name
                for part in _nested_commands(commands[0])
                for name in (*_names_before_runs(part), *_names_after_runs(part))
            }
        )
        < 2
    )


def _partition_names(rows: list[tuple[str, str]]) -> set[tuple[str, ...]]:
    return {("partition", queue, partition) for queue, partition in rows}


def _nested_commands(command: StoreCommand[object]) -> Iterator[StoreCommand[object]]:
    """Yield a command and its inner commands."""
    yield command
    for name in ("inner", "then", "start"):
        inner = getattr(command, name, None)
        if inner is not None:
            yield from _nested_commands(inner)
    yield from getattr(command, "events", ())
    yield from getattr(command, "cancels", ())
    for alternative in getattr(command, "alternatives", ()):
        if alternative.start is not None:
            yield from _nested_commands(alternative.start)


def _names_before_runs(command: StoreCommand[object]) -> set[tuple[str, ...]]:
    """Return the names that are locked before any run: their runs are known only after the lock."""
    match command:
        case StartRun(queue=queue, partition=str(partition)):
            return {("partition", queue, partition)}
        case PublishEvent(name=name) | OpenWait(kind="event", name=name):
            return {("event", name)}
        case RejectFact(event=str(name)) | ReturnFact(event=str(), name=name):
            return {("event", name)}
        case AcceptDelivery(trigger=trigger, key=key, by=by, pace=flow_control):
            return {("delivery", trigger, key), *(() if flow_control.is_plain else [("pace", trigger, by)])}
        case DecideDelivery(delivery=delivery, trigger=trigger, key=key, by=by, pace=flow_control):
            of_key = [("delivery", trigger, key)] if key else []
            return {("delivery", delivery), *of_key, *(() if flow_control.is_plain else [("pace", trigger, by)])}
        case DismissDelivery(delivery=delivery):
            return {("delivery", delivery)}
        case ReleaseHeldDeliveries(trigger=trigger, by=by):
            return {("pace", trigger, by)}
        case JoinRun(trigger=trigger, per=per):
            return {("pace", trigger, per)}
        case ReleaseSourceKey(trigger=trigger, key=key):
            return {("delivery", trigger, key)}
    return set()


def _names_after_runs(command: StoreCommand[object]) -> set[tuple[str, ...]]:
    match command:
        case StartRun(automation=automation, run_key=run_key, request=request, limits=limits):
            keys = [] if run_key is None else [("key", automation, run_key.key)]
            keys += [] if limits is None else [("start_limits", automation, limits.key)]
            return {*keys, *([] if request is None else [("start_request", automation, request.id)])}
        case StartRollout() | MoveRollout():
            return {("deployments",)}
        case AnnounceDefinitions(schedules=schedules):
            return {("deployments",), *(("schedule", row.name) for row in schedules)}
        case MakeSlot() | BackfillSlot() | DismissSlot() | PullBackSchedule():
            return {("schedule", command.schedule)}
        case AcquireLock(name=name) | CancelLockWait(name=name) | ReleaseLock(name=name) | BreakLock(name=name):
            return {("lock", name)}
        case BeginEffect(key=key) | SettleEffect(key=key) | ForgetEffect(key=key):
            return {("effect", key)}
        case ConfirmEffect(key=key) | DisputeEffect(key=key):
            return {("effect", key)}
        case EnterTarget(target=target) | LeaveTarget(target=target) | ResetTarget(target=target):
            return {("target", target)}
    name_of_kind = _LOCK_OF_KIND.get(type(command))
    return set() if name_of_kind is None else {(name_of_kind,)}


def terminate_blocking_clients(connection: ServerConnection, schema: str, *, longer_than_ms: int) -> None:
    """End the transactions of this store that have been stuck for so long; a connection that breaks meanwhile is
    noticed later.

    The server itself ends a transaction that is idle between two messages. It waits without end for a client that stopped
    within a message (SIGSTOP, a sleeping machine, a silent connection), since the transaction is `active` and no statement
    runs. So a process whose wait for a lock timed out searches for such transactions. Ending one is safe: if its client
    wakes, it sends the same commands again.
    """
    with contextlib.suppress(psycopg.Error):
        with connection.pipeline():
            connection.execute("begin")
            run(connection.cursor(), TEXTS["prepare_read"], {"schema": schema, "longest": str(longer_than_ms)})
            answers = run(connection.cursor(), TEXTS["terminate_blocking_clients"], {"still": longer_than_ms})
            connection.execute("commit")
        ended = [pid for was_there, pid in answer_of(answers)[0] if was_there]
        if ended:
            _LOG.warning(
                "other transactions waited for one whose client was stuck: it was ended (process of the server: %s)",
                ", ".join(map(str, ended)),
            )
