"""Automations that a problem keeps out of this process although the store knows them: announced with it, so that people are told why.

A file or module that fails to load does not say what it would have declared: what was last announced from there is what is missing.
"""

from collections.abc import Iterable

import msgspec

from mainspring.engine.problem import Problem
from mainspring.engine.registry import Registry
from mainspring.store.commands.automations import AutomationRow
from mainspring.store.views import AutomationView

_PREFIX = "failed to load: "


class _Place(msgspec.Struct, frozen=True):
    """Where a definition stood."""

    module: str = ""
    file: str = ""


def unloaded(registry: Registry, known: Iterable[AutomationView]) -> tuple[AutomationRow, ...]:
    """Return a row with its problem for each automation of the store that is not in the registry because of one; `known` is theirs."""
    missing = [
        one for one in known if one.retired_at is None and one.definition and one.name not in registry.automations
    ]
    found = ((one, _problem_of(one, registry.problems)) for one in missing)
    return tuple(
        AutomationRow(
            *(one.name, one.kind, one.version, one.fingerprint, None),
            problem=f"{problem.where}\n{problem.what.removeprefix(_PREFIX)}",
        )
        for one, problem in found
        if problem is not None
    )


def _problem_of(one: AutomationView, problems: Iterable[Problem]) -> Problem | None:
    place = msgspec.json.decode(one.definition, type=_Place)
    return next((problem for problem in problems if _keeps_out(problem, one.name, place)), None)


def _keeps_out(problem: Problem, name: str, place: _Place) -> bool:
    if problem.automation:
        return problem.automation == name
    target = problem.target
    return bool(target) and (target in (place.file, place.module) or place.module.startswith(f"{target}."))
