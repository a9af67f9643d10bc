"""What a group locks before its handlers run.

A handler holds what it decides upon by itself (Transaction.hold); this only takes beforehand what the commands name, all of it at once and
in one order (events and partitions by number, runs by id, all other names by number), so that groups of two processes wait for each other
in a row and not in a ring. Handlers keep to the same order. What one finds out only later can still make a ring: the server breaks it, and
the group is sent again.
"""

from collections.abc import Iterator
from typing import Any

from mainspring.store.commands import alerts as heard
from mainspring.store.commands import automations as acts
from mainspring.store.commands import bulk as many
from mainspring.store.commands import inbox as facts
from mainspring.store.commands import incidents as seen
from mainspring.store.commands import journal, outbox, people, runs, sessions
from mainspring.store.commands import triggers as come
from mainspring.store.postgres.arrays import Texts, texts
from mainspring.store.postgres.transaction import PostgresTransaction

_ENDING = (runs.Finish, runs.MarkDone, runs.Discard, runs.CancelRun)
_STOPPED = (runs.Halt, runs.Reopen, runs.GiveResult)
_LOCKED_BY_NOBODY = frozenset(
    {runs.Complete, runs.Annotate, journal.SaveOutcome, journal.SaveAttempt, journal.SaveCheckpoint, sessions.Beat}
)
"""What an owner writes down about its own run: nobody else decides upon that, so nothing but its events is locked beforehand."""
_OF_PEOPLE = (
    *(people.AddPerson, people.ChangePerson, people.RemovePerson, people.SetPassword),
    *(people.OpenWebSession, people.EndWebSession, people.EndWebSessions),
)
_TAKING_IN = (come.TakeIn, come.Decide, come.LetGo, come.Gather)
_OF_A_RUN = (
    runs.Suspend,
    facts.Deliver,
    facts.CloseWait,
    facts.ExpireWait,
    facts.RejectFact,
    facts.ReturnFact,
    facts.DropRejected,
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
            if isinstance(part, runs.Claim):
                first |= _lines(transaction.all("list_due_partitions", (transaction.now,)))
            first |= _first_of(part)
            last |= _last_of(part)
    for query, params in asked_at_once(commands):
        first |= _lines(transaction.all(query, params))
    transaction.hold_names(first)
    if touched or ending:  # else no run is locked but those that are changed together, in the order of their ids
        touched.update(command.run for command in changed)
    finished = [command.run for command in commands if type(command) is runs.Finish]
    transaction.hold_runs(touched, ending, [("list_linked_runs", (texts(finished),))] if len(finished) > 1 else ())
    transaction.hold_names(last)
    if any(isinstance(part, acts.SetQueue | acts.PauseQueue) for command in others for part in _parts(command)):
        transaction.all(
            "list_queue_limits"
        )  # a claim of this group locks the rows of all limited queues, in the order of their names


def asked_at_once(commands: list[Any]) -> list[tuple[str, tuple[Texts]]]:
    """Return what is asked about a group whatever the answers are: which partitions its ends and stops may pass on."""
    if _locks_alone(commands):
        return []
    changed, others = _apart(commands)
    stopping = {command.run for command in changed}
    stopping |= {part.run for command in others for part in _parts(command) if isinstance(part, (*_ENDING, *_STOPPED))}
    return [("list_partitions_of", (texts(sorted(stopping)),))] if stopping else []


def _apart(commands: list[Any]) -> tuple[list[runs.Complete], list[Any]]:
    """Return the ends of runs of one step, of which there may be hundreds, and all others that name something to lock."""
    ends = [command for command in commands if type(command) is runs.Complete]
    return ends, [c for c in commands if type(c) not in _LOCKED_BY_NOBODY or bool(getattr(c, "events", ()))]


def _touched_by(part: Any) -> set[str]:
    """Return the runs that a command decides upon, but for one that it ends."""
    match part:
        case runs.StartRun(parent=runs.ParentLink(run=run)):
            return {run}
        case facts.OpenWait(kind="run", run=run, name=name):
            return {run, name}
        case facts.OpenWait(run=run):
            return {run}
    return {part.run} if isinstance(part, _OF_A_RUN) else set()


def _locks_alone(commands: list[Any]) -> bool:
    """Tell whether a group is one command of one name at most, whose handler locks it in time and holds nothing else yet."""
    several = (acts.Audited, runs.Complete, *_ENDING, *_STOPPED, *_TAKING_IN)
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
        case runs.StartRun(queue=queue, partition=str(partition)):
            return {("partition", queue, partition)}
        case facts.Publish(name=name) | facts.OpenWait(kind="event", name=name):
            return {("event", name)}
        case facts.RejectFact(event=str(name)) | facts.ReturnFact(event=str(), name=name):
            return {("event", name)}
        case come.TakeIn(trigger=trigger, key=key, by=by, pace=pace):
            return {("delivery", trigger, key), *(() if pace.is_plain else [("pace", trigger, by)])}
        case come.Decide(delivery=delivery, trigger=trigger, key=key, by=by, pace=pace):
            of_key = [("delivery", trigger, key)] if key else []
            return {("delivery", delivery), *of_key, *(() if pace.is_plain else [("pace", trigger, by)])}
        case come.DismissDelivery(delivery=delivery):
            return {("delivery", delivery)}
        case come.LetGo(trigger=trigger, by=by):
            return {("pace", trigger, by)}
        case come.Gather(trigger=trigger, per=per):
            return {("pace", trigger, per)}
        case come.ForgetSource(trigger=trigger, key=key):
            return {("delivery", trigger, key)}
    return set()


def _last_of(command: Any) -> set[tuple[str, ...]]:
    match command:
        case runs.StartRun(automation=automation, run_key=runs.RunKey(key=key)):
            return {("key", automation, key)}
        case acts.Audited():
            return {("audit",)}
        case acts.Announce(schedules=schedules):
            return {("deployments",), *(("schedule", row.name) for row in schedules)}
        case acts.SetQueue() | acts.PauseQueue():
            return {("queue",)}
        case acts.NoteCircumstances():
            return {("circumstances",)}
        case acts.MakeSlot() | acts.BackfillSlot() | acts.DismissSlot() | acts.PullBackSchedule():
            return {("schedule", command.schedule)}
        case acts.TakeLock(name=name):
            return {("lock", name)}
        case outbox.TakeQueues():
            return {("outlets",)}
        case heard.TakeAlerts():
            return {("channels",)}
        case many.TakePiece() | many.NotePiece() | many.MoveBulk():
            return {("bulk",)}
        case seen.Observe() | seen.RecordLost() | seen.Acknowledge() | seen.Snooze() | seen.Resolve():
            return {("incidents",)}
    return {("people",)} if isinstance(command, _OF_PEOPLE) else set()
