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


@command("graph", "show which automations start which")
@click.argument("name", type=params.AUTOMATION, required=False)
@click.option("--dot", "as_dot", is_flag=True, help="print the graph in the DOT language")
@modules_option
@pass_invocation
def graph(invocation: Invocation, name: str | None, modules: tuple[str, ...], *, as_dot: bool) -> None:
    """An automation is below those whose end starts it. With NAME: what leads to NAME and what follows from it."""
    from mainspring.insight.automations import dependencies

    if name is not None:
        find_automation(invocation, name, modules)
    whole = make_graph(find_automations(invocation, modules))
    part = whole if name is None else whole.around(name)
    if as_dot:
        invocation.output.line(dependencies.render_dot(part))
        return
    data = {"nodes": list(part.nodes.values()), "edges": part.edges}
    invocation.output.document(data, lambda: _print(invocation, part, name))


def make_graph(automations: "list[KnownAutomation]") -> "Graph":
    """Return the graph of the known automations."""
    from mainspring.insight.automations.dependencies import build_graph

    return build_graph(
        {
            automation.name: (
                automation.definition.triggers,
                [schedule.describe() for schedule in automation.definition.schedules],
            )
            for automation in automations
            if automation.definition is not None and (automation.view is None or automation.view.retired_at is None)
        }
    )


def _print(invocation: Invocation, part: "Graph", name: str | None) -> None:
    from mainspring.insight.automations.dependencies import draw_tree, find_roots

    output = invocation.output
    roots = find_roots(part)
    for root in roots:
        for line in draw_tree(part, root):
            output.line(line)
    linked = {edge.upstream for edge in part.edges} | {edge.downstream for edge in part.edges}
    isolated = [node for node in part.nodes.values() if node.name not in linked]
    if name is not None and isolated:
        output.line(f"{name} starts no other automation by its end, and none starts it.")
    elif isolated:
        output.hint(
            f"{format_count(len(isolated), 'automation starts', 'automations start')} no other, and no other "
            "starts them."
        )
    elif not roots:
        output.hint_empty(
            'No automation starts another. To start one by the end of another, write above it: @ms.on.run("other")'
        )
