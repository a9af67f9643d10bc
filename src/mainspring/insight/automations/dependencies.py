"""Which automations start which, for people: the graph of what is known, as data, as a tree of text, and as DOT. Pure.

Invariant: a cycle, which two workers of different code may have announced together, ends a branch and never a program.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from mainspring.domain.triggers.event_sources import JoinedRunsSource, RunEndSource
from mainspring.domain.triggers.trigger import Trigger
from mainspring.insight.automations.source_description import describe_source
from mainspring.insight.text.formatting import escape_line, format_span


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a run of `upstream` lets `downstream` start. `with_others` = it waits for runs of these too, of one `per`, `within` ms."""

    upstream: str
    downstream: str
    trigger: str
    states: tuple[str, ...]
    with_others: tuple[str, ...] = ()
    per: str | None = None
    within: int | None = None

    @property
    def words(self) -> str:
        """When that is, in words: "with load, for one slot"."""
        states = "" if self.states == ("succeeded",) else " or ".join(self.states)
        others = "" if not self.with_others else f"with {', '.join(self.with_others)}"
        per = "" if self.per is None else f"for one {self.per}"
        within = "" if self.within is None else f"within {format_span(self.within)}"
        return ", ".join(part for part in (states, others, per, within) if part)


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """An automation. `starts` = what else starts it, in words; `is_known` = it is declared, not only waited for."""

    name: str
    starts: list[str] = []
    is_known: bool = True


class Graph(msgspec.Struct, frozen=True):
    """All automations and what starts what."""

    nodes: dict[str, Node]
    edges: list[Edge]

    def below(self, name: str) -> list[Edge]:
        """Return what starts when a run of this one ends."""
        return [edge for edge in self.edges if edge.upstream == name]

    def above(self, name: str) -> list[Edge]:
        """Return what this one waits for."""
        return [edge for edge in self.edges if edge.downstream == name]

    def after(self, name: str) -> list[str]:
        """Return all that follows from a run of this one, nearest first, each once."""
        found: dict[str, None] = {}
        ahead = [name]
        while ahead:
            following = [edge.downstream for edge in self.below(ahead.pop(0)) if edge.downstream not in found]
            found |= dict.fromkeys(one for one in following if one != name)
            ahead += [one for one in dict.fromkeys(following) if one != name]
        return list(found)

    def around(self, name: str) -> "Graph":
        """Return the part that leads to this one, and away from it."""
        names = {name, *self.after(name), *Graph(self.nodes, [_reverse_edge(edge) for edge in self.edges]).after(name)}
        edges = [edge for edge in self.edges if edge.upstream in names and edge.downstream in names]
        return Graph({one: self.nodes[one] for one in self.nodes if one in names}, edges)


def build_graph(automations: Mapping[str, tuple[Mapping[str, Trigger], Sequence[str]]]) -> Graph:
    """Return the graph of automations: name -> its triggers by the ends of their names, and its schedules in words."""
    edges = [
        edge
        for name in sorted(automations)
        for end, trigger in automations[name][0].items()
        for edge in _list_edges(name, f"{name}/{end}", trigger)
    ]
    nodes = {
        name: Node(name=name, starts=[*schedules, *_describe_other_starts(triggers.values())])
        for name, (triggers, schedules) in sorted(automations.items())
    }
    for edge in edges:
        nodes.setdefault(edge.upstream, Node(name=edge.upstream, is_known=False))
    return Graph(nodes, edges)


def draw_tree(graph: Graph, root: str) -> Iterator[str]:
    """Yield what follows from `root` as a tree of text; what was drawn above is not drawn twice."""
    yield from _draw_branch(graph, root, "", set(), ())


def find_roots(graph: Graph) -> list[str]:
    """Return what starts others and is started by none of them; of a cycle its first one."""
    linked = {edge.upstream for edge in graph.edges} | {edge.downstream for edge in graph.edges}
    roots = [name for name in graph.nodes if name in linked and not graph.above(name)]
    reached = {*roots, *(one for root in roots for one in graph.after(root))}
    for name in graph.nodes:
        if name in linked and name not in reached:
            roots.append(name)
            reached |= {name, *graph.after(name)}
    return roots


def render_dot(graph: Graph) -> str:
    """Return the graph in the DOT language."""
    lines = ["digraph mainspring {", "  rankdir=LR;", "  node [shape=box];"]
    for node in graph.nodes.values():
        style = "" if node.is_known else " [style=dashed]"
        lines.append(f"  {_quote_dot(node.name)}{style};")
    for edge in graph.edges:
        label = f" [label={_quote_dot(edge.words)}]" if edge.words else ""
        lines.append(f"  {_quote_dot(edge.upstream)} -> {_quote_dot(edge.downstream)}{label};")
    return "\n".join([*lines, "}"])


def _list_edges(name: str, trigger: str, declared: Trigger) -> Iterator[Edge]:
    match declared.source:
        case RunEndSource(automation=upstream, states=states):
            yield Edge(upstream=upstream, downstream=name, trigger=trigger, states=states)
        case JoinedRunsSource(automations=several, states=states, per=per, within=within):
            for upstream in several:
                others = tuple(one for one in several if one != upstream)
                yield Edge(
                    upstream=upstream,
                    downstream=name,
                    trigger=trigger,
                    states=states,
                    with_others=others,
                    per=per,
                    within=within,
                )


def _describe_other_starts(triggers: Iterable[Trigger]) -> list[str]:
    return [
        describe_source(one.source) for one in triggers if not isinstance(one.source, RunEndSource | JoinedRunsSource)
    ]


def _draw_branch(graph: Graph, name: str, indent: str, drawn: set[str], path: tuple[str, ...]) -> Iterator[str]:
    node = graph.nodes[name]
    if not path:
        yield escape_line(name) + _node_notes(node, "")
    below = graph.below(name)
    if name in drawn and below:
        yield f"{indent}└─ ... as above"
        return
    drawn.add(name)
    for place, edge in enumerate(below):
        is_last = place == len(below) - 1
        yield f"{indent}{'└─' if is_last else '├─'} {escape_line(edge.downstream)}{_node_notes(graph.nodes[edge.downstream], edge.words)}"
        if edge.downstream not in (*path, name):
            inner = indent + ("   " if is_last else "│  ")
            yield from _draw_branch(graph, edge.downstream, inner, drawn, (*path, name))


def _node_notes(node: Node, words: str) -> str:
    notes = [words, *node.starts, *([] if node.is_known else ["not declared"])]
    text = "; ".join(note for note in notes if note)
    return f"  ({escape_line(text, 120)})" if text else ""


def _reverse_edge(edge: Edge) -> Edge:
    return msgspec.structs.replace(edge, upstream=edge.downstream, downstream=edge.upstream)


def _quote_dot(text: str) -> str:
    plain = escape_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'
