"""Dependencies between automations, for people: the graph of their starts, as data, as a tree of text, and as DOT. Pure.

Invariant: a cycle, which two workers with different code may have announced, ends a branch and never a program.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from mainspring.domain.triggers.event_sources import JoinedRunsSource
from mainspring.domain.triggers.trigger import Trigger
from mainspring.insight.automations.source_description import describe_source
from mainspring.insight.text.formatting import escape_line, format_span


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """A run of `upstream` that ends starts `downstream`. `with_others` = runs it also waits for, of one `per`, `within` ms."""

    upstream: str
    downstream: str
    trigger: str
    states: tuple[str, ...]
    with_others: tuple[str, ...] = ()
    per: str | None = None
    within: int | None = None

    @property
    def words(self) -> str:
        """The condition in words: "with load, for one slot"."""
        states = "" if self.states == ("succeeded",) else " or ".join(self.states)
        joined = "" if not self.with_others else f"with {', '.join(self.with_others)}"
        per = "" if self.per is None else f"for one {self.per}"
        within = "" if self.within is None else f"within {format_span(self.within)}"
        return ", ".join(part for part in (states, joined, per, within) if part)


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """An automation. `starts` = what else starts it, in words; `is_known` = it is declared, not only referenced."""

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
        """Return all that follows a run of this one, nearest first, each once."""
        found: dict[str, None] = {}
        queue = [name]
        while queue:
            following = [edge.downstream for edge in self.below(queue.pop(0)) if edge.downstream not in found]
            found |= dict.fromkeys(downstream for downstream in following if downstream != name)
            queue += [downstream for downstream in dict.fromkeys(following) if downstream != name]
        return list(found)

    def around(self, name: str) -> "Graph":
        """Return the part of the graph before and after this one."""
        names = {name, *self.after(name), *Graph(self.nodes, [_reverse_edge(edge) for edge in self.edges]).after(name)}
        edges = [edge for edge in self.edges if edge.upstream in names and edge.downstream in names]
        return Graph({node_name: self.nodes[node_name] for node_name in self.nodes if node_name in names}, edges)


def build_graph(automations: Mapping[str, tuple[Mapping[str, Trigger], Sequence[str]]]) -> Graph:
    """Return the graph of automations: name -> its triggers by the last part of their names, and its schedules in words."""
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
    """Yield what follows `root` as a tree of text; a branch that is shown above is not repeated."""
    yield from _draw_branch(graph, root, "", set(), ())


def find_roots(graph: Graph) -> list[str]:
    """Return automations that start others and that none of them starts; of a cycle its first one."""
    linked = {edge.upstream for edge in graph.edges} | {edge.downstream for edge in graph.edges}
    roots = [name for name in graph.nodes if name in linked and not graph.above(name)]
    reached = {*roots, *(name for root in roots for name in graph.after(root))}
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
    source = declared.source
    for upstream in source.upstream():
        edge = Edge(upstream=upstream, downstream=name, trigger=trigger, states=source.upstream_states())
        if isinstance(source, JoinedRunsSource):
            joined = tuple(other for other in source.automations if other != upstream)
            edge = msgspec.structs.replace(edge, with_others=joined, per=source.per, within=source.within)
        yield edge


def _describe_other_starts(triggers: Iterable[Trigger]) -> list[str]:
    return [describe_source(trigger.source) for trigger in triggers if not trigger.source.upstream()]


def _draw_branch(graph: Graph, name: str, indent: str, rendered: set[str], path: tuple[str, ...]) -> Iterator[str]:
    node = graph.nodes[name]
    if not path:
        yield escape_line(name) + _node_notes(node, "")
    below = graph.below(name)
    if name in rendered and below:
        yield f"{indent}└─ ... as above"
        return
    rendered.add(name)
    for position, edge in enumerate(below):
        is_last = position == len(below) - 1
        yield f"{indent}{'└─' if is_last else '├─'} {escape_line(edge.downstream)}{_node_notes(graph.nodes[edge.downstream], edge.words)}"
        if edge.downstream not in (*path, name):
            child_indent = indent + ("   " if is_last else "│  ")
            yield from _draw_branch(graph, edge.downstream, child_indent, rendered, (*path, name))


def _node_notes(node: Node, words: str) -> str:
    notes = [words, *node.starts, *([] if node.is_known else ["not declared"])]
    text = "; ".join(note for note in notes if note)
    return f"  ({escape_line(text, 120)})" if text else ""


def _reverse_edge(edge: Edge) -> Edge:
    return msgspec.structs.replace(edge, upstream=edge.downstream, downstream=edge.upstream)


def _quote_dot(text: str) -> str:
    plain = escape_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'
