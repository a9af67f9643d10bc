"""`mainspring runs pause|resume`: pause runs, and resume them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mainspring.cli.bulk.background_operations import background_option, begin_runs
from mainspring.cli.bulk.selection import SelectionOptions, add_selection_options, print_bulk_result, select_runs
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import IDLE_STATES, RunState
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.service.runs.bulk import BulkAnswer

_PAUSABLE = tuple(sorted(state.value for state in {*IDLE_STATES, RunState.RUNNING}))


@command("pause", "pause runs: attempts under way finish, nothing else starts")
@add_selection_options(_PAUSABLE)
@background_option
@pass_invocation
def pause(invocation: Invocation, *, selection: SelectionOptions, background: bool) -> int:
    """A paused run keeps what it receives, and its partition. Timers, waits and deadlines run on, and take effect when it is resumed.

    Name runs, or choose them with --state, --name, --queue, --error and times. A filter needs -y. --dry-run changes nothing. --background
    creates a bulk operation: see `mainspring bulk list`. A run that is paused for a day is an incident.
    """
    from mainspring.service.runs import bulk

    if background:
        begin_runs(invocation, BulkVerb.PAUSE, selection, rate=None)
        return 0
    return _apply(
        invocation,
        selection,
        BulkVerb.PAUSE,
        bulk.PAUSABLE,
        bulk.pause_each,
        "paused, or will pause when the attempts under way have ended",
    )


@command("resume", "resume paused runs")
@add_selection_options()
@background_option
@pass_invocation
def resume(invocation: Invocation, *, selection: SelectionOptions, background: bool) -> int:
    """A run continues where it was. Times that are over take effect now. A request to pause a run that still runs is withdrawn.

    Name runs, or choose paused ones with --name, --queue, --error and times. A filter needs -y. --dry-run changes nothing. --background
    creates a bulk operation: see `mainspring bulk list`.
    """
    from mainspring.service.runs import bulk

    if background:
        begin_runs(invocation, BulkVerb.RESUME, selection, rate=None)
        return 0
    return _apply(invocation, selection, BulkVerb.RESUME, bulk.RESUMABLE, bulk.resume_each, "resumed")


def _apply(
    invocation: Invocation,
    selection: SelectionOptions,
    verb: BulkVerb,
    states: tuple[RunState, ...],
    apply_to_each: "Callable[..., BulkAnswer]",
    outcome: str,
) -> int:
    if selection.is_one:
        return _apply_to_one(invocation, invocation.run_id(selection.runs[0]), verb)
    run_ids = select_runs(invocation, selection, states)
    if not selection.runs and not selection.dry_run:
        invocation.confirm(f"{verb.capitalize()} {formatting.format_count(len(run_ids), 'run')}")
    result = apply_to_each(invocation.store, run_ids, act=invocation.act, dry_run=selection.dry_run)
    return print_bulk_result(invocation, result, outcome)


def _apply_to_one(invocation: Invocation, run_id: str, verb: BulkVerb) -> int:
    engine = invocation.engine()
    operation = engine.pause if verb is BulkVerb.PAUSE else engine.resume
    operation(run_id, act=invocation.act)
    view = engine.describe(run_id)
    text = f"{view.id} is {view.state}."
    if verb is BulkVerb.PAUSE and view.state is not RunState.PAUSED:
        text = f"{view.id} will pause when its attempts under way have ended."
    invocation.output.document({"run": view.id, "state": view.state}, text)
    if verb is BulkVerb.PAUSE:
        invocation.output.hint(f"Resume it: mainspring runs resume {view.id}")
    return 0
