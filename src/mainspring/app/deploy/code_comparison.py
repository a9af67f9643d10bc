"""Comparison of loaded code with the store: problems, removed automations, changed definitions, unknown flags."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from mainspring.app.deploy.report import DeployChange, DeployFinding, DeployFindingKind
from mainspring.app.replay.replay_protocol import LoadedCode
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.errors import UnknownNameError
from mainspring.domain.rollouts.rollout import Rollout, can_take_force
from mainspring.engine.body.child_runs import STEP_RUN
from mainspring.insight.automations.announced_definitions import read_definition
from mainspring.insight.automations.definition_changes import DefinitionChange, list_definition_changes
from mainspring.insight.text.formatting import format_count, shell_word
from mainspring.store.base import StoreReader
from mainspring.store.read.flags import list_flags
from mainspring.store.read.rollouts import list_rollouts, list_versions
from mainspring.store.read.runs.replayable_runs import RunGroupKey
from mainspring.store.read.status.status import automations, schedules
from mainspring.store.schema.rollouts.automation_versions import AutomationVersion
from mainspring.store.views import AutomationView

_MOST_PLACES = 3
_MOST_ROLLOUTS = 10_000


class StoredCode(msgspec.Struct, frozen=True):
    """The part of a store that code is compared with. `flags` None = a provider answers for flags, not the store."""

    automations: list[AutomationView]
    scheduled: dict[str, int]
    """Number of schedules that have not ended, by automation."""
    flags: list[str] | None
    rollouts: list[Rollout]
    """Newest first."""
    candidates: list[AutomationView | AutomationVersion] = []
    """The new versions of the rollouts in progress."""


def read_stored_code(reader: StoreReader, *, with_flags: bool) -> StoredCode:
    """Read what code is compared with."""
    scheduled: dict[str, int] = {}
    for schedule in schedules(reader):
        if schedule.retired_at is None:
            scheduled[schedule.automation] = scheduled.get(schedule.automation, 0) + 1
    flags = [flag.name for flag in list_flags(reader)] if with_flags else None
    known = [view for view in automations(reader) if view.retired_at is None]
    rollouts = list_rollouts(reader, limit=_MOST_ROLLOUTS)
    candidates: list[AutomationView | AutomationVersion] = [
        row
        for rollout in rollouts
        if rollout.is_active
        for row in list_versions(reader, rollout.automation)
        if row.version == rollout.new_version
    ]
    return StoredCode(known, scheduled, flags, rollouts, candidates)


def list_code_findings(
    code: LoadedCode, stored: StoredCode | None, groups: Mapping[RunGroupKey, Sequence[str]]
) -> list[DeployFinding]:
    """Return the findings about the code; without a store only its problems, and versions that it lacks."""
    definitions = [Definition.from_data(data) for data in code.definitions]
    findings = list(_list_problems(code))
    findings += _list_removed(definitions, code, stored, groups)
    if stored is not None:
        findings += _list_changed(definitions, code, stored)
        findings += _list_changed_candidates(definitions, stored)
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
    loaded = _group_by_name(definitions)
    unfinished: dict[tuple[str, int], list[str]] = {}
    for group, runs in groups.items():
        if not group.is_ended and group.kind != STEP_RUN:
            name = code.former_names.get(group.automation, group.automation)
            unfinished.setdefault((name, group.version), []).extend(runs)
    needed = {} if stored is None else dict(_list_needed_versions(loaded, code, stored))
    yield from _list_removed_versions(loaded, unfinished, needed)
    by_name: dict[str, list[str]] = {}
    for (name, _), runs in unfinished.items():
        by_name.setdefault(name, []).extend(runs)
    known = {view.name for view in stored.automations if view.kind != DefinitionKind.EXEC} if stored else set()
    for name in sorted({*known, *by_name} - loaded.keys() - code.former_names.keys()):
        runs, count = by_name.get(name, []), stored.scheduled.get(name, 0) if stored else 0
        if runs or count:
            parts = [format_count(len(runs), "unfinished run")] if runs else []
            parts += [format_count(count, "schedule")] if count else []
            hint = f"Keep its code, or name its successor: was=. Or end it: mainspring auto retire {shell_word(name)}"
            yield _build_removed(name, f"the code does not have it, and it has {' and '.join(parts)}", hint, runs)


def _group_by_name(definitions: Sequence[Definition]) -> dict[str, list[Definition]]:
    by_name: dict[str, list[Definition]] = {}
    for definition in definitions:
        by_name.setdefault(definition.name, []).append(definition)
    return by_name


def _list_removed_versions(
    loaded: Mapping[str, Sequence[Definition]],
    unfinished: Mapping[tuple[str, int], Sequence[str]],
    needed: Mapping[tuple[str, int], tuple[str, str]],
) -> Iterator[DeployFinding]:
    """Yield the versions that the code lacks although it has the automation."""
    for name, version in sorted({*unfinished, *needed}):
        versions = {definition.version for definition in loaded.get(name, ())}
        if not versions or version in versions:
            continue
        runs = unfinished.get((name, version), ())
        reason, hint = needed.get((name, version), ("", ""))
        parts = [reason] if reason else []
        parts += [f"{format_count(len(runs), 'unfinished run')} of version {version}"] if runs else []
        parts.append(f"and the code has version {', '.join(map(str, sorted(versions)))}")
        hint = hint or "They wait for a worker that loads their version. Keep one until they have ended."
        yield _build_removed(name, ", ".join(parts), hint, runs, version)


def _list_needed_versions(
    loaded: Mapping[str, Sequence[Definition]], code: LoadedCode, stored: StoredCode
) -> Iterator[tuple[tuple[str, int], tuple[str, str]]]:
    """Yield the versions that new runs get, each with the reason and what to do if the code lacks it."""
    for view in stored.automations:
        name = code.former_names.get(view.name, view.name)
        if view.kind == DefinitionKind.EXEC or name not in loaded:
            continue
        follower = _find_next_in_force(view, loaded[name], stored)
        if follower is None:
            hint = "New runs wait for a worker that loads it. Keep it until a rollout of another version is finished."
            yield (name, view.version), (f"version {view.version} is in force", hint)
        active = _find_active_rollout(view, stored)
        if active is not None and (follower is None or follower.version == view.version):
            hint = (
                f"They wait for a worker that loads it. Keep it, or first: mainspring rollout abort {shell_word(name)}"
            )
            yield (name, active.new_version), (f"version {active.new_version} gets new runs by a rollout", hint)


def _build_removed(name: str, text: str, hint: str, runs: Sequence[str], version: int | None = None) -> DeployFinding:
    return DeployFinding(
        DeployFindingKind.REMOVED, name, text, version, runs=list(runs[:5]), number=len(runs), hint=hint
    )


def _list_changed(definitions: Sequence[Definition], code: LoadedCode, stored: StoredCode) -> Iterator[DeployFinding]:
    loaded = _group_by_name(definitions)
    for view in sorted(stored.automations, key=lambda view: code.former_names.get(view.name, view.name)):
        name, was = code.former_names.get(view.name, view.name), read_definition(view)
        compared = _find_next_in_force(view, loaded.get(name, ()), stored)
        if was is None or compared is None:
            continue
        changes = list_definition_changes(was, compared)
        if compared.version == view.version:  # it stays in force without rollout=True, which is removed after a finish
            changes = [change for change in changes if change.path != "rollout"]
        ended = None if compared.version == view.version else _find_active_rollout(view, stored)
        hint = (
            None if ended is None else f"It takes force at once, and ends the rollout to version {ended.new_version}."
        )
        if changes:
            yield _build_changed(name, compared.version, changes, hint)


def _list_changed_candidates(definitions: Sequence[Definition], stored: StoredCode) -> Iterator[DeployFinding]:
    """Yield the changed versions of rollouts in progress; another candidate counts for nothing yet."""
    loaded = {(definition.name, definition.version): definition for definition in definitions}
    hint = "It takes force when its rollout finishes. The evidence so far is about the code before."
    for row in stored.candidates:
        was = read_definition(row)
        now = None if was is None else loaded.get((was.name, was.version))
        changes = [] if was is None or now is None else list_definition_changes(was, now)
        if was is not None and changes:
            yield _build_changed(was.name, was.version, changes, hint)


def _build_changed(name: str, version: int, changes: Sequence[DefinitionChange], hint: str | None) -> DeployFinding:
    return DeployFinding(
        DeployFindingKind.DEFINITION,
        name,
        f"the definition changes: {', '.join(change.path for change in changes)}",
        version,
        changes=[DeployChange(change.path, change.was, change.now) for change in changes],
        hint=hint,
    )


def _find_next_in_force(view: AutomationView, loaded: Sequence[Definition], stored: StoredCode) -> Definition | None:
    """Return the version in force with this code: the same one, else the newest that takes force when it is announced."""
    same = [definition for definition in loaded if definition.version == view.version]
    rollouts = [rollout for rollout in stored.rollouts if rollout.automation == view.name]
    free = [
        definition
        for definition in loaded
        if not definition.option("rollout") and can_take_force(definition.version, rollouts)
    ]
    return same[0] if same else max(free, key=lambda definition: definition.version, default=None)


def _find_active_rollout(view: AutomationView, stored: StoredCode) -> Rollout | None:
    return next((rollout for rollout in stored.rollouts if rollout.automation == view.name and rollout.is_active), None)


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
                hint=f"{error.hint or ''} Create it: mainspring flags set {shell_word(name)}".strip(),
            )
