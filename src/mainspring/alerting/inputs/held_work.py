"""Held work for monitors: idle debounces, partitions whose holder does not run, paused runs, messages that no broker accepted."""

import json
from collections import defaultdict
from collections.abc import Iterable

from mainspring.domain.monitors.inputs import HeldDebounce, HeldPartition, PausedRun, UnsentQueue
from mainspring.domain.triggers.trigger import read_debounce
from mainspring.store.base import StoreReader
from mainspring.store.read.automations.monitor_reads import MonitoredTrigger
from mainspring.store.read.outbox import list_outbox_queues, list_refused_messages

_LEAST_MS = 60_000
_LINES = 10_000
_MESSAGES = 1_000


def read_held_debounces(
    reader: StoreReader, listeners: Iterable[MonitoredTrigger], now_at: int
) -> dict[str, tuple[HeldDebounce, ...]]:
    """Return the keys whose debounce has released nothing for at least its span, by automation."""
    spans = {listener.name: (listener.automation, read_debounce(listener.definition)) for listener in listeners}
    spans = {name: pair for name, pair in spans.items() if pair[1] is not None}
    found: dict[str, list[HeldDebounce]] = defaultdict(list)
    if spans:
        least_ms = min(span_ms or 0 for _, span_ms in spans.values())
        rows = reader.read("list_overdue_debounces", (json.dumps(sorted(spans)), now_at - least_ms))
        for trigger, by, since_at, due_at in rows:
            automation, span_ms = spans[trigger]
            held = HeldDebounce(trigger=trigger, by=by, span_ms=span_ms or 0, since_at=since_at, due_at=due_at)
            found[automation].append(held)
    return {name: tuple(debounces) for name, debounces in found.items()}


def read_held_partitions(reader: StoreReader, now_at: int) -> dict[str, tuple[HeldPartition, ...]]:
    """Return the partitions whose runs wait behind a run that does not run, by the automation of the first waiting run."""
    found: dict[str, list[HeldPartition]] = defaultdict(list)
    for row in reader.read("list_blocked_partitions", (now_at - _LEAST_MS, _LINES)):
        automation, queue, partition, _, blocked_at, number, holder, holder_automation, state, held_at = row
        found[automation].append(
            HeldPartition(
                queue=queue,
                partition=partition,
                number=number,
                since_at=max(blocked_at, held_at),
                holder=holder,
                holder_automation=holder_automation,
                holder_state=state,
            )
        )
    return {name: tuple(partitions) for name, partitions in found.items()}


def read_paused_runs(reader: StoreReader) -> dict[str, tuple[PausedRun, ...]]:
    """Return the paused runs of each automation, longest pause first."""
    found: dict[str, list[PausedRun]] = defaultdict(list)
    for automation, run, paused_at, by in reader.read("list_paused_runs", (_LINES,)):
        found[automation].append(PausedRun(run=run, paused_at=paused_at, by=by))
    return {name: tuple(runs) for name, runs in found.items()}


def read_unsent(reader: StoreReader) -> tuple[UnsentQueue, ...]:
    """Return the queues of brokers with waiting or refused messages."""
    waiting = {queue.name: queue for queue in list_outbox_queues(reader)}
    refused: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for message in list_refused_messages(reader, _MESSAGES):
        refused[message.queue].append((message.made_at, message.fault or ""))
    found = []
    for name in sorted({*waiting, *refused}):
        queue, refusals = waiting.get(name), refused.get(name, [])
        oldest = [at for at, _ in refusals] + ([] if queue is None else [queue.oldest_at])
        reason = refusals[0][1] if refusals else (None if queue is None else queue.fault)
        found.append(UnsentQueue(queue=name, oldest_at=min(oldest), why=reason, refused=len(refusals)))
    return tuple(found)
