"""Crash command, `mainspring crash --after STEP`: kill -9 a worker at a chosen commit of a new run, and report how it resumes."""

import time
from typing import TYPE_CHECKING

import click

from mainspring.cli import exits, params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.domain.errors import ConflictError, NotFoundError
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.store.views import AutomationView, RunHistory

_POLL_INTERVAL_S = 0.05
_ARM_TIMEOUT_S = 10.0
_FROM_OUTSIDE = frozenset({"answer", "signal", "event", "update"})


@command("crash", "kill -9 a worker after a chosen step, to see it resume")
@click.argument("name", type=params.AUTOMATION, required=False)
@click.option("--after", "step", required=True, metavar="STEP", help="kill the worker after this step is saved")
@click.option(
    "--timeout",
    type=float,
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="wait at most this long for the end",
)
@pass_invocation
def crash(invocation: Invocation, name: str | None, *, step: str, timeout: float) -> int:
    """Starts a new run of NAME with the input of its last run (default: the automation that ran last). Kills the worker right after STEP is
    saved.

    Needs `mainspring up` or `mainspring dev`. In production it needs -y. If the run waits for a person, it prints how to answer, and ends
    with 6.
    """
    from mainspring.app.workers.upkeep import CRASH_ARMED_KEY, CRASH_ORDER_KEY
    from mainspring.service.runs.run_start import read_startable_definition, start
    from mainspring.store.commands.automations import SetMeta
    from mainspring.store.read.runs.run_views import list_runs, run_view

    if invocation.settings.project.environment == "production":
        invocation.confirm("Kill a production worker with kill -9")
    page = list_runs(invocation.reader, name=name, limit=1)
    if not page.runs:
        raise NotFoundError(f"no run of {name or 'this project'} exists yet", hint="Start it once: mainspring run NAME")
    last_run = run_view(invocation.reader, page.runs[0].id)
    order = f"{last_run.automation}\x1f{step}"
    store = invocation.store
    store.apply(SetMeta(CRASH_ARMED_KEY, None))
    store.apply(SetMeta(CRASH_ORDER_KEY, order))
    try:
        definition = read_startable_definition(_wait_for_worker(invocation, last_run.automation, order))
        run_id = start(store, invocation.clock, definition, last_run.input, act=invocation.act).run
        halted = _wait_for_run(invocation, run_id, step, timeout)
    finally:
        store.apply(SetMeta(CRASH_ORDER_KEY, None))
    if halted is not None:
        return _print_wait(invocation, halted, step)
    return _print_resumption(invocation, run_id, step)


def _wait_for_worker(invocation: Invocation, automation: str, order: str) -> "AutomationView":
    """Return the automation once a worker has taken the order, and announced its code: it can take orders before that.

    Raises:
        ConflictError: no worker does so in time.
    """
    from mainspring.app.workers.upkeep import CRASH_ARMED_KEY
    from mainspring.store.read.status.status import automations, meta

    until = time.monotonic() + _ARM_TIMEOUT_S
    while True:
        is_armed = meta(invocation.reader, CRASH_ARMED_KEY) == order
        if is_armed and (announced := automations(invocation.reader, automation)):
            return announced[0]
        if time.monotonic() > until:
            text = f"no worker has loaded {automation}" if is_armed else "no running worker answers"
            raise ConflictError(text, hint="Start one: mainspring dev")
        time.sleep(_POLL_INTERVAL_S)


