"""The checks of `doctor`: each check is one function that yields its findings. It changes and creates nothing.

A check that cannot run (the store is unreachable) leaves that to the check of the store.
`mainspring docs show doctor` explains each by name.
"""

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from mainspring.cli.context import Invocation
from mainspring.domain.errors import MainspringError
from mainspring.domain.text.docs_command import DOCTOR_TOPIC, format_docs_command

CheckState = Literal["ok", "warning", "problem"]


class CheckResult(msgspec.Struct, frozen=True):
    """One finding: `name` of the check, its state, the finding, its fix ("" = nothing to do), the page that explains it."""

    name: str
    state: CheckState
    text: str
    fix: str = ""
    docs: str = ""


_STORE_CHECKS = frozenset(
    {
        "commits",
        "large-values",
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
        "effects",
        "secrets",
        "loading",
        "owner",
        "runbook",
        "timeout",
        "success",
        "triggers",
        "deliveries",
    }
)
"""Checks that need a readable store: each would wait for it again, and repeat its fault."""
CheckFunction = Callable[[Invocation], Iterator[CheckResult]]


def run_all_checks(invocation: Invocation) -> list[CheckResult]:
    """Run every check, in the order of their dependencies."""
    results: list[CheckResult] = []
    try:
        _ = invocation.settings
    except MainspringError as error:  # no other check can run
        return [
            CheckResult(
                "config", "problem", error.message, error.hint or "", format_docs_command(DOCTOR_TOPIC, "config")
            )
        ]
    is_store_unreadable = False
    for name, check_function in checks_by_name().items():
        if is_store_unreadable and name in _STORE_CHECKS:
            continue
        try:
            results += check_function(invocation)
        except MainspringError as error:
            is_store_unreadable = is_store_unreadable or name == "store"
            results.append(CheckResult(name, "problem", error.message, error.hint or ""))
    return [msgspec.structs.replace(check, docs=format_docs_command(DOCTOR_TOPIC, check.name)) for check in results]


def checks_by_name() -> dict[str, CheckFunction]:
    """Return the checks by name."""
    from mainspring.cli.doctor import (
        automation_checks,
        effect_checks,
        notification_checks,
        outbox_checks,
        schedule_checks,
        secret_checks,
        sign_in_checks,
        store_checks,
        trace_checks,
        trigger_checks,
        worker_checks,
    )

    trigger_state = trigger_checks.TriggerChecks()
    return {
        "config": store_checks.check_config,
        "store": store_checks.check_store,
        "commits": store_checks.check_commits,
        "large-values": store_checks.check_large_values,
        "space": store_checks.check_space,
        "log": store_checks.check_write_ahead_log,
        "filesystem": store_checks.check_file_system,
        "sqlite": store_checks.check_sqlite,
        "schema": store_checks.check_schema,
        "modes": store_checks.check_file_modes,
        "other-store": store_checks.check_other_store,
        "spool": store_checks.check_spool,
        "clock": worker_checks.check_clock,
        "tzdata": worker_checks.check_time_zones,
        "worker": worker_checks.check_workers,
        "scheduler": worker_checks.check_scheduler,
        "slots": schedule_checks.check_slots,
        "cadence": schedule_checks.check_cadence,
        "calendars": schedule_checks.check_calendars,
        "notify": notification_checks.check_channels,
        "alerts": notification_checks.check_alerts,
        "traces": trace_checks.check_traces,
        "provider": sign_in_checks.check_provider,
        "outbox": outbox_checks.check_outbox,
        "effects": effect_checks.check_effects,
        "secrets": secret_checks.check_secrets,
        "literals": secret_checks.check_literals,
        "loading": automation_checks.check_loading,
        "owner": automation_checks.check_owner,
        "runbook": automation_checks.check_runbook,
        "timeout": automation_checks.check_timeout,
        "success": automation_checks.check_success,
        "triggers": trigger_state.triggers,
        "deliveries": trigger_state.deliveries,
    }


def make_ok_result(name: str, text: str) -> CheckResult:
    """Return a check without a finding."""
    return CheckResult(name, "ok", text)
