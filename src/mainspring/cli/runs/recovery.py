"""`mainspring runs retry|give-result`: recovery of a run that stopped."""

from collections.abc import Sequence

import click

from mainspring.cli import params
from mainspring.cli.bulk.selection import SelectionOptions, add_selection_options, at_option, continue_runs, rate_option
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.json_values import find_sealing, read_json_bytes
from mainspring.cli.lazy_group import command
from mainspring.cli.runs.forks_of_run import confirm_despite_forks
from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight.text import formatting
from mainspring.insight.text.typed_instants import parse_instant

_MAX_EFFECTS = 10
_STATE_CHOICES = tuple(sorted(state.value for state in REOPENABLE_STATES))


@command("retry", "continue failed runs, from the failed step or a chosen one")
@add_selection_options(_STATE_CHOICES)
@click.option(
    "--from-step",
    "--from",
    "from_step",
    type=params.STEP,
    metavar="STEP",
    help="run this step and every later step again",
)
@click.option(
    "--again", type=params.STEP, metavar="STEP", help="run this step again; a step in doubt keeps its idempotency key"
)
@click.option(
    "--accept",
    type=params.STEP,
    metavar="STEP",
    help="after drift: keep the saved result; also of a step that the code no longer has",
)
@click.option("--map", "renamed", metavar="OLD=NEW", help="use the saved result of the renamed step OLD for NEW")
@click.option(
    "--forget",
    "forgotten",
    multiple=True,
    metavar="KEY",
    help="forget this effect of the run, so that its step performs it again (repeatable)",
)
@click.option(
    "--discard-rejected", is_flag=True, help="drop the signals, events and answers that the run could not read"
)
@at_option
@rate_option
@pass_invocation
def retry(
    invocation: Invocation,
    *,
    selection: SelectionOptions,
    from_step: str | None,
    again: str | None,
    accept: str | None,
    renamed: str | None,
    forgotten: tuple[str, ...],
    discard_rejected: bool,
    at: str | None,
    rate: str | None,
) -> int:
    """Saved steps do not run again; steps that were undone do. Name runs, or choose them with --state, --name, --queue, --since. A filter
    needs -y, and so does a run with undone steps.

    A step that runs again skips the effects that it has performed with ms.once. --dry-run lists those of a run; --forget KEY lets it
    perform one again.

    A waiting run reads rejected signals, events and answers again. Fix its code first.

    For runs that stopped for one renamed step, --map, --accept, --again and --from-step accept a filter, too.

    --dry-run changes nothing. STEP is the name of a step, or its identity if several steps have that name. --rate stores a start time for
    each run, so this command ends at once.
    """
    decisions = {"from_step": from_step, "again": again, "accept": accept, "map": renamed}
    if forgotten:
        _require_effects(invocation, selection, forgotten)
    if discard_rejected:
        return _discard_rejected(
            invocation, selection, is_only_option=not (any(decisions.values()) or at or rate or forgotten)
        )
    if selection.dry_run and len(selection.runs) == 1:
        _list_skipped(invocation, invocation.run_id(selection.runs[0]))
    if any(decisions.values()):
        return _retry_from_step(invocation, selection, decisions, forgotten, is_later=bool(at or rate))
    if selection.is_one and rate is None:
        run_id = invocation.run_id(selection.runs[0])
        _confirm_repeats(invocation, run_id, None)
        skipped = _settle_effects(invocation, run_id, forgotten)
        due_at = None if at is None else parse_instant(at, invocation.clock.now(), invocation.zone, back=False)
        invocation.engine().retry(run_id, act=invocation.act, due_at=due_at)
        return _print_continued(invocation, run_id, skipped)
    return continue_runs(invocation, selection, at=at, rate=rate)


def _discard_rejected(invocation: Invocation, selection: SelectionOptions, *, is_only_option: bool) -> int:
    from mainspring.service.runs.signal import discard_rejected

    if not selection.is_one or not is_only_option:
        raise click.UsageError("--discard-rejected takes one run and no other option", ctx=click.get_current_context())
    run_id = invocation.run_id(selection.runs[0])
    number = discard_rejected(invocation.store, run_id, act=invocation.act)
    text = f"{run_id} drops {formatting.format_count(number, 'message', 'messages')} that it could not read."
    invocation.output.document({"run": run_id, "discarded": number}, text)
    return 0


def _retry_from_step(
    invocation: Invocation,
    selection: SelectionOptions,
    decisions: dict[str, str | None],
    forgotten: tuple[str, ...],
    *,
    is_later: bool,
) -> int:
    from mainspring.service.runs import run_recovery

    given = {decision: step for decision, step in decisions.items() if step}
    if len(given) != 1 or is_later:
        raise click.UsageError(
            "use only one of --from-step, --again, --accept and --map", ctx=click.get_current_context()
        )
    (decision, step), *_ = given.items()
    if not selection.is_one:
        return _decide_renamed(invocation, selection, decision, step)
    run_id = invocation.run_id(selection.runs[0])
    store, reads, act = invocation.store, invocation.reads, invocation.act
    if decision in ("from_step", "again"):
        _confirm_repeats(invocation, run_id, step)
    skipped = _settle_effects(invocation, run_id, forgotten)
    if decision == "from_step":
        run_recovery.retry_from(store, reads, run_id, step, act=act)
    elif decision == "again":
        run_recovery.run_again(store, reads, run_id, act=act, step=step)
    elif decision == "map":
        run_recovery.rename_step(store, reads, run_id, step, act=act)
    else:
        run_recovery.accept_drift(store, reads, run_id, act=act, step=step)
    return _print_continued(invocation, run_id, skipped)


