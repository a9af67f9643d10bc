"""The four surfaces of options have the names of the one table."""

import typing

import pytest

from mainspring.domain.definitions.options import DefinitionKind, is_option_effective, list_options
from mainspring.domain.errors import DefinitionError
from mainspring.engine.definitions import option_types
from mainspring.engine.definitions.decorators import script, step, task, workflow
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.definitions.scripts import build_command_definition

COMMAND_ONLY = {"cwd", "env"}
SAMPLES = {
    "title": "of {slot}",
    "at": "03:00",
    "cron": "0 3 * * *",
    "every": "1h",
    "tz": "Europe/Berlin",
    "priority": 1,
    "version": 2,
    "partition": "a",
    "key": "k",
    "retry": 3,
    "jitter": "1s",
    "timeout": "1s",
    "deadline": "1s",
    "silence": "1s",
    "grace": "1s",
    "slow": "1s",
    "fail_rate": 0.5,
    "backlog": 3,
    "healthy": "item",
    "stalled": "6h",
    "expect": {"type": "object"},
    "tier": "page",
    "misfire": "all",
    "overlap": "queue",
    "delivery": "at_most_once",
    "isolate": "thread",
    "on_failure": "undo",
    "on_cancel": "undo",
    "on_deadline": "undo",
    "on_blocked": "pass",
}


def table(kind: DefinitionKind) -> set[str]:
    return {option.name for option in list_options(kind)}


def typed(function: typing.Callable[..., object]) -> set[str]:
    """The keyword names that type checkers know for a surface."""
    overloads = typing.get_overloads(function) or [function]
    found: set[str] = set()
    for overload in overloads:
        options = typing.get_type_hints(overload).get("options")
        if options is not None:
            found |= set(typing.get_type_hints(typing.get_args(options)[0]))
    return found


def test_typed_keywords_are_those_of_the_table():
    """Editors know each option of task, workflow, script and step, and no other."""
    assert typed(task) == table(DefinitionKind.TASK)
    assert typed(workflow) == table(DefinitionKind.WORKFLOW)
    assert typed(script) - COMMAND_ONLY == table(DefinitionKind.SCRIPT) - {"name"}
    assert typed(step) == table(DefinitionKind.STEP)
    assert set(option_types.NamedOptions.__annotations__) == {"name"} | set(
        option_types.AutomationOptions.__annotations__
    )


def test_each_surface_accepts_each_single_option():
    """Python functions and TOML tables take the whole table and agree on the canonical value; what a kind cannot obey it refuses."""

    async def body(run): ...
    def plain(): ...

    for name in sorted(table(DefinitionKind.TASK) - {"name"}):
        options = {name: SAMPLES.get(name, "some")}
        if name == "tz":
            options["cron"] = "0 3 * * *"
        surfaces = [
            (DefinitionKind.TASK, lambda options=options: task(**options)(plain)._draft),
            (DefinitionKind.WORKFLOW, lambda options=options: workflow(**options)(body)._draft),
            (DefinitionKind.SCRIPT, lambda options=options: script("command", "./x", **options)._draft),
            (
                DefinitionKind.SCRIPT,
                lambda options=options: build_command_definition(
                    DefinitionKind.SCRIPT, "plain", "./x", options, file="scripts.toml"
                ),
            ),
        ]
        made = []
        with Registry():
            for kind, surface in surfaces:
                if is_option_effective(kind, name, options[name]):
                    made.append(surface())
                else:
                    with pytest.raises(DefinitionError, match="would change nothing"):
                        surface()
        assert made, name
        assert all(definition.options == made[0].options for definition in made), name
        assert all(definition.version == made[0].version for definition in made), name
        assert all(definition.schedules == made[0].schedules for definition in made), name
        assert name == "version" or name in made[0].options
