"""Comparison of loaded code with the store: problems, removed automations, changed definitions, unknown flags."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from mainspring.app.deploy.replay_protocol import LoadedCode
from mainspring.app.deploy.report import DeployChange, DeployFinding, DeployFindingKind
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.errors import UnknownNameError
from mainspring.engine.body.child_runs import STEP_RUN
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.automations.definition_changes import list_definition_changes
from mainspring.insight.text.formatting import format_count
from mainspring.store.base import StoreReader
from mainspring.store.read.flags import list_flags
from mainspring.store.read.runs.replayable_runs import RunGroupKey
from mainspring.store.read.status.status import automations, schedules
from mainspring.store.views import AutomationView

_MOST_PLACES = 3


class StoredCode(msgspec.Struct, frozen=True):
    """The part of a store that code is compared with. `flags` None = a provider answers for flags, not the store."""

    automations: list[AutomationView]
    scheduled: dict[str, int]
    """Number of schedules that have not ended, by automation."""
    flags: list[str] | None


def read_stored_code(reader: StoreReader, *, with_flags: bool) -> StoredCode:
    """Read what code is compared with."""
    scheduled: dict[str, int] = {}
    for schedule in schedules(reader):
        if schedule.retired_at is None:
            scheduled[schedule.automation] = scheduled.get(schedule.automation, 0) + 1
    flags = [flag.name for flag in list_flags(reader)] if with_flags else None
    return StoredCode([view for view in automations(reader) if view.retired_at is None], scheduled, flags)


def list_code_findings(
    code: LoadedCode, stored: StoredCode | None, groups: Mapping[RunGroupKey, Sequence[str]]
) -> list[DeployFinding]:
    """Return the findings about the code; without a store only its problems, and versions that it lacks."""
    definitions = [Definition.from_data(data) for data in code.definitions]
    findings = list(_list_problems(code))
    findings += _list_removed(definitions, code, stored, groups)
    if stored is not None:
        findings += _list_changed(definitions, code, stored)
        findings += _list_unknown_flags(code, stored)
    return findings


def _list_problems(code: LoadedCode) -> Iterator[DeployFinding]:
    for problem in code.problems:
        hint = problem.how
        if code.refused:
            hint += f" The check has no network: {code.refused[0]} was refused while the code was loaded."
        yield DeployFinding(
            DeployFindingKind.NOT_LOADED, problem.automation or None, f"{problem.where}: {problem.what}", hint=hint
        )


def _list_removed(
    definitions: Sequence[Definition],
    code: LoadedCode,
    stored: StoredCode | None,
    groups: Mapping[RunGroupKey, Sequence[str]],
) -> Iterator[DeployFinding]:
    versions: dict[str, set[int]] = {}
    for definition in definitions:
        versions.setdefault(definition.name, set()).add(definition.version)
    unfinished: dict[tuple[str, int], list[str]] = {}
    for group, runs in groups.items():
        if not group.is_ended and group.kind != STEP_RUN:
            name = code.former_names.get(group.automation, group.automation)
            unfinished.setdefault((name, group.version), []).extend(runs)
    for (name, version), runs in sorted(unfinished.items()):
        if name in versions and version not in versions[name]:
            loaded = ", ".join(map(str, sorted(versions[name])))
            yield _build_removed(
                name,
                f"{format_count(len(runs), 'unfinished run')} of version {version}, and the code has version {loaded}",
                "They wait for a worker that loads their version. Keep one until they have ended.",
                runs,
                version,
            )
    by_name: dict[str, list[str]] = {}
    for (name, _), runs in unfinished.items():
        by_name.setdefault(name, []).extend(runs)
    known = {view.name for view in stored.automations if view.kind != DefinitionKind.EXEC} if stored else set()
    for name in sorted({*known, *by_name} - versions.keys() - code.former_names.keys()):
        runs, count = by_name.get(name, []), stored.scheduled.get(name, 0) if stored else 0
        if runs or count:
            parts = [format_count(len(runs), "unfinished run")] if runs else []
            parts += [format_count(count, "schedule")] if count else []
            hint = "Keep its code, or name its successor: was=. Or end it: mainspring auto retire NAME"
            yield _build_removed(name, f"the code does not have it, and it has {' and '.join(parts)}", hint, runs)


def _build_removed(name: str, text: str, hint: str, runs: Sequence[str], version: int | None = None) -> DeployFinding:
    return DeployFinding(
        DeployFindingKind.REMOVED, name, text, version, runs=list(runs[:5]), number=len(runs), hint=hint
    )


def _list_changed(definitions: Sequence[Definition], code: LoadedCode, stored: StoredCode) -> Iterator[DeployFinding]:
    current = {
        code.former_names.get(view.name, view.name): definition
        for view in stored.automations
        if (definition := read_definition(view)) is not None
    }
    versions: dict[str, list[Definition]] = {}
    for definition in definitions:
        versions.setdefault(definition.name, []).append(definition)
    for name, was in sorted(current.items()):
        compared = _find_next_in_force(was, versions.get(name, ()))
        changes = [] if compared is None else list_definition_changes(was, compared)
        if compared is not None and changes:
            yield DeployFinding(
                DeployFindingKind.DEFINITION,
                name,
                f"the definition changes: {', '.join(change.path for change in changes)}",
                compared.version,
                changes=[DeployChange(change.path, change.was, change.now) for change in changes],
            )


def _find_next_in_force(was: Definition, loaded: Sequence[Definition]) -> Definition | None:
    """Return the version that takes force with this code: the same one, else the newest without rollout=True."""
    same = [definition for definition in loaded if definition.version == was.version]
    plain = [definition for definition in loaded if not definition.option("rollout")]
    return same[0] if same else max(plain, key=lambda definition: definition.version, default=None)


def _list_unknown_flags(code: LoadedCode, stored: StoredCode) -> Iterator[DeployFinding]:
    places: dict[str, list[str]] = {}
    for question in code.questions:
        places.setdefault(question.flag, []).append(question.where)
    for name, where in places.items() if stored.flags is not None else ():
        if name not in (stored.flags or ()):
            error = UnknownNameError("flag", name, stored.flags or ())
            listed = ", ".join(where[:_MOST_PLACES])
            yield DeployFinding(
                DeployFindingKind.UNKNOWN_FLAG,
                None,
                f"{error.message} at {listed}: the code gets its own default",
                hint=f"{error.hint or ''} Create it: mainspring flags set {name}".strip(),
            )
