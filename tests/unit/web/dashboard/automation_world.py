"""Automations on the pages' world: one more definition beside those that are there."""

import msgspec

from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.domain.definitions.options import parse_options
from mainspring.domain.triggers.event_sources import RunEndSource
from mainspring.domain.triggers.trigger import Trigger
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ScheduleRow
from tests.api_world import BACKUP, PAY


def define(world, name, *, after=None, kind=DefinitionKind.TASK, **options):
    """Announce an automation; `after` = that whose end starts it."""
    more = {key: options.pop(key) for key in ("doc", "guide", "actions") if key in options}
    parsed = parse_options(kind, options, name)
    triggers = {} if after is None else {"run": Trigger(source=RunEndSource(automation=after))}
    made = Definition(
        kind=kind, name=name, options=parsed, schedules=build_schedules(parsed, name), triggers=triggers, **more
    )
    rows = [
        AutomationRow(definition.name, definition.kind, 1, "f", msgspec.json.encode(definition.to_data()))
        for definition in (PAY, BACKUP, made)
    ]
    now = world.clock.now()
    planned = [
        ScheduleRow(name, name, msgspec.json.encode(schedule.to_data()), schedule.next_after(now))
        for schedule in made.schedules
    ]
    world.store.apply(AnnounceDefinitions("code", tuple(rows), tuple(planned)))
    return made
