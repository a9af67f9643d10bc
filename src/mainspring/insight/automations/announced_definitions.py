"""Announced definitions of workers in the store, and the graph of their starts."""

from contextlib import suppress

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.insight.automations.dependencies import Graph, build_graph
from mainspring.store.base import StoreReader
from mainspring.store.read.status.status import automations
from mainspring.store.views import AutomationView


def read_definition(view: AutomationView) -> Definition | None:
    """Return the announced definition; None if this version cannot read it."""
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
