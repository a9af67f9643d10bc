"""Held work, read for monitors: debounces that let nothing go, partitions whose holder does not run, messages that no broker has."""

import json
from collections import defaultdict
from collections.abc import Iterable

from mainspring.domain.monitors.inputs import HeldDebounce, HeldPartition, UnsentQueue
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
    """Return the keys whose debounce has let nothing go for at least its span, by automation."""
    spans = {one.name: (one.automation, read_debounce(one.definition)) for one in listeners}
    spans = {name: pair for name, pair in spans.items() if pair[1] is not None}
    found: dict[str, list[HeldDebounce]] = defaultdict(list)
    if spans:
        least_ms = min(span_ms or 0 for _, span_ms in spans.values())
        rows = reader.read("list_overdue_debounces", (json.dumps(sorted(spans)), now_at - least_ms))
        for trigger, by, since_at, due_at in rows:
            automation, span_ms = spans[trigger]
            held = HeldDebounce(trigger=trigger, by=by, span_ms=span_ms or 0, since_at=since_at, due_at=due_at)
            found[automation].append(held)
    return {name: tuple(those) for name, those in found.items()}


def read_held_partitions(reader: StoreReader, now_at: int) -> dict[str, tuple[HeldPartition, ...]]:
    """Return the partitions in which runs wait behind one that does not run, by the automation of the first that waits."""
    found: dict[str, list[HeldPartition]] = defaultdict(list)
    for row in reader.read("list_blocked_partitions", (now_at - _LEAST_MS, _LINES)):
        automation, queue, partition, _, blocked_at, number, holder, of, state, held_at = row
        found[automation].append(
            HeldPartition(
                queue=queue,
                partition=partition,
                number=number,
                since_at=max(blocked_at, held_at),
                holder=holder,
                holder_automation=of,
                holder_state=state,
            )
        )
    return {name: tuple(those) for name, those in found.items()}


def read_unsent(reader: StoreReader) -> tuple[UnsentQueue, ...]:
    """Return the queues of brokers for which messages wait, or which refused some."""
    waiting = {one.name: one for one in list_outbox_queues(reader)}
    refused: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for message in list_refused_messages(reader, _MESSAGES):
        refused[message.queue].append((message.made_at, message.fault or ""))
    found = []
    for name in sorted({*waiting, *refused}):
        queue, those = waiting.get(name), refused.get(name, [])
        oldest = [at for at, _ in those] + ([] if queue is None else [queue.oldest_at])
        why = those[0][1] if those else (None if queue is None else queue.fault)
        found.append(UnsentQueue(queue=name, oldest_at=min(oldest), why=why, refused=len(those)))
    return tuple(found)
