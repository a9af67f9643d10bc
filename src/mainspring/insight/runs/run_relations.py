"""Relations of a run: the deliveries that started it, and the automations that wait for it; as facts, and as sentences."""

from collections.abc import Callable

import msgspec

from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.insight.automations.dependencies import Edge, Graph
from mainspring.insight.text.formatting import escape_line, format_count, format_distance, format_instant
from mainspring.store.base import StoreReader
from mainspring.store.read import triggers
from mainspring.store.read.runs.run_views import list_runs
from mainspring.store.trigger_views import DeliveryRow
from mainspring.store.views import RunView

_DELIVERIES = 20


class BlockedAutomation(msgspec.Struct, frozen=True, kw_only=True):
    """An automation that cannot start before this run has ended as required. `after` = what follows it.

    `per` = the slot or key, in words; `deadline_at` = when it counts as late, if other runs have arrived.
    """

    automation: str
    trigger: str
    per: str | None = None
    deadline_at: int | None = None
    after: list[str] = []


class RunRelations(msgspec.Struct, frozen=True):
    """The deliveries that started a run, and the automations that wait for it."""

    deliveries: list[DeliveryRow] = []
    holds_up: list[BlockedAutomation] = []


NO_RELATIONS = RunRelations()


def read_run_relations(reader: StoreReader, graph: Graph, run: RunView, zone: str) -> RunRelations:
    """Return the relations of a run."""
    return RunRelations(
        triggers.delivered_for(reader, run.id, _DELIVERIES), list_blocked_automations(reader, graph, run, zone)
    )


def list_blocked_automations(reader: StoreReader, graph: Graph, run: RunView, zone: str) -> list[BlockedAutomation]:
    """Return what waits for a run that has not ended, or not as required. A child and a superseded run block nothing."""
    if run.parent is not None:
        return []
    found: dict[str, BlockedAutomation] = {}
    for edge in graph.below(run.automation):
        if run.state in TERMINAL_STATES and run.state in edge.states:
            continue
        blocked = _find_blocked(reader, graph, edge, run, zone)
        if blocked is not None:
            found.setdefault(edge.downstream, blocked)
    return list(found.values())


def _find_blocked(reader: StoreReader, graph: Graph, edge: Edge, run: RunView, zone: str) -> BlockedAutomation | None:
    """Return what waits at the end of an edge; None = nothing does."""
    after = [name for name in graph.after(edge.downstream) if name != run.automation]
    if edge.per is None:
        # A trigger for failures only does not wait while a run may still succeed.
        waits = RunState.SUCCEEDED in edge.states and not _succeeded_since(reader, run)
        return BlockedAutomation(automation=edge.downstream, trigger=edge.trigger, after=after) if waits else None
    per = run.run_key if edge.per == "key" else None if run.slot_at is None else str(run.slot_at)
    if per is None:
        return None
    known = triggers.gathering(reader, edge.trigger, per)
    if known is not None and known[1] is not None:
        return None  # it started for this slot or key
    if any(
        joined_run.automation == run.automation and joined_run.counts
        for joined_run in triggers.joined_runs(reader, edge.trigger, per)
    ):
        return None  # another run counts for it
    per_text = format_instant(run.slot_at, zone) if edge.per == "slot" else per
    return BlockedAutomation(
        automation=edge.downstream,
        trigger=edge.trigger,
        per=f"{edge.per} {per_text}",
        deadline_at=None if known is None else known[0],
        after=after,
    )


def _succeeded_since(reader: StoreReader, run: RunView) -> bool:
    last = list_runs(reader, name=run.automation, states=(RunState.SUCCEEDED,), limit=1).runs
    return bool(last) and last[0].seq > run.seq


def describe_deliveries(found: RunRelations, now: int) -> list[str]:
    """Return which deliveries started it."""
    if not found.deliveries:
        return []
    first = found.deliveries[0]
    when = format_distance(first.received_at, now)
    if len(found.deliveries) > 1:
        number = f"{len(found.deliveries)}{'+' if len(found.deliveries) == _DELIVERIES else ''}"
        return [
            f"It was started by {format_count(number, 'delivery', 'deliveries')} of {first.trigger}, the first {first.id}, {when}."
        ]
    suffix = f", a replay of {first.replay_of}" if first.replay_of else f" (key {escape_line(first.key, 80)})"
    return [f"It was started by delivery {first.id} of {first.trigger}{suffix}, {when}."]


def describe_blocked(found: RunRelations, at: Callable[[int], str]) -> list[str]:
    """Return what it blocks: "It holds up report (slot 2026-01-05 02:00:00, until 04:00:00), and after it alarm."."""
    sentences = []
    for blocked in found.holds_up:
        until = None if blocked.deadline_at is None else f"until {at(blocked.deadline_at)}"
        notes = ", ".join(part for part in (blocked.per, until) if part)
        after = f", and after it {', '.join(blocked.after)}" if blocked.after else ""
        sentences.append(f"It blocks {blocked.automation}{f' ({notes})' if notes else ''}{after}.")
    return sentences
