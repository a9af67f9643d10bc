"""Handlers of automations: definitions are announced by workers, paused, resumed, retired. A renamed automation keeps
its history.
"""

import msgspec

from mainspring.store.commands.automations import (
    AnnounceDefinitions,
    AutomationRow,
    PauseAutomation,
    ResumeAutomation,
    RetireAutomation,
)
from mainspring.store.commands.results import DONE, CommandDone, NumberAnswer, Refused
from mainspring.store.schema.renames import rename_statements
from mainspring.store.schema.rollouts.automation_versions import NEW_AUTOMATION_VERSION, AutomationVersion
from mainspring.store.transaction import Transaction
from mainspring.store.write import rollouts, subscriptions
from mainspring.store.write.runs.start import VERSIONED_KINDS, forget_start_rules
from mainspring.store.write.triggers import deliveries, schedules


def announce_definitions(tx: Transaction, command: AnnounceDefinitions) -> NumberAnswer:
    """Write the definitions of this process and what its session may claim."""
    tx.hold("deployments")
    is_new_store = tx.first("has_deployment") is None
    number = _find_or_insert_deployment(tx, command.fingerprint)
    newest = tx.value("find_newest_live_deploy", (tx.session,), int)
    overruled = newest is not None and newest > number
    if tx.session is not None:
        tx.change("set_session_deploy", (number, tx.session))
        tx.change("delete_session_automations", (tx.session,))
    in_force: set[tuple[str, int]] = set()
    for row in command.automations:
        if row.was is not None and row.was != row.name:
            _rename(tx, row.was, row.name)
        _write_version(tx, command, row, number, overruled=overruled)
        if _write_definition(tx, row, number, overruled=overruled):
            in_force.add((row.name, row.version))
        if row.definition is not None and row.problem is None and tx.session is not None:
            tx.change("insert_session_automation", (tx.session, row.name, row.version))
        forget_start_rules(tx, row.name)
    if not overruled:
        command = _select_versions(command, in_force)
        schedules.announce_schedules(tx, command, is_new_store=is_new_store)
        deliveries.announce_triggers(tx, command)
    tx.change("rejoin_concurrency_lines")  # a limit may be known now, or be another one
    tx.ready = tx.triggers = True
    return NumberAnswer(number)


def _find_or_insert_deployment(tx: Transaction, fingerprint: str) -> int:
    number = tx.value("find_deployment", (fingerprint,), int)
    if number is None:
        tx.change("insert_deployment", (fingerprint, tx.now))
        number = tx.value("find_deployment", (fingerprint,), int)
    return number or 0


def _select_versions(command: AnnounceDefinitions, in_force: set[tuple[str, int]]) -> AnnounceDefinitions:
    """Return the part of an announcement that belongs to versions in force."""
    return msgspec.structs.replace(
        command,
        automations=tuple(row for row in command.automations if (row.name, row.version) in in_force),
        schedules=tuple(row for row in command.schedules if (row.automation, row.version) in in_force),
        triggers=tuple(row for row in command.triggers if (row.automation, row.version) in in_force),
    )


def _write_version(
    tx: Transaction, command: AnnounceDefinitions, row: AutomationRow, number: int, *, overruled: bool
) -> None:
    """Write the version, in force or not. While a newer deployment is alive, an older one does not overwrite its row."""
    if row.definition is None or row.kind not in VERSIONED_KINDS:
        return
    known = rollouts.find_version(tx, row.name, row.version)
    if known is None or not overruled or known.deploy <= number:
        own = [
            schedule
            for schedule in command.schedules
            if (schedule.automation, schedule.version) == (row.name, row.version)
        ]
        triggers = [
            trigger for trigger in command.triggers if (trigger.automation, trigger.version) == (row.name, row.version)
        ]
        version = AutomationVersion(
            *(row.name, row.version, row.kind, row.definition, row.fingerprint),
            *(msgspec.json.encode(own), msgspec.json.encode(triggers), number, tx.now),
        )
        tx.change("write_automation_version", NEW_AUTOMATION_VERSION.values(version))


def _write_definition(tx: Transaction, row: AutomationRow, number: int, *, overruled: bool) -> bool:
    """Write the definition in force, if this version may be that; return whether it is."""
    known = tx.first("read_announced_automation", (row.name,))
    deploy, _, fingerprint, version = known if known is not None else (None, None, None, None)
    if row.definition is None and not overruled:
        tx.change(
            "record_load_problem", (row.name, row.kind, row.version, b"", row.fingerprint, number, row.problem, tx.now)
        )
    elif row.definition is not None and (deploy is None or not overruled or deploy <= number):
        # While a newer deployment is alive, an older one does not overwrite its definition.
        if not rollouts.may_take_force(tx, row, version):
            return False
        values = (row.name, row.kind, row.version, row.definition, row.fingerprint, number, row.problem, tx.now)
        tx.change("upsert_automation", values)
        if fingerprint:
            rollouts.record_definition_change(tx, row, str(fingerprint), str(version))
        return True
    return False


def _rename(tx: Transaction, was: str, name: str) -> None:
    """Rename an automation in its history, running runs, schedules, keys and statistics, once."""
    if tx.first("has_automation", (was,)) is None:
        return
    for query in rename_statements():
        tx.change(query, (name, was))
    for query in ("delete_rollups", "delete_rollup_details", "delete_automation"):
        tx.change(query, (was,))
    tx.cache.clear()


def pause_automation(tx: Transaction, command: PauseAutomation) -> CommandDone | Refused:
    """Pause an automation: start no runs for now."""
    c = command
    changed = tx.change("pause_automation", (tx.now, c.until_at, c.by, c.reason, c.name))
    if changed:
        tx.change("end_pauses", (tx.now, c.name))
        tx.change("insert_pause", (c.name, tx.now, c.until_at, c.by, c.reason))
    return _done(changed, c.name)


def resume_automation(tx: Transaction, command: ResumeAutomation) -> CommandDone | Refused:
    """End a pause or a retirement."""
    if tx.change("resume_automation", (command.name,)):
        tx.change("resume_schedules", (command.name,))
        deliveries.release_reassigned_paths(tx, command.name)
        subscriptions.clear_subscription_cache(tx)
        tx.change("end_pauses", (tx.now, command.name))
        forget_start_rules(tx, command.name)
        tx.ready = tx.triggers = True
        return DONE
    if tx.first("has_automation", (command.name,)) is None:
        return _done(0, command.name)
    return DONE if tx.again else Refused("not_paused", f"automation {command.name!r} is neither paused nor retired")


def retire_automation(tx: Transaction, command: RetireAutomation) -> CommandDone | Refused:
    """Retire an automation: end its schedules, accept nothing for its triggers and refuse new runs. Unfinished runs
    continue.
    """
    changed = tx.change("retire_automation", (tx.now, command.name))
    tx.change("end_schedules", (tx.now, command.name))
    subscriptions.clear_subscription_cache(tx)
    forget_start_rules(tx, command.name)
    return _done(changed, command.name)


def _done(changed: int, name: str) -> CommandDone | Refused:
    return DONE if changed else Refused("not_found", f"there is no automation {name!r}")
