"""Changes of definitions, field by field."""

from typing import Any

from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.insight.automations.definition_changes import list_definition_changes


def define(name: str = "report", **options: Any) -> Definition:
    return Definition(kind=DefinitionKind.TASK, name=name, options=options, schedules=build_schedules(options, name))


def changes_of(old: Definition, new: Definition) -> dict[str, tuple[str, str]]:
    return {change.path: (change.was, change.now) for change in list_definition_changes(old, new)}


def test_definition_changes_name_schedule_and_options() -> None:
    """The schedule in words, in place of the options that it is made of; an option that was left out has its default."""
    old = define(every="1h", timeout="5m")
    new = define(cron=["0 3 * * *"], tz="Europe/Berlin", queue="mail")
    assert changes_of(old, new) == {
        "schedule": ("every 1h", "every day at 03:00 (Europe/Berlin)"),
        "queue": ("default", "mail"),
        "timeout": ("5m", "-"),
    }
    assert changes_of(old, define(every="1h", timeout="5m")) == {}


def test_definition_changes_ignore_the_place_of_the_code() -> None:
    """A function that moved to another file or line is the same."""
    here = Definition(kind=DefinitionKind.TASK, name="a", module="jobs", file="/srv/jobs.py", line=3, doc="Old.")
    there = Definition(kind=DefinitionKind.TASK, name="a", module="work", file="/srv/work.py", line=9, doc="New.")
    assert changes_of(here, there) == {}


def test_definition_changes_name_parameters_and_commands() -> None:
    """A schema by its paths, a command by its words; the value of a variable may be secret and is not printed."""
    old = Definition(
        kind=DefinitionKind.SCRIPT,
        name="backup",
        parameters={"properties": {"day": {"type": "string"}}},
        command=["./backup.sh", "-q"],
        env={"TOKEN": "t0p", "LANG": "C"},
    )
    new = Definition(
        kind=DefinitionKind.SCRIPT,
        name="save",
        version=2,
        parameters={"properties": {"day": {"type": "integer"}}},
        command=["./backup.sh"],
        cwd="/srv",
        env={"TOKEN": "t1p", "LANG": "C", "HOME": "/root"},
    )
    found = changes_of(old, new)
    assert found == {
        "name": ("backup", "save"),
        "version": ("1", "2"),
        "parameters.properties.day.type": ('"string"', '"integer"'),
        "command": ("./backup.sh -q", "./backup.sh"),
        "cwd": ("-", "/srv"),
        "env HOME": ("-", "set to another value"),
        "env TOKEN": ("set", "set to another value"),
    }