def _require_effects(invocation: Invocation, selection: SelectionOptions, keys: tuple[str, ...]) -> None:
    """Refuse keys of effects that no step of the run has performed, and a run that cannot be continued."""
    from mainspring.domain.errors import ConflictError, UnknownNameError
    from mainspring.store.read.effects import list_effects_of_run
    from mainspring.store.read.runs.run_views import run_view

    if not selection.is_one or selection.dry_run:
        raise click.UsageError("--forget takes one run, and no --dry-run", ctx=click.get_current_context())
    run_id = invocation.run_id(selection.runs[0])
    state = run_view(invocation.reader, run_id).state
    if state not in REOPENABLE_STATES:
        raise ConflictError(
            f"run {run_id} is {state}, so none of its steps runs again",
            hint="Let the next call of a key perform its effect: mainspring effects forget KEY",
        )
    known = {effect.key for effect in list_effects_of_run(invocation.reader, run_id)}
    for key in keys:
        if key not in known:
            raise UnknownNameError(f"effect of run {run_id}", key, known)


def _settle_effects(invocation: Invocation, run_id: str, forgotten: tuple[str, ...]) -> list[str]:
    """Forget effects that the run shall perform again; list and return the keys that its steps skip."""
    from mainspring.service.effect import forget_effect

    for key in forgotten:
        forget_effect(invocation.store, key, act=invocation.act.part(key))
    return _list_skipped(invocation, run_id)


def _list_skipped(invocation: Invocation, run_id: str) -> list[str]:
    """List and return the keys of effects that the steps of a run skip, because they are done."""
    from mainspring.domain.states import EffectState
    from mainspring.store.read.effects import list_effects_of_run

    done = [effect for effect in list_effects_of_run(invocation.reader, run_id) if effect.state is EffectState.DONE]
    if done:
        invocation.output.hint("If their steps run again, they skip these effects, which are done:")
        for effect in done[:_MAX_EFFECTS]:
            invocation.output.hint(f"  {formatting.escape_line(effect.key)} (step {effect.ident})")
        if len(done) > _MAX_EFFECTS:
            invocation.output.hint(f"  and {len(done) - _MAX_EFFECTS} more: mainspring runs show {run_id}")
        invocation.output.hint("Add --forget KEY to perform one again.")
    return [effect.key for effect in done]


def _decide_renamed(invocation: Invocation, selection: SelectionOptions, decision: str, step: str) -> int:
    """Decide in the same way on each run that stopped for a renamed step; other runs are rejected."""
    from mainspring.cli.bulk.selection import print_bulk_result, select_runs
    from mainspring.service.runs import bulk, run_recovery

    run_ids = select_runs(invocation, selection, bulk.RETRYABLE)
    if not selection.dry_run:
        invocation.confirm(
            f"Continue {formatting.format_count(len(run_ids), 'run')} with --{decision.replace('_', '-')} {step}"
        )
    result = run_recovery.decide_renamed_each(
        invocation.store, invocation.reads, run_ids, decision, step, act=invocation.act, dry_run=selection.dry_run
    )
    return print_bulk_result(invocation, result, "continued")


def _confirm_repeats(invocation: Invocation, run_id: str, step: str | None) -> None:
    """List the steps that run again because they, or steps they depend on, were undone; and ask for confirmation."""
    from mainspring.insight.runs.rollback_status import list_repeated, list_undone
    from mainspring.insight.runs.steps import label_step
    from mainspring.service.runs.run_recovery import find_step_identity

    history = invocation.reads.run_history(run_id)
    confirm_despite_forks(invocation, history, "Continue this run, too")
    repeated = list_repeated(history, None if step is None else find_step_identity(history, step))
    if repeated:
        undone = {outcome.ident for outcome in list_undone(history)}
        invocation.output.hint("These steps run again, under new keys:")
        for outcome in repeated:
            reason = "was undone" if outcome.ident in undone else "follows an undone step"
            invocation.output.hint(f"  {formatting.escape_line(label_step(outcome.ident, outcome.name))} ({reason})")
        invocation.confirm(f"Run {formatting.format_count(len(repeated), 'step')} again")


def _print_continued(invocation: Invocation, run_id: str, skipped: Sequence[str] = ()) -> int:
    """Report that the run continues; `skipped` = the keys of effects that are not performed again."""
    data = {"run": run_id, "continued": True} | ({"skipped_effects": list(skipped)} if skipped else {})
    invocation.output.document(data, f"{run_id} is continued.")
    invocation.output.hint(f"Follow it: mainspring runs watch {run_id}")
    return 0


@command("give-result", "set the result of a step by hand")
@click.argument("run", type=params.RUN)
@click.argument("value", metavar="JSON")
@click.option(
    "--step", type=params.STEP, metavar="STEP", help="step to set (default: the step at which the run stopped)"
)
@pass_invocation
def give_result(invocation: Invocation, run: str, value: str, step: str | None) -> None:
    """For a step that failed, is in doubt, or whose result was refused. The run continues with this result. JSON may be @FILE, or - for
    stdin.
    """
    from mainspring.service.runs.run_recovery import give_result as give

    run = invocation.run_id(run)
    sealing = find_sealing(invocation, run)
    data = read_json_bytes(value, "the result")
    give(invocation.store, invocation.reads, run, data, act=invocation.act, step=step, sealing=sealing)
    _print_continued(invocation, run)
