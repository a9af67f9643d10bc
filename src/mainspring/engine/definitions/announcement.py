"""The announcement of a process: its definitions, their schedules and triggers, and the problems that disabled others, as data."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.errors import CodecUnavailableError, MainspringError
from mainspring.domain.ids import hash_parts
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.triggers.trigger import Trigger
from mainspring.domain.values.codec import encode
from mainspring.domain.values.saved_call import encode_call
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.definitions.automation import Automation
from mainspring.engine.definitions.load_problem import LoadProblem
from mainspring.engine.definitions.message_types import find_message_schemas
from mainspring.engine.definitions.reachable_names import find_versions
from mainspring.engine.definitions.references import find_actions
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ScheduleRow
from mainspring.store.commands.triggers import TriggerRow
from mainspring.store.views import AutomationView

_PREFIX = "failed to load: "


def complete_definition(automation: Automation) -> Definition:
    """Return the definition with what only its whole module shows: the messages that it can read, and the actions that it uses."""
    definition = automation.definition
    if automation.fn is None:
        return definition
    is_workflow = definition.kind is DefinitionKind.WORKFLOW
    return msgspec.structs.replace(
        definition,
        fingerprint=_add_versions(automation) if is_workflow else definition.fingerprint,
        message_schemas=find_message_schemas(automation.fn) if is_workflow else {},
        actions=find_actions(automation.fn),
    )


def _add_versions(automation: Automation) -> str:
    """Return the fingerprint of a workflow whose code asks for versions of changes, also in functions that it calls.

    A process that knows a newer version is a newer deployment: older code gives it the precedence.
    """
    fingerprint = automation.definition.fingerprint
    versions = {} if automation.fn is None else find_versions(automation.fn)
    parts = [f"{change}\x1f{version}".encode() for change, version in sorted(versions.items())]
    return hash_parts(fingerprint.encode(), *parts) if parts else fingerprint


def build_announcement(registry: Registry, now_at: int, sealing: Sealing = PLAIN_SEALING) -> AnnounceDefinitions:
    """Return the command that writes all definitions; a schedule without usable arguments becomes a problem of the registry.

    Each schedule has the sealed input of its runs, so that a scheduler needs no user code.
    """
    rows: list[AutomationRow] = []
    schedules: list[ScheduleRow] = []
    triggers: list[TriggerRow] = []
    for automation in registry:
        definition = complete_definition(automation)
        names = automation.was
        rows.append(
            AutomationRow(
                definition.name,
                str(definition.kind),
                definition.version,
                definition.fingerprint,
                msgspec.json.encode(definition.to_data()),
                names[0] if names else None,
                is_candidate=automation.is_candidate,
            )
        )
        triggers.extend(
            build_trigger_row(definition.name, end, trigger, definition.version)
            for end, trigger in definition.triggers.items()
        )
        if definition.schedules:
            schedules.extend(_build_schedule_rows(automation, registry, now_at, sealing))
    fingerprints = [
        f"{row.name}\x1f{row.version}\x1f{row.fingerprint}".encode()
        for row in sorted(rows, key=lambda row: (row.name, row.version))
    ]
    return AnnounceDefinitions(hash_parts(*fingerprints), tuple(rows), tuple(schedules), tuple(triggers))


def build_trigger_row(automation: str, end: str, trigger: Trigger, version: int = 1) -> TriggerRow:
    """Return the stored row of a trigger; `end` = the part of its name after the automation's."""
    encoded = msgspec.json.encode(trigger, order="deterministic")
    path = getattr(trigger.source, "path", None)
    return TriggerRow(f"{automation}/{end}", automation, trigger.kind, encoded, path, trigger.source.topics(), version)


