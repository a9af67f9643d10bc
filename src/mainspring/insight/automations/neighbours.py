"""What leads to one automation by the ends of runs, and what follows from it, as far as somebody may see."""

from collections.abc import Callable, Iterable

import msgspec

from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.automations.dependencies import Edge, Graph, build_graph
from mainspring.store.views import AutomationView

_NO_TRIGGERS = b'"triggers":{}'
"""Of ten thousand definitions most have none, and reading them all takes long."""


def read_neighbours(views: Iterable[AutomationView], name: str, may_see: Callable[[str], bool]) -> Graph:
    """Return the part of the graph around an automation; of what may not be seen neither node nor name is in it."""
    known = {}
    for view in views:
        is_plain = _NO_TRIGGERS in view.definition and view.name != name
        definition = (
            None if is_plain or view.retired_at is not None or not may_see(view.name) else read_definition(view)
        )
        if definition is not None:
            known[view.name] = (definition.triggers, [one.describe() for one in definition.schedules])
    whole = build_graph(known)
    seen = {each: node for each, node in whole.nodes.items() if may_see(each)}
    edges = [_visible_edge(edge, may_see) for edge in whole.edges if edge.upstream in seen and edge.downstream in seen]
    return Graph(seen, edges).around(name) if name in seen else Graph({}, [])


def _visible_edge(edge: Edge, may_see: Callable[[str], bool]) -> Edge:
    return msgspec.structs.replace(edge, with_others=tuple(one for one in edge.with_others if may_see(one)))
