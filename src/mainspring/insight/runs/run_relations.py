"""What stands around a run: the deliveries that started it, and the automations that it holds up; as facts, and as sentences."""

from collections.abc import Callable

import msgspec

from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.insight.automations.dependencies import Edge, Graph
from mainspring.insight.text.formatting import escape_line, format_count, format_distance, format_instant
from mainspring.store.base import StoreReader
from mainspring.store.read import triggers as reads
from mainspring.store.read.runs.run_views import list_runs
from mainspring.store.trigger_views import DeliveryRow
from mainspring.store.views import RunView

_DELIVERIES = 20


class BlockedAutomation(msgspec.Struct, frozen=True, kw_only=True):
    """An automation that cannot start before this run has ended as it wants. `after` = what follows from it.

    `per` = the slot or key, in words; `deadline_at` = when it counts as late, if the others have begun to come.
    """

    automation: str
    trigger: str
    per: str | None = None
    deadline_at: int | None = None
    after: list[str] = []


class RunRelations(msgspec.Struct, frozen=True):
    """What started a run, and what it holds up."""

    deliveries: list[DeliveryRow] = []
    holds_up: list[BlockedAutomation] = []


NO_RELATIONS = RunRelations()


def read_run_relations(reader: StoreReader, graph: Graph, run: RunView, zone: str) -> RunRelations:
    """Return what stands around a run."""
    return RunRelations(
        reads.delivered_for(reader, run.id, _DELIVERIES), list_blocked_automations(reader, graph, run, zone)
    )


def list_blocked_automations(reader: StoreReader, graph: Graph, run: RunView, zone: str) -> list[BlockedAutomation]:
    """Return what a run holds up that has not ended, or not as those below it want; a child and a superseded run hold up nothing."""
    if run.parent is not None:
        return []
    found: dict[str, BlockedAutomation] = {}
    for edge in graph.below(run.automation):
        if run.state in TERMINAL_STATES and run.state in edge.states:
            continue
        one = _find_blocked(reader, graph, edge, run, zone)
        if one is not None:
            found.setdefault(edge.downstream, one)
    return list(found.values())


def _find_blocked(reader: StoreReader, graph: Graph, edge: Edge, run: RunView, zone: str) -> BlockedAutomation | None:
    """Return what waits at the end of an edge; None = nothing does."""
    after = [name for name in graph.after(edge.downstream) if name != run.automation]
    if edge.per is None:
        # Whoever listens for failures alone is not waiting while a run may still go well.
        waits = RunState.SUCCEEDED in edge.states and not _succeeded_since(reader, run)
        return BlockedAutomation(automation=edge.downstream, trigger=edge.trigger, after=after) if waits else None
    per = run.run_key if edge.per == "key" else None if run.slot_at is None else str(run.slot_at)
    if per is None:
        return None
    known = reads.gathering(reader, edge.trigger, per)
    if known is not None and known[1] is not None:
        return None  # it was started for this slot or key
    if any(one.automation == run.automation and one.counts for one in reads.joined_runs(reader, edge.trigger, per)):
        return None  # another run stands for it
    shown = format_instant(run.slot_at, zone) if edge.per == "slot" else per
    return BlockedAutomation(
        automation=edge.downstream,
        trigger=edge.trigger,
        per=f"{edge.per} {shown}",
        deadline_at=None if known is None else known[0],
        after=after,
    )


def _succeeded_since(reader: StoreReader, run: RunView) -> bool:
    last = list_runs(reader, name=run.automation, states=(RunState.SUCCEEDED,), limit=1).runs
    return bool(last) and last[0].seq > run.seq


def describe_deliveries(found: RunRelations, now: int) -> list[str]:
    """Say which deliveries started it."""
    if not found.deliveries:
        return []
    first = found.deliveries[0]
    when = format_distance(first.received_at, now)
    if len(found.deliveries) > 1:
        number = f"{len(found.deliveries)}{'+' if len(found.deliveries) == _DELIVERIES else ''}"
        return [
            f"It was started by {format_count(number, 'delivery', 'deliveries')} of {first.trigger}, the first {first.id}, {when}."
        ]
    of = f", a replay of {first.replay_of}" if first.replay_of else f" (key {escape_line(first.key, 80)})"
    return [f"It was started by delivery {first.id} of {first.trigger}{of}, {when}."]


def describe_blocked(found: RunRelations, at: Callable[[int], str]) -> list[str]:
    """Say what it holds up: "It holds up report (slot 2026-01-05 02:00:00, until 04:00:00), and after it alarm."."""
    said = []
    for one in found.holds_up:
        until = None if one.deadline_at is None else f"until {at(one.deadline_at)}"
        notes = ", ".join(part for part in (one.per, until) if part)
        after = f", and after it {', '.join(one.after)}" if one.after else ""
        said.append(f"It holds up {one.automation}{f' ({notes})' if notes else ''}{after}.")
    return said
