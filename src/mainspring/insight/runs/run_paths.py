"""Run paths: the ways of the newest runs of a workflow from step to step and to an end, counted, and failures without an error path.

Parallel requests are parallel nodes: a step follows the results that had been delivered when it was requested.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from typing import Final

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.runs.journal import STOP_KINDS, OutcomeKind
from mainspring.domain.states import OutcomeState, RunState
from mainspring.insight.text.formatting import escape_line, format_count
from mainspring.store.base import StoreReader
from mainspring.store.read.runs.run_paths import PathOutcome, RunPath, read_run_paths
from mainspring.store.views import AutomationView

START: Final = "start"
END: Final = "end"
MOST: Final = 500
"""Most edges that are returned: names made at run time may be as many as there are runs."""
_PLAIN = (OutcomeKind.STEP, OutcomeKind.UNDO)


class PathNode(msgspec.Struct, frozen=True, kw_only=True):
    """A step by its name, the start, or an end. `kind` = "start", "end", or the kind of request; `calls` = how often in all `runs`.

    `failed` = runs in which it failed for good; `run`, `ident` = the newest run that has it.
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
    """That `runs` continued from `step` to `then`; `before` and `after` = the keys of both.

    `failed` = the step had failed for good; `is_missing` = each such failure ended the run. `run`, `ident` = the newest of them, at the
    step; `error` = the fingerprint that stopped that one.
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
    """The paths of the newest `runs`. `cut` = runs that were read in part; `left_out` = edges that are not returned."""

    automation: str
    runs: int
    cut: int
    left_out: int
    nodes: list[PathNode]
    edges: list[PathEdge]
    missing: list[str]
    """A sentence for each step whose failure no code handles."""


class _NodeCount:
    def __init__(self, key: str, name: str, kind: str, run: str, ident: str | None) -> None:
        self.key, self.name, self.kind = key, name, kind
        self.run, self.ident = run, ident
        self.runs, self.failures = set[str](), set[str]()
        self.calls, self.is_handled = 0, False


class _EdgeCount:
    def __init__(self, run: RunPath, ident: str | None) -> None:
        self.run, self.ident = run, ident
        self.runs = set[str]()


def summarize_run_paths(reader: StoreReader, view: AutomationView, may_view: Callable[[str], bool]) -> RunPaths:
    """Return the paths of an automation; a single step has none."""
    return build_run_paths(
        view.name, read_run_paths(reader, view.name) if view.kind == DefinitionKind.WORKFLOW else [], may_view
    )


def build_run_paths(name: str, runs: Sequence[RunPath], may_view: Callable[[str], bool]) -> RunPaths:
    """Return the paths of these runs, newest first; a child that the caller may not see has no name."""
    counter = _PathCounter(may_view)
    for run in runs:
        counter.add(run)
    edges = counter.edges()
    returned_edges = edges[:MOST]
    ends = {key for edge in returned_edges for key in (edge.before, edge.after)}
    return RunPaths(
        automation=name,
        runs=len(runs),
        cut=sum(run.is_cut for run in runs),
        left_out=len(edges) - len(returned_edges),
        nodes=[node for node in counter.found() if node.key in ends],
        edges=returned_edges,
        missing=[_describe_edge(edge, len(runs)) for edge in edges if edge.is_missing][:MOST],
    )


class _PathCounter:
    """Counts nodes and edges."""

    def __init__(self, may_view: Callable[[str], bool]) -> None:
        self._may_view = may_view
        self._nodes: dict[str, _NodeCount] = {}
        self._steps: dict[tuple[OutcomeKind, str], _NodeCount] = {}
        self._edges: dict[tuple[str, str, bool], _EdgeCount] = {}

    def add(self, run: RunPath) -> None:
        """Count the edges of one run."""
        outcomes = [
            outcome
            for outcome in run.passed
            if outcome.kind not in STOP_KINDS and outcome.state is not OutcomeState.CANCELLED
        ]
        before = _predecessor_lookup(outcomes)
        start = self._node(run, START, START, START, None)
        reached = set[tuple[int, str]]()
        for outcome in outcomes:
            if outcome.kind is not OutcomeKind.TIMER:
                node = self._step_node(run, outcome)
                # Each item of a map follows the same steps: count them once.
                for earlier in (
                    before(outcome.requested_after) if (outcome.requested_after, node.key) not in reached else ()
                ):
                    self._count_edge(
                        run, start if earlier is None else self._step_node(run, earlier), earlier, node, outcome
                    )
                reached.add((outcome.requested_after, node.key))
                node.calls += 1
                if outcome.state is OutcomeState.FAILED:
                    node.failures.add(run.run)
        if not run.is_cut:
            self._count_end(run, start, before(outcomes[-1].rank if outcomes else 0))

    def _count_end(self, run: RunPath, start: _NodeCount, last: Sequence[PathOutcome | None]) -> None:
        """Count the edges into the end. If a failure ended the run, parallel steps did not lead there."""
        lost = [outcome for outcome in last if outcome is not None and outcome.state is OutcomeState.FAILED]
        is_lost = run.state is RunState.FAILED and any(outcome.ident == run.failed_ident for outcome in lost)
        end = self._node(run, f"{END}:{run.state}", str(run.state), END, None)
        for outcome in lost if is_lost else last:
            self._count_edge(
                run, start if outcome is None else self._step_node(run, outcome), outcome, end, None, is_lost=is_lost
            )

    def _count_edge(
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
        step.is_handled |= failed and not is_lost
        if step is then and not failed:
            return  # called many times: its count shows it
        edge = self._edges.get((step.key, then.key, failed))
        if edge is None:
            place = outcome if failed or following is None else following
            edge = self._edges[step.key, then.key, failed] = _EdgeCount(run, self._ident(place))
        edge.runs.add(run.run)

    def _step_node(self, run: RunPath, outcome: PathOutcome) -> _NodeCount:
        node = self._steps.get((outcome.kind, outcome.name))
        if node is None:
            name = "another automation" if self._is_hidden(outcome) else outcome.name
            label = name if outcome.kind in _PLAIN else f"{outcome.kind} {name}"
            node = self._node(run, f"{outcome.kind}:{name}", label, str(outcome.kind), self._ident(outcome))
            self._steps[outcome.kind, outcome.name] = node
        node.runs.add(run.run)
        return node

    def _node(self, run: RunPath, key: str, name: str, kind: str, ident: str | None) -> _NodeCount:
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = _NodeCount(key, name, kind, run.run, ident)
        node.runs.add(run.run)
        return node

    def _is_hidden(self, outcome: PathOutcome) -> bool:
        return outcome.kind in (OutcomeKind.CHILD, OutcomeKind.START) and not self._may_view(outcome.name)

    def _ident(self, outcome: PathOutcome | None) -> str | None:
        """Return the identity of a step in its run; that of a child contains its name."""
        return None if outcome is None or self._is_hidden(outcome) else outcome.ident

    def found(self) -> list[PathNode]:
        """Return the nodes in order of appearance: the start, steps, ends."""
        return [
            PathNode(
                key=node.key,
                name=node.name,
                kind=node.kind,
                runs=len(node.runs),
                calls=node.calls,
                failed=len(node.failures),
                run=node.run,
                ident=node.ident,
            )
            for node in sorted(self._nodes.values(), key=lambda node: node.kind == END)
        ]

    def edges(self) -> list[PathEdge]:
        """Return the edges, in the order of the nodes that they leave."""
        order = {key: position for position, key in enumerate(self._nodes)}
        return [
            PathEdge(
                step=self._nodes[before].name,
                then=self._nodes[after].name,
                runs=len(edge.runs),
                failed=failed,
                is_missing=failed and after == f"{END}:{RunState.FAILED}" and not self._nodes[before].is_handled,
                run=edge.run.run,
                ident=edge.ident,
                error=edge.run.error,
                before=before,
                after=after,
            )
            for (before, after, failed), edge in sorted(
                self._edges.items(), key=lambda item: (order[item[0][0]], item[0][2])
            )
        ]


def _predecessor_lookup(outcomes: Sequence[PathOutcome]) -> Callable[[int], tuple[PathOutcome | None, ...]]:
    """Return a function from a delivered rank to the steps that a request then follows; None = the start.

    These are the outcomes up to that rank that no other one up to it followed already. A sleep passes on what it followed.
    """
    ranks = [outcome.rank for outcome in outcomes]
    reached = list(accumulate((outcome.requested_after for outcome in outcomes), max))

    @cache
    def before(rank: int) -> tuple[PathOutcome | None, ...]:
        last = bisect_right(ranks, rank)
        first = bisect_right(ranks, reached[last - 1]) if last else 0
        found: dict[int, PathOutcome | None] = {}
        for outcome in outcomes[first:last]:
            for step in before(outcome.requested_after) if outcome.kind is OutcomeKind.TIMER else (outcome,):
                found[0 if step is None else step.rank] = step
        if len(found) > 1:
            found.pop(0, None)
        return tuple(found.values()) or (None,)

    return before


def _describe_edge(edge: PathEdge, runs: int) -> str:
    each = "it ended the run" if edge.runs == 1 else "each ended the run"
    return (
        f"{escape_line(edge.step, 80)} failed in {edge.runs} of {format_count(runs, 'run')} and no code "
        f"handles the error: {each}"
    )


def edge_word(edge: PathEdge) -> str:
    """Return a note on an edge: nothing if the step succeeded."""
    if edge.is_missing:
        return "no error path"
    return "when it failed" if edge.failed else ""
