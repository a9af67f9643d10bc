"""What workers announced, as the store has it: definitions, and which of them start which."""

from contextlib import suppress

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.insight.automations.dependencies import Graph, build_graph
from mainspring.store.base import StoreReader
from mainspring.store.read.status.status import automations
from mainspring.store.views import AutomationView


def read_definition(view: AutomationView) -> Definition | None:
    """Return the definition that a worker announced; None if this version cannot read it."""
    with suppress(msgspec.MsgspecError):
        return Definition.from_data(msgspec.json.decode(view.definition))
    return None


def read_announced_graph(reader: StoreReader) -> Graph:
    """Return the graph of what workers announced and nobody retired."""
    found = {
        view.name: definition
        for view in automations(reader)
        if view.retired_at is None and (definition := read_definition(view)) is not None
    }
    return build_graph(
        {name: (one.triggers, [schedule.describe() for schedule in one.schedules]) for name, one in found.items()}
    )