def _print_resumption(invocation: Invocation, run_id: str, step: str) -> int:
    """Print at which step the ended run resumed. Raises ConflictError: it did not."""
    from mainspring.store.read.runs.run_views import run_history

    resumed = run_history(invocation.reader, run_id)
    steps = [outcome for outcome in resumed.outcomes if outcome.kind == "step" and outcome.superseded is None]
    position = next((index for index, outcome in enumerate(steps) if outcome.name == step), None)
    if position is None:
        raise ConflictError(
            f"run {run_id} never saved step {step!r}: nothing was killed",
            hint=f"See: mainspring runs show {run_id}",
        )
    if resumed.run.claim < 2:
        raise ConflictError(
            f"the worker was killed after step {step!r} of run {run_id}, but nothing was left to resume: the "
            "run had ended",
            hint="Name a step that is not the last: mainspring crash --after STEP",
        )
    pause_ms = steps[position + 1].started_at - steps[position].at if position + 1 < len(steps) else 0
    next_step = f" ({steps[position + 1].name})" if position + 1 < len(steps) else ""
    text = (
        f"{resumed.run.automation} {run_id} resumed at step {position + 2}/{len(steps)}{next_step} after {pause_ms / 1000:.1f} s; "
        f"{step} ran once (attempt {steps[position].attempt})"
    )
    document = {"run": run_id, "state": resumed.run.state, "resumed_after_ms": pause_ms, "claims": resumed.run.claim}
    invocation.output.document(document, text)
    return exits.OK if resumed.run.state == "succeeded" else exits.RUN_FAILED


def _wait_for_run(invocation: Invocation, run_id: str, step: str, timeout: float) -> "RunHistory | None":
    """Wait for the end of the run. Return the run if it waits for a person instead, and no worker is about to be killed."""
    from mainspring.domain.states import TERMINAL_STATES
    from mainspring.store.read.runs.run_views import run_history, run_view

    until, until_at = time.monotonic() + timeout, invocation.clock.now() + round(timeout * 1000)
    while True:
        state = run_view(invocation.reader, run_id).state
        if state in TERMINAL_STATES or state == "needs_attention":
            return None
        if state == "waiting":
            history = run_history(invocation.reader, run_id)
            if _needs_person(history, until_at) and (_is_killed(invocation) or not _is_saved(history, step)):
                return history
        if time.monotonic() > until:
            raise exits.WaitTimedOutError(
                f"run {run_id} has not ended; it is {state}", hint=f"See: mainspring runs show {run_id}"
            )
        time.sleep(_POLL_INTERVAL_S)


def _is_killed(invocation: Invocation) -> bool:
    """Return whether a worker has obeyed the order: it deletes the order as it kills itself."""
    from mainspring.app.workers.upkeep import CRASH_ORDER_KEY
    from mainspring.store.read.status.status import meta

    return meta(invocation.reader, CRASH_ORDER_KEY) is None


def _is_saved(history: "RunHistory", step: str) -> bool:
    return any(outcome.kind == "step" and outcome.name == step for outcome in history.outcomes)


def _needs_person(history: "RunHistory", until_at: int) -> bool:
    """Return whether all that the run waits for comes from outside, and no such wait ends by itself before `until_at`."""
    from mainspring.insight.runs.waits import list_waits

    waits = list_waits(history)
    return bool(waits) and all(
        wait.get("kind") in _FROM_OUTSIDE and (wait.get("until_at") or until_at) >= until_at for wait in waits
    )


def _print_wait(invocation: Invocation, history: "RunHistory", step: str) -> int:
    """Print for whom the run waits, and the commands that continue it."""
    from mainspring.insight.runs.waits import describe_waits, list_wait_commands

    now, run = invocation.clock.now(), history.run
    opened = invocation.unseal(lambda unsealer: unsealer.run_history(history))
    commands = [suggested.command for suggested in list_wait_commands(opened, now)]
    waits = describe_waits(opened, now, lambda at: formatting.format_instant(at, invocation.zone))
    is_killed = _is_saved(history, step)
    place = f"after step {step}: the worker was killed, and {step} ran once"
    if not is_killed:
        place = f"before step {step}: no worker was killed"
    text = "\n".join([f"run {run.id} waits for a person {place}. {' '.join(waits)}", *commands])
    document = {"run": run.id, "state": run.state, "killed": is_killed, "waits": waits, "next": commands}
    invocation.output.document(document, text)
    return exits.NEEDS_HUMAN
