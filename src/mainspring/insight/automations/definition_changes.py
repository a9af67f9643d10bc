"""Changes between two definitions of one automation: each field that a user sets, old and new."""

from collections.abc import Iterator, Mapping

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import OPTIONS
from mainspring.domain.values.saved_call import compare_values
from mainspring.insight.automations.option_list import format_option

_SEPARATE_FIELDS = frozenset({"name", "version", "cron", "every", "at", "tz"})
"""Options that have a line of their own, or that the schedule contains."""
_NONE = "-"


class DefinitionChange(msgspec.Struct, frozen=True):
    """One field of a definition that differs; "-" = it is not set."""

    path: str
    was: str
    now: str


def list_definition_changes(old: Definition, new: Definition) -> list[DefinitionChange]:
    """Return the changes in a fixed order: name, kind, version, schedule, options, triggers, parameters, command."""
    return [DefinitionChange(path, was, now) for path, was, now in _list_pairs(old, new) if was != now]


def _list_pairs(old: Definition, new: Definition) -> Iterator[tuple[str, str, str]]:
    yield "name", old.name, new.name
    yield "kind", str(old.kind), str(new.kind)
    yield "version", str(old.version), str(new.version)
    yield "schedule", _describe_schedules(old), _describe_schedules(new)
    for name in OPTIONS:
        if name not in _SEPARATE_FIELDS:
            yield name, format_option(old.option(name)), format_option(new.option(name))
    for name in sorted({*old.triggers, *new.triggers}):
        yield f"trigger {name}", _describe_trigger(old, name), _describe_trigger(new, name)
    for change in compare_values(msgspec.json.encode(old.parameters), msgspec.json.encode(new.parameters)):
        yield f"parameters{change.path.removeprefix('$')}", change.was, change.now
    yield "command", " ".join(old.command) or _NONE, " ".join(new.command) or _NONE
    yield "cwd", old.cwd or _NONE, new.cwd or _NONE
    yield from _list_variables(old.env, new.env)


def _describe_schedules(definition: Definition) -> str:
    return "; ".join(schedule.describe() for schedule in definition.schedules) or _NONE


def _describe_trigger(definition: Definition, name: str) -> str:
    trigger = definition.triggers.get(name)
    return _NONE if trigger is None else msgspec.json.encode(trigger, order="deterministic").decode()


def _list_variables(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the variables that differ, without their values, which may be secret."""
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"env {name}", "set" if name in old else _NONE, "set to another value" if name in new else _NONE
