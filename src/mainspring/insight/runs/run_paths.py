"""Which ways the newest runs of a workflow went, from step to step and to an end, counted; where a failure has no way on.

What was asked for side by side stands side by side: a step follows on what had been handed over when it was asked for.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from typing import Final

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import OutcomeState, RunState
from mainspring.insight.runs.steps import STOPS
from mainspring.insight.text.formatting import escape_line, format_count
from mainspring.store.base import StoreReader
from mainspring.store.read.runs.run_paths import PathOutcome, RunPath, read_run_paths
from mainspring.store.views import AutomationView

START: Final = "start"
END: Final = "end"
MOST: Final = 500
"""Ways that are told: names that are made at run time may be as many as there are runs."""
_PLAIN = (OutcomeKind.STEP, OutcomeKind.UNDO)


class PathNode(msgspec.Struct, frozen=True, kw_only=True):
    """A step by its name, the start, or an end. `kind` = "start", "end", or what was asked for; `calls` = how often in all `runs`.

    `failed` = runs in which it failed for good; `run`, `ident` = it in the newest of its runs.
    """

    key: str
    name: str
    kind: str
    runs: int
    calls: int
    failed: int
    run: str
    ident: str | None


class PathEdge(msgspec.Struct, frozen=True, kw_only=True):
    """That `runs` went on from `step` to `then`; `before` and `after` = the keys of both.

    `failed` = the step had failed for good; `is_missing` = each such failure ended the run. `run`, `ident` = the newest of them, at
    the step; `error` = the fingerprint by which that one stands still.
    """

    step: str
    then: str
    runs: int
    failed: bool
    is_missing: bool
    run: str
    ident: str | None
    error: str | None
    before: str
    after: str


class RunPaths(msgspec.Struct, frozen=True, kw_only=True):
    """The ways of the newest `runs`. `cut` = of so many only the beginning was looked at; `left_out` = so many ways are not told."""

    automation: str
    runs: int
    cut: int
    left_out: int
    nodes: list[PathNode]
    edges: list[PathEdge]
    missing: list[str]
    """A sentence for each step whose failure nothing takes up."""


class _NodeCount:
    def __init__(self, key: str, name: str, kind: str, run: str, ident: str | None) -> None:
        self.key, self.name, self.kind = key, name, kind
        self.run, self.ident = run, ident
        self.runs, self.failures = set[str](), set[str]()
        self.calls, self.is_taken_up = 0, False


class _EdgeCount:
    def __init__(self, run: RunPath, ident: str | None) -> None:
        self.run, self.ident = run, ident
        self.runs = set[str]()


def summarize_run_paths(reader: StoreReader, view: AutomationView, may_see: Callable[[str], bool]) -> RunPaths:
    """Return the ways of an automation; of one that is a single step there are none."""
    return build_run_paths(
        view.name, read_run_paths(reader, view.name) if view.kind == DefinitionKind.WORKFLOW else [], may_see
    )


def build_run_paths(name: str, runs: Sequence[RunPath], may_see: Callable[[str], bool]) -> RunPaths:
    """Return the ways that these runs went, newest first; a child that may not be seen has no name."""
    counted = _PathCounter(may_see)
    for run in runs:
        counted.add(run)
    edges = counted.edges()
    told = edges[:MOST]
    ends = {key for edge in told for key in (edge.before, edge.after)}
    return RunPaths(
        automation=name,
        runs=len(runs),
        cut=sum(run.is_cut for run in runs),
        left_out=len(edges) - len(told),
        nodes=[one for one in counted.found() if one.key in ends],
        edges=told,
        missing=[_describe_edge(edge, len(runs)) for edge in edges if edge.is_missing][:MOST],
    )


class _PathCounter:
    """Nodes and ways as they come."""

    def __init__(self, may_see: Callable[[str], bool]) -> None:
        self._may_see = may_see
        self._nodes: dict[str, _NodeCount] = {}
        self._steps: dict[tuple[OutcomeKind, str], _NodeCount] = {}
        self._ways: dict[tuple[str, str, bool], _EdgeCount] = {}

    def add(self, run: RunPath) -> None:
        """Count the ways of one run."""
        outcomes = [one for one in run.passed if one.kind not in STOPS and one.state is not OutcomeState.CANCELLED]
        before = _predecessor_lookup(outcomes)
        start = self._node(run, START, START, START, None)
        reached = set[tuple[int, str]]()
        for one in outcomes:
            if one.kind is not OutcomeKind.TIMER:
                node = self._step(run, one)
                # Each item of a map follows on the same steps: they are gone through once.
                for earlier in before(one.asked_after) if (one.asked_after, node.key) not in reached else ():
                    self._go(run, start if earlier is None else self._step(run, earlier), earlier, node, one)
                reached.add((one.asked_after, node.key))
                node.calls += 1
                if one.state is OutcomeState.FAILED:
                    node.failures.add(run.run)
        if not run.is_cut:
            self._end(run, start, before(outcomes[-1].rank if outcomes else 0))

    def _end(self, run: RunPath, start: _NodeCount, last: Sequence[PathOutcome | None]) -> None:
        """Count the ways into the end. Where a failure ended the run, what went on beside it did not lead there."""
        lost = [one for one in last if one is not None and one.state is OutcomeState.FAILED]
        is_lost = run.state is RunState.FAILED and any(one.ident == run.failed_ident for one in lost)
        end = self._node(run, f"{END}:{run.state}", str(run.state), END, None)
        for one in lost if is_lost else last:
            self._go(run, start if one is None else self._step(run, one), one, end, None, is_lost=is_lost)

    def _go(
        self,
        run: RunPath,
        step: _NodeCount,
        outcome: PathOutcome | None,
        then: _NodeCount,
        following: PathOutcome | None,
        *,
        is_lost: bool = False,
    ) -> None:
        failed = outcome is not None and outcome.state is OutcomeState.FAILED
        step.is_taken_up |= failed and not is_lost
        if step is then and not failed:
            return  # called many times: its count says so
        way = self._ways.get((step.key, then.key, failed))
        if way is None:
            at = outcome if failed or following is None else following
            way = self._ways[step.key, then.key, failed] = _EdgeCount(run, self._ident(at))
        way.runs.add(run.run)

    def _step(self, run: RunPath, one: PathOutcome) -> _NodeCount:
        node = self._steps.get((one.kind, one.name))
        if node is None:
            name = "another automation" if self._is_hidden(one) else one.name
            label = name if one.kind in _PLAIN else f"{one.kind} {name}"
            node = self._node(run, f"{one.kind}:{name}", label, str(one.kind), self._ident(one))
            self._steps[one.kind, one.name] = node
        node.runs.add(run.run)
        return node

    def _node(self, run: RunPath, key: str, name: str, kind: str, ident: str | None) -> _NodeCount:
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = _NodeCount(key, name, kind, run.run, ident)
        node.runs.add(run.run)
        return node

    def _is_hidden(self, one: PathOutcome) -> bool:
        return one.kind is OutcomeKind.CHILD and not self._may_see(one.name)

    def _ident(self, one: PathOutcome | None) -> str | None:
        """Return by what a step is found in its run; that of a child has its name in it."""
        return None if one is None or self._is_hidden(one) else one.ident

    def found(self) -> list[PathNode]:
        """Return the nodes in the order in which they first came: the start, steps, ends."""
        return [
            PathNode(
                key=one.key,
                name=one.name,
                kind=one.kind,
                runs=len(one.runs),
                calls=one.calls,
                failed=len(one.failures),
                run=one.run,
                ident=one.ident,
            )
            for one in sorted(self._nodes.values(), key=lambda one: one.kind == END)
        ]

    def edges(self) -> list[PathEdge]:
        """Return the ways, in the order of the nodes that they leave."""
        order = {key: place for place, key in enumerate(self._nodes)}
        return [
            PathEdge(
                step=self._nodes[before].name,
                then=self._nodes[after].name,
                runs=len(way.runs),
                failed=failed,
                is_missing=failed and after == f"{END}:{RunState.FAILED}" and not self._nodes[before].is_taken_up,
                run=way.run.run,
                ident=way.ident,
                error=way.run.error,
                before=before,
                after=after,
            )
            for (before, after, failed), way in sorted(
                self._ways.items(), key=lambda one: (order[one[0][0]], one[0][2])
            )
        ]


def _predecessor_lookup(outcomes: Sequence[PathOutcome]) -> Callable[[int], tuple[PathOutcome | None, ...]]:
    """Return what tells on which steps it follows that something was asked for once a rank had been handed over; None = the start.

    These are the outcomes up to that rank on which none of the others up to it stood already. A sleep hands on what it stood on.
    """
    ranks = [one.rank for one in outcomes]
    reached = list(accumulate((one.asked_after for one in outcomes), max))

    @cache
    def before(rank: int) -> tuple[PathOutcome | None, ...]:
        last = bisect_right(ranks, rank)
        first = bisect_right(ranks, reached[last - 1]) if last else 0
        found: dict[int, PathOutcome | None] = {}
        for one in outcomes[first:last]:
            for step in before(one.asked_after) if one.kind is OutcomeKind.TIMER else (one,):
                found[0 if step is None else step.rank] = step
        if len(found) > 1:
            found.pop(0, None)
        return tuple(found.values()) or (None,)

    return before


def _describe_edge(edge: PathEdge, runs: int) -> str:
    each = "it ended the run" if edge.runs == 1 else "each ended the run"
    return f"{escape_line(edge.step, 80)} failed in {edge.runs} of {format_count(runs, 'run')} and nothing in the code takes it up: {each}"


def edge_word(edge: PathEdge) -> str:
    """Return what is to be said of a way: nothing, where the step went well."""
    if edge.is_missing:
        return "no error path"
    return "when it failed" if edge.failed else ""
