"""`mainspring triggers test`: what an event would do, without doing it."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.cli.triggers import TRIGGER, named_trigger
from mainspring.insight import words

if TYPE_CHECKING:
    from mainspring.cli.trial import Trial
    from mainspring.engine.definitions.automation import Automation
    from mainspring.engine.definitions.registry import Registry


@command("test", "say what an event would do, without storing it")
@click.argument("name", type=TRIGGER)
@click.argument("event")
@click.option("--header", "headers", metavar="NAME=VALUE", multiple=True, help="a header of it; may be repeated")
@click.option("-m", "modules", metavar="MODULE_OR_FILE", multiple=True, help="load this code too")
@pass_invocation
def test(invocation: Invocation, name: str, event: str, headers: tuple[str, ...], modules: tuple[str, ...]) -> int:
    """EVENT is JSON written out, @FILE, or - for stdin: the body, or an object with "headers" and "body". The project's code is loaded, its
    filter is asked, and nothing is stored. Ends with 9 if no run would follow.
    """
    from mainspring.cli.sample_event import read_sample
    from mainspring.cli.trial import GOES_ON, Bench, try_out
    from mainspring.cli.trial_doors import at_the_door
    from mainspring.triggers.trigger_cache import CachedTrigger

    sample = read_sample(event, headers)
    automation, end = find_trigger(invocation.registry(modules), name)
    definition = automation.definition
    trigger = definition.triggers[end]
    known = CachedTrigger(f"{definition.name}/{end}", trigger, definition, None, None, None, None)
    now = invocation.clock.now()
    door = at_the_door(trigger.source, sample, invocation.secrets.lines, now)
    reader = invocation.read_if_made(lambda reader: reader, None)
    found = try_out(Bench(known, automation, reader, now, invocation.zone, invocation.sealing.limit), door)
    invocation.output.document(found, lambda: _print(invocation, found))
    return exits.OK if found.state is None or found.state in GOES_ON else exits.CHECK_FAILED


def find_trigger(registry: "Registry", name: str) -> "tuple[Automation, str]":
    """Return the automation and the end of the trigger's name. Raises UnknownNameError, ConflictError."""
    known = {f"{one.name}/{end}": (one, end) for one in registry for end in one.definition.triggers}
    return known[named_trigger(known, name)]


def _print(invocation: Invocation, found: "Trial") -> None:
    from mainspring.cli.plain import json_text
    from mainspring.cli.trial import GOES_ON

    output = invocation.output
    good = found.state is None or found.state in GOES_ON
    icon, colour = (words.GOOD, "green") if good else (words.BAD, "red")
    output.line(f"{output.paint(icon, colour)} {words.one_line(found.trigger)}: {words.one_line(found.sentence)}")
    for name, fact in found.facts.items():
        output.line(f"  {name:<10}{words.one_line(fact)}")
    for place, fault in enumerate(found.faults):
        output.line(f"  {'fault' if not place else '':<10}{words.one_line(fault)}")
    if found.arguments is not None:
        text = " ".join(json_text(found.arguments).split())
        output.line(f"  {'arguments':<10}{words.one_line(text, 1_000)}")
