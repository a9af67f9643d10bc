"""Checks of the automations: do they load, does somebody answer for them, can they hang, did they ever succeed."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result
from mainspring.cli.incidents.monitors import find_unknown_names
from mainspring.domain.errors import ConfigError
from mainspring.domain.states import RunState
from mainspring.insight.text.formatting import format_count

if TYPE_CHECKING:
    from mainspring.domain.definitions.definition import Definition

_MAX_NAMES_PRINTED = 8
RESTART_FIX = "It loads now. Restart the workers: mainspring down, then mainspring up"
_CHANGED_FIX = "It is fixed or no longer configured. Restart the workers: mainspring down, then mainspring up"
_MAX_AUTOMATIONS = 200


def check_loading(invocation: Invocation) -> Iterator[CheckResult]:
    """Every file of the configuration loads, here and in the workers."""
    from mainspring.engine.definitions.load_problem import PROBLEMS_KEY, decode_problems
    from mainspring.store.read.status.status import automations, meta

    registry = invocation.registry()
    faults = [CheckResult("loading", "problem", f"{one.what}\nat {one.where}", one.how) for one in registry.problems]
    here = [one.what for one in registry.problems]
    faults += _check_rules(invocation)
    faults += [
        CheckResult(
            "loading",
            "problem",
            f"{view.name} failed to load in a worker: {view.problem}",
            "Mend it, then start it anew.",
        )
        for view in invocation.rows_if_made(automations)
        if view.problem and view.retired_at is None and not any(what in view.problem for what in here)
    ]
    left_out = decode_problems(invocation.read_if_made(lambda reader: meta(reader, PROBLEMS_KEY), None))
    faults += [
        CheckResult("loading", "problem", f"the worker started without this: {one.what}\nat {one.where}", _CHANGED_FIX)
        for one in left_out
        if one.what not in here
    ]
    names = [one.name for one in registry]
    faults += _check_announced(invocation, names)
    known = {*names, *(view.name for view in invocation.rows_if_made(automations))}
    fix = "Write the name of an automation, or a pattern that fits one, or take the table out."
    faults += [CheckResult("loading", "problem", line, fix) for line in find_unknown_names(invocation, known)]
    yield from faults or [make_ok_result("loading", f"{format_count(len(registry.automations), 'automation')} loaded")]
    yield from (make_ok_result("loading", f"hint: {hint}") for hint in dict.fromkeys(registry.hints))


def _check_rules(invocation: Invocation) -> Iterator[CheckResult]:
    """Tell of a rule for failures that cannot be imported: no worker starts with it."""
    from mainspring.app.setup.failure_rules import make_classifier

    try:
        make_classifier(invocation.settings.project.classify, invocation.settings.folder)
    except ConfigError as error:
        yield CheckResult("loading", "problem", error.message, error.hint or "")


def _check_announced(invocation: Invocation, names: list[str]) -> Iterator[CheckResult]:
    """Tell what loads here and no worker has: it came, or was mended, after they started."""
    from mainspring.domain.states import SessionState
    from mainspring.store.read.status.status import sessions

    live = invocation.rows_if_made(lambda reader: sessions(reader, limit=1_000))
    workers = [one for one in live if one.role in ("worker", "dev") and one.state == SessionState.ALIVE]
    served = {name for one in workers for name in one.automations}
    missing = [name for name in names if name not in served]
    if workers and served and missing:
        more = f", and {len(missing) - _MAX_NAMES_PRINTED} more" if len(missing) > _MAX_NAMES_PRINTED else ""
        yield CheckResult(
            "loading", "problem", f"no live worker has {', '.join(missing[:_MAX_NAMES_PRINTED])}{more}", RESTART_FIX
        )


def check_owner(invocation: Invocation) -> Iterator[CheckResult]:
    """Somebody answers for each automation."""
    yield _check_option(
        invocation,
        "owner",
        "has no owner",
        "have no owner",
        lambda one: bool(one.option("owner") or one.option("team")),
    )


def check_runbook(invocation: Invocation) -> Iterator[CheckResult]:
    """Each automation says what to do when it fails."""
    from mainspring.app.alerting.runbooks import RunbookFinder

    runbooks = RunbookFinder(invocation.settings)
    fix = "Write runbooks/NAME.md beside the configuration, a section Runbook in its docstring, or say runbook=... where it is declared."
    yield _check_option(
        invocation,
        "runbook",
        "has no runbook",
        "have no runbook",
        lambda one: runbooks.of(one.name, one) is not None,
        fix,
    )


def check_timeout(invocation: Invocation) -> Iterator[CheckResult]:
    """No automation can go on for ever."""
    yield _check_option(
        invocation,
        "timeout",
        "has neither timeout nor deadline",
        "have neither timeout nor deadline",
        lambda one: one.span("timeout") is not None or one.span("deadline") is not None,
    )


def check_success(invocation: Invocation) -> Iterator[CheckResult]:
    """What has run has succeeded at least once."""
    from mainspring.store.read.runs.run_views import list_runs
    from mainspring.store.read.status.status import automations

    never = []
    for view in invocation.rows_if_made(automations)[:_MAX_AUTOMATIONS]:
        if view.retired_at is not None:
            continue
        if list_runs(invocation.reader, name=view.name, limit=1).runs and not (
            list_runs(invocation.reader, name=view.name, states=(RunState.SUCCEEDED,), limit=1).runs
        ):
            never.append(view.name)
    yield _make_finding(
        "success", never, "has never succeeded", "have never succeeded", "See: mainspring failed list --name NAME"
    )


def _check_option(
    invocation: Invocation,
    name: str,
    one: str,
    several: str,
    is_there: Callable[["Definition"], bool],
    fix: str | None = None,
) -> CheckResult:
    """Return the check for an option that every automation should have."""
    from mainspring.cli.automations.automation_list import find_automations, schedule_state

    now = invocation.clock.now()
    lacking = [
        known.name
        for known in find_automations(invocation, quiet=True, needs_store=False)
        if known.definition is not None and schedule_state(known, now) != "retired" and not is_there(known.definition)
    ]
    otherwise = f"Say it where it is declared: {name}=..., or mainspring exec --{name} ..."
    return _make_finding(name, lacking, one, several, fix or otherwise)


def _make_finding(name: str, lacking: list[str], one: str, several: str, fix: str) -> CheckResult:
    if not lacking:
        return make_ok_result(name, "nothing to say")
    more = f", and {len(lacking) - _MAX_NAMES_PRINTED} more" if len(lacking) > _MAX_NAMES_PRINTED else ""
    return CheckResult(
        name, "warning", f"{', '.join(lacking[:_MAX_NAMES_PRINTED])}{more} {one if len(lacking) == 1 else several}", fix
    )
