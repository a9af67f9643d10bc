"""`mainspring auto graph`: which automations start which."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params
from mainspring.cli.automations.automation_list import find_automation, find_automations, modules_option
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.insight.text.formatting import format_count

if TYPE_CHECKING:
    from mainspring.cli.automations.automation_list import KnownAutomation
    from mainspring.insight.automations.dependencies import Graph


@command("graph", "show what starts what")
@click.argument("name", type=params.AUTOMATION, required=False)
@click.option("--dot", "as_dot", is_flag=True, help="print it in the DOT language, for drawing")
@modules_option
@pass_invocation
def graph(invocation: Invocation, name: str | None, modules: tuple[str, ...], *, as_dot: bool) -> None:
    """Each automation stands below the one whose end starts it. With NAME: what leads to it and what follows from it."""
    from mainspring.insight.automations import dependencies

    if name is not None:
        find_automation(invocation, name, modules)
    whole = make_graph(find_automations(invocation, modules))
    found = whole if name is None else whole.around(name)
    if as_dot:
        invocation.output.line(dependencies.render_dot(found))
        return
    data = {"nodes": list(found.nodes.values()), "edges": found.edges}
    invocation.output.document(data, lambda: _print(invocation, found, name))


def make_graph(automations: "list[KnownAutomation]") -> "Graph":
    """Return the graph of what is known."""
    from mainspring.insight.automations.dependencies import build_graph

    return build_graph(
        {
            one.name: (one.definition.triggers, [schedule.describe() for schedule in one.definition.schedules])
            for one in automations
            if one.definition is not None and (one.view is None or one.view.retired_at is None)
        }
    )


def _print(invocation: Invocation, found: "Graph", name: str | None) -> None:
    from mainspring.insight.automations.dependencies import draw_tree, find_roots

    output = invocation.output
    roots = find_roots(found)
    for root in roots:
        for line in draw_tree(found, root):
            output.line(line)
    linked = {edge.upstream for edge in found.edges} | {edge.downstream for edge in found.edges}
    alone = [node for node in found.nodes.values() if node.name not in linked]
    if name is not None and alone:
        output.line(f"{name} starts no other automation by its end, and none starts it.")
    elif alone:
        output.hint(
            f"{format_count(len(alone), 'automation starts', 'automations start')} without, and start, no other."
        )
    elif not roots:
        output.hint_empty('No automation starts another. Write @ms.on.run("other") above one.')
