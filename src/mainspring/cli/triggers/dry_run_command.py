"""The dry run command, `mainspring triggers test`: the outcome of an event, without storing it."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.triggers.trigger_list import TRIGGER, find_trigger_name
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.cli.triggers.dry_run import DryRunResult
    from mainspring.engine.definitions.automation import Automation
    from mainspring.engine.definitions.registry import Registry


@command("test", "show what an event would do, without storing it")
@click.argument("name", type=TRIGGER)
@click.argument("event")
@click.option("--header", "headers", metavar="NAME=VALUE", multiple=True, help="add this header; may be repeated")
@click.option("-m", "modules", metavar="MODULE_OR_FILE", multiple=True, help="load this code too")
@pass_invocation
def test(invocation: Invocation, name: str, event: str, headers: tuple[str, ...], modules: tuple[str, ...]) -> int:
    """EVENT is JSON, @FILE, or - for stdin: the body, or an object with "headers" and "body". Loads the code of the project and calls the
    filter; stores nothing. Ends with 9 if no run would start.
    """
    from mainspring.cli.triggers.dry_run import CONTINUING_STATES, DryRunInputs, dry_run_event
    from mainspring.cli.triggers.dry_run_intake import simulate_intake
    from mainspring.cli.triggers.sample_event import read_sample
    from mainspring.triggers.trigger_cache import CachedTrigger

    sample = read_sample(event, headers)
    automation, end = find_loaded_trigger(invocation.registry(modules), name)
    definition = automation.definition
    trigger = definition.triggers[end]
    known = CachedTrigger(f"{definition.name}/{end}", trigger, definition, None, None, None, None)
    now = invocation.clock.now()
    intake = simulate_intake(trigger.source, sample, invocation.secrets.lines, now)
    reader = invocation.read_if_made(lambda reader: reader, None)
    result = dry_run_event(
        DryRunInputs(known, automation, reader, now, invocation.zone, invocation.sealing.limit), intake
    )
    invocation.output.document(result, lambda: _print(invocation, result))
    return exits.OK if result.state is None or result.state in CONTINUING_STATES else exits.CHECK_FAILED


def find_loaded_trigger(registry: "Registry", name: str) -> "tuple[Automation, str]":
    """Return the automation and the end of the trigger's name. Raises UnknownNameError, ConflictError."""
    known = {
        f"{automation.name}/{end}": (automation, end)
        for automation in map(registry.get, registry.names)
        for end in automation.definition.triggers
    }
    return known[find_trigger_name(known, name)]


def _print(invocation: Invocation, result: "DryRunResult") -> None:
    from mainspring.cli.json_output import format_json
    from mainspring.cli.triggers.dry_run import CONTINUING_STATES

    output = invocation.output
    is_accepted = result.state is None or result.state in CONTINUING_STATES
    icon, colour = (formatting.GOOD, "green") if is_accepted else (formatting.BAD, "red")
    output.line(
        f"{output.paint(icon, colour)} {formatting.escape_line(result.trigger)}: {formatting.escape_line(result.sentence)}"
    )
    for name, fact in result.facts.items():
        output.line(f"  {name:<10}{formatting.escape_line(fact)}")
    for place, fault in enumerate(result.faults):
        output.line(f"  {'fault' if not place else '':<10}{formatting.escape_line(fault)}")
    if result.arguments is not None:
        text = " ".join(format_json(result.arguments).split())
        output.line(f"  {'arguments':<10}{formatting.escape_line(text, 1_000)}")
