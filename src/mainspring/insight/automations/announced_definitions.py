"""Announced definitions of workers in the store, and the graph of their starts."""

from collections.abc import Callable, Iterable
from contextlib import suppress

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.insight.automations.dependencies import Edge, Graph, build_graph
from mainspring.store.base import StoreReader
from mainspring.store.read.status.status import automations
from mainspring.store.schema.rollouts.automation_versions import AutomationVersion
from mainspring.store.views import AutomationView

_NO_TRIGGERS = b'"triggers":{}'
"""Most of ten thousand definitions have none, and decoding them all takes long."""


def read_definition(view: AutomationView | AutomationVersion) -> Definition | None:
    """Return the announced definition; None if this version of Mainspring cannot read it."""
    with suppress(msgspec.MsgspecError):
        return Definition.from_data(msgspec.json.decode(view.definition))
    return None


def read_announced_graph(reader: StoreReader) -> Graph:
    """Return the graph of announced automations that are not retired."""
    found = {
        view.name: definition
        for view in automations(reader)
        if view.retired_at is None and (definition := read_definition(view)) is not None
    }
    return build_graph(
        {
            name: (definition.triggers, [schedule.describe() for schedule in definition.schedules])
            for name, definition in found.items()
        }
    )


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
