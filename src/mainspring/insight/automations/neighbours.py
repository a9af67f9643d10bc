"""Neighbours of one automation: what leads to it by the ends of runs, and what follows it, as far as the caller may see."""

from collections.abc import Callable, Iterable

import msgspec

from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.automations.dependencies import Edge, Graph, build_graph
from mainspring.store.views import AutomationView

_NO_TRIGGERS = b'"triggers":{}'
"""Most of ten thousand definitions have none, and decoding them all takes long."""


def read_neighbours(views: Iterable[AutomationView], name: str, may_view: Callable[[str], bool]) -> Graph:
    """Return the part of the graph around an automation, without nodes and names that the caller may not see."""
    known = {}
    for view in views:
        is_plain = _NO_TRIGGERS in view.definition and view.name != name
        definition = (
            None if is_plain or view.retired_at is not None or not may_view(view.name) else read_definition(view)
        )
        if definition is not None:
            known[view.name] = (definition.triggers, [schedule.describe() for schedule in definition.schedules])
    graph = build_graph(known)
    visible = {node_name: node for node_name, node in graph.nodes.items() if may_view(node_name)}
    edges = [
        _visible_edge(edge, may_view) for edge in graph.edges if edge.upstream in visible and edge.downstream in visible
    ]
    return Graph(visible, edges).around(name) if name in visible else Graph({}, [])


def _visible_edge(edge: Edge, may_view: Callable[[str], bool]) -> Edge:
    return msgspec.structs.replace(edge, with_others=tuple(other for other in edge.with_others if may_view(other)))
