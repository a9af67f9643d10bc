"""Automation checks: whether they load, have an owner, can hang, and ever succeeded."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result
from mainspring.cli.incidents.monitors import find_unknown_names
from mainspring.domain.errors import ConfigError
from mainspring.domain.states import RunState
from mainspring.insight.text.formatting import format_count, shell_word

if TYPE_CHECKING:
    from mainspring.domain.definitions.definition import Definition

_MAX_NAMES_PRINTED = 8
RESTART_FIX = "It loads now. Restart the workers: mainspring down, then mainspring up"
_CHANGED_FIX = "It is fixed or no longer configured. Restart the workers: mainspring down, then mainspring up"
_MAX_AUTOMATIONS = 200


def check_loading(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that every file of the configuration loads, here and in the workers."""
    from mainspring.engine.definitions.load_problem import PROBLEMS_KEY, decode_problems
    from mainspring.store.read.status.status import automations, meta

    registry = invocation.registry()
    faults = [
        CheckResult("loading", "problem", f"{problem.what}\nat {problem.where}", problem.how)
        for problem in registry.problems
    ]
    local_texts = [problem.what for problem in registry.problems]
    faults += _check_rules(invocation)
    faults += [
        CheckResult(
            "loading",
            "problem",
            f"{view.name} failed to load in a worker: {view.problem}",
            "Fix it, then restart the workers: mainspring down, then mainspring up",
        )
        for view in invocation.rows_if_made(automations)
        if view.problem and view.retired_at is None and not any(text in view.problem for text in local_texts)
    ]
    missing_parts = decode_problems(invocation.read_if_made(lambda reader: meta(reader, PROBLEMS_KEY), None))
    faults += [
        CheckResult(
            "loading",
            "problem",
            f"the worker started without this file: {problem.what}\nat {problem.where}",
            _CHANGED_FIX,
        )
        for problem in missing_parts
        if problem.what not in local_texts
    ]
    names = sorted(registry.names)
    faults += _check_announced(invocation, names)
    known = {*names, *(view.name for view in invocation.rows_if_made(automations))}
    fix = "Write the name of an automation or a pattern that matches one, or remove the table."
    faults += [CheckResult("loading", "problem", line, fix) for line in find_unknown_names(invocation, known)]
    yield from faults or [make_ok_result("loading", f"{format_count(len(registry.names), 'automation')} loaded")]
    yield from (make_ok_result("loading", f"hint: {hint}") for hint in dict.fromkeys(registry.hints))


def _check_rules(invocation: Invocation) -> Iterator[CheckResult]:
    """Report a failure rule that cannot be imported: no worker starts with it."""
    from mainspring.app.setup.failure_rules import make_classifier

    try:
        make_classifier(invocation.settings.project.classify, invocation.settings.folder)
    except ConfigError as error:
        yield CheckResult("loading", "problem", error.message, error.hint or "")


def _check_announced(invocation: Invocation, names: list[str]) -> Iterator[CheckResult]:
    """Report automations that load here and in no worker: they were added or fixed after the workers started."""
    from mainspring.domain.states import SessionState
    from mainspring.store.read.status.status import sessions

    live = invocation.rows_if_made(lambda reader: sessions(reader, limit=1_000))
    workers = [session for session in live if session.role in ("worker", "dev") and session.state == SessionState.ALIVE]
    served = {name for session in workers for name in session.automations}
    missing = [name for name in names if name not in served]
    if workers and served and missing:
        more = f", and {len(missing) - _MAX_NAMES_PRINTED} more" if len(missing) > _MAX_NAMES_PRINTED else ""
        yield CheckResult(
            "loading",
            "problem",
            f"no running worker has loaded {', '.join(missing[:_MAX_NAMES_PRINTED])}{more}",
            RESTART_FIX,
        )


def check_owner(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that each automation has an owner."""
    yield _check_option(
        invocation,
        "owner",
        "has no owner",
        "have no owner",
        lambda definition: bool(definition.option("owner") or definition.option("team")),
    )


def check_runbook(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that each automation has a runbook."""
    from mainspring.app.alerting.runbooks import RunbookFinder

    runbooks = RunbookFinder(invocation.settings)
    fix = (
        "Write runbooks/NAME.md beside the configuration, or a section Runbook in its docstring, or set "
        "runbook=... where it is declared."
    )
    yield _check_option(
        invocation,
        "runbook",
        "has no runbook",
        "have no runbook",
        lambda definition: runbooks.of(definition.name, definition) is not None,
        fix,
    )


def check_timeout(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that each automation has a limit of time."""
    yield _check_option(
        invocation,
        "timeout",
        "has neither timeout nor deadline",
        "have neither timeout nor deadline",
        lambda definition: definition.span("timeout") is not None or definition.span("deadline") is not None,
    )


def check_success(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that each automation that has run succeeded at least once."""
    from mainspring.store.read.runs.run_views import list_runs
    from mainspring.store.read.status.status import automations

    unsuccessful = []
    for view in invocation.rows_if_made(automations)[:_MAX_AUTOMATIONS]:
        if view.retired_at is not None:
            continue
        if list_runs(invocation.reader, name=view.name, limit=1).runs and not (
            list_runs(invocation.reader, name=view.name, states=(RunState.SUCCEEDED,), limit=1).runs
        ):
            unsuccessful.append(view.name)
    yield _make_finding(
        "success",
        unsuccessful,
        "has never succeeded",
        "have never succeeded",
        "See: mainspring failed list --name NAME",
    )


def _check_option(
    invocation: Invocation,
    name: str,
    singular: str,
    plural: str,
    has_option: Callable[["Definition"], bool],
    fix: str | None = None,
) -> CheckResult:
    """Return the check of an option that every automation should have."""
    from mainspring.cli.automations.automation_list import find_automations, schedule_state

    now = invocation.clock.now()
    lacking = [
        known.name
        for known in find_automations(invocation, quiet=True, needs_store=False)
        if known.definition is not None and schedule_state(known, now) != "retired" and not has_option(known.definition)
    ]
    default_fix = f"Set it where it is declared: {name}=..., or mainspring exec --{name} ..."
    return _make_finding(name, lacking, singular, plural, fix or default_fix)


def _make_finding(name: str, lacking: list[str], singular: str, plural: str, fix: str) -> CheckResult:
    if not lacking:
        return make_ok_result(name, "nothing to report")
    more = f", and {len(lacking) - _MAX_NAMES_PRINTED} more" if len(lacking) > _MAX_NAMES_PRINTED else ""
    return CheckResult(
        name,
        "warning",
        f"{', '.join(lacking[:_MAX_NAMES_PRINTED])}{more} {singular if len(lacking) == 1 else plural}",
        f"{fix.removesuffix('.')}; after a trial: mainspring auto retire {shell_word(lacking[0]) if len(lacking) == 1 else 'NAME'}",
    )
