"""What `doctor` looks at: each check is one function that yields what it found. Nothing is changed, nothing is made.

A check that cannot look (the store is away) leaves that to the check of the store. docs/reference/doctor.md explains each by its name.
"""

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from mainspring.cli.context import Invocation
from mainspring.domain.errors import MainspringError

DOCS = "docs/reference/doctor.md"
State = Literal["ok", "warning", "problem"]


class Check(msgspec.Struct, frozen=True):
    """One finding: `name` of the check, its state, what was found, how to mend it ("" = nothing to do), where it is explained."""

    name: str
    state: State
    text: str
    fix: str = ""
    docs: str = ""


_IN_THE_STORE = frozenset(
    {
        "commits",
        "space",
        "filesystem",
        "sqlite",
        "schema",
        "clock",
        "worker",
        "scheduler",
        "slots",
        "cadence",
        "calendars",
        "alerts",
        "outbox",
        "loading",
        "owner",
        "runbook",
        "timeout",
        "success",
        "triggers",
        "deliveries",
    }
)
"""Checks that cannot look where the store cannot be read: each would wait for it anew, and say once more what is wrong with it."""
Looker = Callable[[Invocation], Iterator[Check]]


def all_checks(invocation: Invocation) -> list[Check]:
    """Run every check, in the order in which things depend on each other."""
    found: list[Check] = []
    try:
        _ = invocation.settings
    except MainspringError as error:  # nothing else can be looked at
        return [Check("config", "problem", error.message, error.hint or "", f"{DOCS}#config")]
    cannot_be_read = False
    for name, look in lookers().items():
        if cannot_be_read and name in _IN_THE_STORE:
            continue
        try:
            found += look(invocation)
        except MainspringError as error:
            cannot_be_read = cannot_be_read or name == "store"
            found.append(Check(name, "problem", error.message, error.hint or ""))
    return [msgspec.structs.replace(check, docs=f"{DOCS}#{check.name}") for check in found]


def lookers() -> dict[str, Looker]:
    """Return the checks by name."""
    from mainspring.cli import (
        checks_automations,
        checks_notify,
        checks_outbox,
        checks_schedules,
        checks_store,
        checks_traces,
        checks_triggers,
        checks_web,
        checks_workers,
    )

    of_triggers = checks_triggers.TriggerChecks()
    return {
        "config": checks_store.config,
        "store": checks_store.store,
        "commits": checks_store.commits,
        "space": checks_store.space,
        "log": checks_store.log,
        "filesystem": checks_store.file_system,
        "sqlite": checks_store.sqlite,
        "schema": checks_store.schema,
        "modes": checks_store.modes,
        "other-store": checks_store.other_store,
        "spool": checks_store.spool,
        "clock": checks_workers.clock,
        "tzdata": checks_workers.time_zones,
        "worker": checks_workers.worker,
        "scheduler": checks_workers.scheduler,
        "slots": checks_schedules.slots,
        "cadence": checks_schedules.cadence,
        "calendars": checks_schedules.calendars,
        "notify": checks_notify.notify,
        "alerts": checks_notify.alerts,
        "traces": checks_traces.traces,
        "provider": checks_web.provider,
        "outbox": checks_outbox.outbox,
        "loading": checks_automations.loading,
        "owner": checks_automations.owner,
        "runbook": checks_automations.runbook,
        "timeout": checks_automations.timeout,
        "success": checks_automations.success,
        "triggers": of_triggers.triggers,
        "deliveries": of_triggers.deliveries,
    }


def ok(name: str, text: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name, "ok", text)
