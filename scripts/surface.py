"""Print every name that users type or read, one a line: `python scripts/surface.py`.

A test compares this list with `tests/golden/surface.txt`, so that no name changes unnoticed. `--write` accepts what has changed.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

import mainspring
from mainspring.actions.base.action_catalog import list_actions
from mainspring.alerting.metrics.series import HELP
from mainspring.cli import exits
from mainspring.cli.doctor.checks import checks_by_name
from mainspring.cli.global_flags import make_global_options
from mainspring.cli.main import root
from mainspring.config.known_keys import list_known_values
from mainspring.domain.definitions.options import OPTIONS
from mainspring.domain.errors import MainspringError
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.registry import MONITORS
from mainspring.domain.processes.process_finding import ProcessFindingKind
from mainspring.domain.states import (
    AlertState,
    AttemptState,
    BulkState,
    DeliveryState,
    FailureReason,
    IncidentState,
    MessageState,
    OutcomeState,
    RunState,
    SessionState,
)
from mainspring.web.api.document import build_document
from mainspring.web.api.schema_names import SCHEMA_NAMES
from mainspring.web.api.table import ROUTES

STATES = (
    *(RunState, FailureReason, OutcomeState, AttemptState, MessageState, DeliveryState, SessionState, BulkState),
    *(IncidentKind, IncidentState, AlertState, ProcessFindingKind),
)
EVERYWHERE = {option.name for option in make_global_options(hidden=True)}
GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "surface.txt"


def surface() -> Iterator[str]:
    """Yield each name after the kind of thing that it names."""
    for module in pkgutil.walk_packages(mainspring.__path__, "mainspring."):  # errors are found by their classes
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    yield from (f"public {name}" for name in mainspring.__all__)
    for entry in list_actions():
        yield " ".join([f"action {entry.name}", *(argument.name for argument in entry.arguments)])
    yield from (f"global {' '.join(option.opts)}" for option in make_global_options(hidden=True))
    yield from commands(root)
    yield from (f"exit {code} {meaning}" for code, meaning in sorted(exits.MEANINGS.items()))
    yield from (f"error {code}" for code in sorted({kind.code for kind in subclasses(MainspringError)}))
    yield from (f"key {'.'.join(path)}" for path in sorted(list_known_values()))
    yield from (f"option {name}" for name in sorted(OPTIONS))
    for states in STATES:
        yield from (f"{SCHEMA_NAMES.get(states, states.__name__)} {state.value}" for state in states)
    yield from (f"monitor {monitor.kind.value}{settings(monitor.tuning)}" for monitor in MONITORS.values())
    yield from (f"check {name}" for name in checks_by_name())
    yield from (f"metric {name}" for name in HELP)
    yield from api(build_document(ROUTES, "0"))


def commands(group: click.Group, before: str = "") -> Iterator[str]:
    """Yield each command of a tree with its arguments and options."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
            continue
        parameters = [parameter(each) for each in command.params if each.name not in EVERYWHERE]
        yield " ".join([f"command {before}{name}", *sorted(parameters)])


def parameter(parameter: click.Parameter) -> str:
    """Return an option as it is typed, an argument by its name in capitals."""
    if isinstance(parameter, click.Option):
        return "|".join(sorted([*parameter.opts, *parameter.secondary_opts]))
    return str(parameter.name).upper()


def settings(tuning: Any) -> str:
    """Return the settings of a monitor, each after a blank."""
    return "".join(f" {name}" for name in getattr(tuning, "__struct_fields__", ()))


def api(whole: Mapping[str, Any]) -> Iterator[str]:
    """Yield each operation with its parameters, and each field of each schema."""
    for path, methods in sorted(whole["paths"].items()):
        for method, operation in sorted(methods.items()):
            names = sorted(f"{field['in']}:{field['name']}" for field in operation.get("parameters", []))
            yield " ".join([f"api {method.upper()} {path} {operation['operationId']}", *names])
    for name, schema in sorted(whole["components"]["schemas"].items()):
        yield f"schema {name}: {' '.join(sorted(schema.get('properties', schema.get('enum', []))))}"


def subclasses(kind: type[MainspringError]) -> Iterable[type[MainspringError]]:
    """Return a class of errors and all below it."""
    return {kind, *(inner for below in kind.__subclasses__() for inner in subclasses(below))}


def text() -> str:
    """Return the whole list as the file has it."""
    return "".join(f"{line}\n" for line in surface())


if __name__ == "__main__":
    if "--write" in sys.argv:
        GOLDEN.write_text(text(), encoding="utf-8")
    else:
        sys.stdout.write(text())
