"""Automations that a problem keeps out of this process although the store knows them: announced with it, so that people are told why.

A file or module that fails to load does not say what it would have declared: what was last announced from there is what is missing.
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
    """Where a definition stood."""

    module: str = ""
    file: str = ""


def find_unloaded_automations(registry: Registry, known: Iterable[AutomationView]) -> tuple[AutomationRow, ...]:
    """Return a row for each automation of the store that is not in the registry because of a problem, with that; `known` is theirs.

    And one without a problem for each that had one which is over: what it stood in loads by now and declares it no more, or is gone.
    """
    missing = [
        one for one in known if one.retired_at is None and one.definition and one.name not in registry.automations
    ]
    rows = []
    for one in missing:
        place = msgspec.json.decode(one.definition, type=_DefinitionPlace)
        problem = next((problem for problem in registry.problems if _blocks(problem, one.name, place)), None)
        if problem is not None:
            rows.append(_build_row(one, f"{problem.where}\n{problem.what.removeprefix(_PREFIX)}"))
        elif one.problem is not None and _is_resolved(place, registry):
            rows.append(_build_row(one, None))
    return tuple(rows)


def _build_row(one: AutomationView, problem: str | None) -> AutomationRow:
    return AutomationRow(*(one.name, one.kind, one.version, one.fingerprint, None), problem=problem)


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
