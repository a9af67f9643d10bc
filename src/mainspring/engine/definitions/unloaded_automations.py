"""Unloaded automations: the store knows them, but a problem disables them in this process. They are announced with the problem.

A file or module that fails to load does not show what it would declare: the automations last announced from there are missing.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from mainspring.engine.definitions.load_problem import LoadProblem
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.automations import AutomationRow
from mainspring.store.views import AutomationView

_PREFIX = "failed to load: "


class _DefinitionPlace(msgspec.Struct, frozen=True):
    """The place of a definition."""

    module: str = ""
    file: str = ""


def find_unloaded_automations(registry: Registry, known: Iterable[AutomationView]) -> tuple[AutomationRow, ...]:
    """Return a row with the problem for each automation of the store (`known`) that is not in the registry because of it.

    And a row without a problem for each whose problem is resolved: its file loads now and does not declare it, or does not exist.
    """
    missing = [
        automation
        for automation in known
        if automation.retired_at is None and automation.definition and automation.name not in registry.automations
    ]
    rows = []
    for automation in missing:
        place = msgspec.json.decode(automation.definition, type=_DefinitionPlace)
        problem = next((problem for problem in registry.problems if _blocks(problem, automation.name, place)), None)
        if problem is not None:
            rows.append(_build_row(automation, f"{problem.where}\n{problem.what.removeprefix(_PREFIX)}"))
        elif automation.problem is not None and _is_resolved(place, registry):
            rows.append(_build_row(automation, None))
    return tuple(rows)


def _build_row(automation: AutomationView, problem: str | None) -> AutomationRow:
    return AutomationRow(
        *(automation.name, automation.kind, automation.version, automation.fingerprint, None), problem=problem
    )


def _is_resolved(place: _DefinitionPlace, registry: Registry) -> bool:
    if any(_is_defined_in(place, target) for target in registry.loaded):
        return True
    file = Path(place.file)
    return bool(place.file) and file.parent.is_dir() and not file.exists()


def _is_defined_in(place: _DefinitionPlace, target: str) -> bool:
    return target in (place.file, place.module) or place.module.startswith(f"{target}.")


def _blocks(problem: LoadProblem, name: str, place: _DefinitionPlace) -> bool:
    if problem.automation:
        return problem.automation == name
    return bool(problem.target) and _is_defined_in(place, problem.target)