def _build_schedule_rows(
    automation: Automation, registry: Registry, now_at: int, sealing: Sealing
) -> list[ScheduleRow]:
    definition, signature = automation.definition, automation.signature
    days = definition.option("calendar")
    if days is not None and any(schedule.calendar is None for schedule in definition.schedules):
        _add_problem(
            registry,
            definition.where,
            f"{definition.name!r} uses calendar {days!r}, which did not exist when it was declared",
            "Add the module of the calendar to [project] automations, or use business-days.",
        )
        return []
    try:
        data = encode({}) if signature is None else encode_call(signature, (), {}, definition.name, limit=sealing.limit)
        input = sealing.seal_inline(data)
    except CodecUnavailableError:
        raise
    except MainspringError as error:
        problem = f"{definition.name!r} has a schedule but cannot start without arguments: {error.message}"
        _add_problem(registry, definition.where, problem, "Give each parameter a default that can be saved.")
        return []
    several = len(definition.schedules) > 1
    return [
        ScheduleRow(
            f"{definition.name}#{number}" if several else definition.name,
            definition.name,
            msgspec.json.encode(schedule.to_data(), order="deterministic"),
            schedule.next_after(now_at),
            schedule.key,
            input,
            _current_slot(schedule, now_at) if definition.option("misfire") != "none" else None,
            definition.version,
        )
        for number, schedule in enumerate(definition.schedules, start=1)
    ]


def _add_problem(registry: Registry, where: str, description: str, fix: str) -> None:
    problem = LoadProblem(where=where, what=description, how=fix)
    if problem not in registry.problems:
        registry.problems.append(problem)


def _current_slot(schedule: Schedule, now_at: int) -> int | None:
    """Return the slot of the current interval."""
    if schedule.every is None:
        return None
    slot_at = now_at - (now_at - schedule.offset) % schedule.every
    return slot_at if schedule.next_after(slot_at - 1) == slot_at else None


def encode_problems(registry: Registry) -> str:
    """Return the registry's problems as JSON text."""
    return msgspec.json.encode(registry.problems).decode()


class _DefinitionPlace(msgspec.Struct, frozen=True):
    """The place of a definition."""

    module: str = ""
    file: str = ""


def find_unloaded_automations(registry: Registry, known: Iterable[AutomationView]) -> tuple[AutomationRow, ...]:
    """Return a row with the problem for each automation of the store (`known`) that is not in the registry because of it.

    A file or module that fails to load does not show what it would declare: the automations last announced from there are missing.

    And a row without a problem for each whose problem is resolved: its file loads now and does not declare it, or does not exist.
    """
    rows = []
    for automation, place in _list_missing(registry, known):
        problem = next((problem for problem in registry.problems if _blocks(problem, automation.name, place)), None)
        if problem is not None:
            rows.append(_build_row(automation, f"{problem.where}\n{problem.what.removeprefix(_PREFIX)}"))
        elif automation.problem is not None and _is_resolved(place, registry):
            rows.append(_build_row(automation, None))
    return tuple(rows)


def find_load_findings(registry: Registry, known: Iterable[AutomationView], now_at: int) -> tuple[ProcessFinding, ...]:
    """Return a finding for each file with a problem that no automation of the store (`known`) has, of several the first."""
    missing = list(_list_missing(registry, known))
    findings: dict[str, ProcessFinding] = {}
    for problem in registry.problems:
        if not any(_blocks(problem, automation.name, place) for automation, place in missing):
            description = problem.what.partition("\n")[0]
            reason = f"{problem.where}: {description}\n{problem.how}"
            findings.setdefault(problem.file, ProcessFinding(ProcessFindingKind.LOAD, problem.file, reason, now_at))
    return tuple(findings.values())


def _list_missing(
    registry: Registry, known: Iterable[AutomationView]
) -> Iterator[tuple[AutomationView, _DefinitionPlace]]:
    """Yield the automations of the store that are not in the registry, with their places."""
    for automation in known:
        if automation.retired_at is None and automation.definition and automation.name not in registry.names:
            yield automation, msgspec.json.decode(automation.definition, type=_DefinitionPlace)


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
