"""Checks of the automations: do they load, does somebody answer for them, can they hang, did they ever succeed."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mainspring.cli.checks import Check, ok
from mainspring.cli.context import Invocation
from mainspring.cli.words import many
from mainspring.domain.states import RunState

if TYPE_CHECKING:
    from mainspring.domain.definition import Definition

_SHOWN = 8
_MOST = 200


def loading(invocation: Invocation) -> Iterator[Check]:
    """Every file of the configuration loads, here and in the workers."""
    from mainspring.store.reads.status import automations

    registry = invocation.registry()
    faults = [Check("loading", "problem", f"{one.what}\nat {one.where}", one.how) for one in registry.problems]
    here = [one.what for one in registry.problems]
    faults += [
        Check(
            "loading",
            "problem",
            f"{view.name} failed to load in a worker: {view.problem}",
            "Mend it, then start it anew.",
        )
        for view in invocation.rows(automations)
        if view.problem and view.retired_at is None and not any(what in view.problem for what in here)
    ]
    yield from faults or [ok("loading", f"{many(len(registry.automations), 'automation')} loaded")]


def owner(invocation: Invocation) -> Iterator[Check]:
    """Somebody answers for each automation."""
    yield _without(
        invocation,
        "owner",
        "has no owner",
        "have no owner",
        lambda one: bool(one.option("owner") or one.option("team")),
    )


def runbook(invocation: Invocation) -> Iterator[Check]:
    """Each automation says what to do when it fails."""
    yield _without(invocation, "runbook", "has no runbook", "have no runbook", lambda one: bool(one.option("runbook")))


def timeout(invocation: Invocation) -> Iterator[Check]:
    """No automation can go on for ever."""
    yield _without(
        invocation,
        "timeout",
        "has neither timeout nor deadline",
        "have neither timeout nor deadline",
        lambda one: one.span("timeout") is not None or one.span("deadline") is not None,
    )


def success(invocation: Invocation) -> Iterator[Check]:
    """What has run has succeeded at least once."""
    from mainspring.store.reads.runs import list_runs
    from mainspring.store.reads.status import automations

    never = []
    for view in invocation.rows(automations)[:_MOST]:
        if view.retired_at is not None:
            continue
        if list_runs(invocation.reader, name=view.name, limit=1).runs and not (
            list_runs(invocation.reader, name=view.name, states=(RunState.SUCCEEDED,), limit=1).runs
        ):
            never.append(view.name)
    yield _finding(
        "success", never, "has never succeeded", "have never succeeded", "See: mainspring failed list --name NAME"
    )


def _without(
    invocation: Invocation, name: str, one: str, several: str, is_there: Callable[["Definition"], bool]
) -> Check:
    """Return the check for an option that every automation should have."""
    from mainspring.cli.auto import known_automations, state_of

    now = invocation.clock.now()
    lacking = [
        known.name
        for known in known_automations(invocation, quiet=True)
        if known.definition is not None and state_of(known, now) != "retired" and not is_there(known.definition)
    ]
    return _finding(
        name, lacking, one, several, f"Say it where it is declared: {name}=..., or mainspring exec --{name} ..."
    )


def _finding(name: str, lacking: list[str], one: str, several: str, fix: str) -> Check:
    if not lacking:
        return ok(name, "nothing to say")
    more = f", and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    return Check(name, "warning", f"{', '.join(lacking[:_SHOWN])}{more} {one if len(lacking) == 1 else several}", fix)
