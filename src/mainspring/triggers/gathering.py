"""Runs of several automations that one start waits for: which are there, which are missing, and the start when all are."""

from typing import Any

from mainspring.domain.errors import MainspringError
from mainspring.domain.ids import derived_id
from mainspring.domain.listening import OnRuns
from mainspring.domain.sealing import Sealing
from mainspring.domain.states import DeliveryState
from mainspring.store.base import Reader
from mainspring.store.commands.runs import StartRun
from mainspring.store.commands.triggers import Gather
from mainspring.triggers import deciding
from mainspring.triggers.delivered import Delivered, end_of
from mainspring.triggers.known import KnownTrigger, KnownTriggers
from mainspring.triggers.making import event_of, start_of

_AT_ONCE = 100


def gathered(reader: Reader, known: KnownTrigger, row: Delivered, now: int, sealing: Sealing) -> Any:
    """Return the command for the end of one of the runs; with the start, if the others are there."""
    source = known.trigger.source
    assert isinstance(source, OnRuns)
    end = None if row.source is None else end_of(reader, row.source)
    if end is None:
        return deciding.left(row.trigger, row.id, DeliveryState.FAILED, "the run that ended is gone")
    per = end.key if source.per == "key" else None if end.slot_at is None else str(end.slot_at)
    if per is None:
        return deciding.left(row.trigger, row.id, DeliveryState.DROPPED, f"run {end.run} has no {source.per}")
    counts = end.state in source.states
    here = {automation: run for automation, run, _, ok, _, _ in reader.read("list_gathered", (known.name, per)) if ok}
    if counts:
        here[end.automation] = end.run
    try:
        start = _start(known, source, per, here, now, sealing) if set(source.automations) <= here.keys() else None
    except MainspringError as error:
        return deciding.left(row.trigger, row.id, DeliveryState.FAILED, error.message)
    return Gather(
        trigger=known.name,
        per=per,
        wanted=len(source.automations),
        deadline_at=now + source.within,
        delivery=row.id,
        automation=end.automation,
        run=end.run,
        state=end.state,
        counts=counts,
        start=start,
    )


def complete(reader: Reader, known: KnownTriggers, now: int, sealing: Sealing) -> list[Gather]:
    """Return the commands for gatherings that are complete and were not started: each of two routers saw one end too few."""
    commands: list[Gather] = []
    for name, per in reader.read("list_complete_gatherings", (_AT_ONCE,)):
        one = known.get(name)
        if one is None or not isinstance(one.trigger.source, OnRuns):
            continue
        source = one.trigger.source
        rows = reader.read("list_gathered", (name, per))
        here = {automation: run for automation, run, _, ok, _, _ in rows if ok}
        if set(source.automations) <= here.keys():
            start = _start(one, source, per, here, now, sealing)
            commands.append(Gather(trigger=name, per=per, wanted=len(source.automations), deadline_at=now, start=start))
    return commands


def _start(known: KnownTrigger, source: OnRuns, per: str, here: dict[str, str], now: int, sealing: Sealing) -> StartRun:
    """Return the start of a slot or key; it is made once, for the gathering says whether it was."""
    slot_at = int(per) if source.per == "slot" else None
    data = {source.per: per if slot_at is None else slot_at, "runs": {name: here[name] for name in source.automations}}
    identity = derived_id("d", now, known.name, per)
    event = event_of(known, id=identity, key=per, name="runs", data=data, at=now)
    return start_of(known, [event], identity, now, sealing, slot_at=slot_at)
