"""What a group locks before its handlers run.

A handler holds what it decides upon by itself (Transaction.hold); this only takes beforehand what the commands name, all of it at once and
in one order (events by number, runs by id, all other names by number), so that groups of two processes wait for each other in a row and
not in a ring. Handlers keep to the same order. What one finds out only later can still make a ring: the server breaks it, and the group is
sent again.
"""

from collections.abc import Iterator
from typing import Any

from mainspring.store.commands import automations as acts
from mainspring.store.commands import inbox as facts
from mainspring.store.commands import runs
from mainspring.store.postgres.transaction import PostgresTransaction

_ENDING = (runs.Finish, runs.MarkDone, runs.Discard, runs.CancelRun)
_OF_A_RUN = (runs.Suspend, runs.Halt, runs.Reopen, runs.GiveResult, facts.Deliver, facts.CloseWait)


def lock_group(transaction: PostgresTransaction, commands: list[Any]) -> None:
    """Lock what these commands name."""
    if len(commands) == 1 and not isinstance(commands[0], (acts.Audited, *_ENDING)):
        return  # its handler asks for it in time, and holds nothing else yet
    touched: set[str] = set()
    ending: set[str] = set()
    events: set[tuple[str, ...]] = set()
    names: set[tuple[str, ...]] = set()
    for command in commands:
        for part in _parts(command):
            if isinstance(part, _ENDING):
                ending.add(part.run)
            elif isinstance(part, _OF_A_RUN):
                touched.add(part.run)
            elif isinstance(part, runs.StartRun):
                touched |= {part.parent.run} if part.parent is not None else set()
                names |= _of_start(part)
            elif isinstance(part, facts.OpenWait):
                touched |= {part.run, part.name} if part.kind == "run" else {part.run}
                events |= {("event", part.name)} if part.kind == "event" else set()
            elif isinstance(part, facts.Publish):
                events.add(("event", part.name))
            else:
                names |= _of_name(part)
    transaction.hold_names(events)
    for run, queue, partition in transaction.hold_runs(touched, ending):
        if run in ending and partition is not None:
            names.add(("partition", queue, partition))
    transaction.hold_names(names)


def _parts(command: Any) -> Iterator[Any]:
    """Return a command and those inside it."""
    yield command
    for name in ("inner", "then", "start"):
        inner = getattr(command, name, None)
        if inner is not None:
            yield from _parts(inner)


def _of_start(command: runs.StartRun) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    if command.run_key is not None:
        found.add(("key", command.automation, command.run_key.key))
    if command.partition is not None:
        found.add(("partition", command.queue, command.partition))
    return found


def _of_name(command: Any) -> set[tuple[str, ...]]:
    match command:
        case acts.Audited():
            return {("audit",)}
        case acts.Announce():
            return {("deployments",)}
        case acts.MakeSlot(schedule=schedule):
            return {("schedule", schedule)}
        case acts.TakeLock(name=name):
            return {("lock", name)}
    return set()
