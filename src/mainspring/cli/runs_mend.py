"""`mainspring runs retry|give-result`: what a person does with a run that stopped."""

import click

from mainspring.cli import params, words
from mainspring.cli.bulk import chosen_runs, print_bulk
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.cli.runs_acts import dry_run_option, limit_option
from mainspring.cli.values import json_bytes, require_plain


@command("retry", "continue failed runs, from where they failed or from a step")
@click.argument("runs", nargs=-1, type=params.RUN)
@click.option("--from-step", "--from", "from_step", metavar="STEP", help="run it and all that came after it again")
@click.option("--again", metavar="STEP", help="run this step again; of a step in doubt under the same key")
@click.option("--accept", metavar="STEP", help="of a drift: keep the saved result under the new input")
@click.option("--at", metavar="TIME", help="not before then: 10m, 2026-01-05T03:00")
@params.state
@params.name
@params.since
@limit_option
@dry_run_option
@pass_invocation
def retry(
    invocation: Invocation,
    *,
    runs: tuple[str, ...],
    from_step: str | None,
    again: str | None,
    accept: str | None,
    at: str | None,
    states: tuple[str, ...],
    name: str | None,
    since: str | None,
    limit: int | None,
    dry_run: bool,
) -> int:
    """What a run has done stays done. Name runs, or say which by --state, --name, --since; a filter wants -y.

    With --dry-run nothing is done. STEP is a step's name, or its identity where several have that name.
    """
    from mainspring.service import bulk

    ways = {"from_step": from_step, "again": again, "accept": accept}
    if any(ways.values()):
        return _from_step(invocation, runs, ways, at=at, dry_run=dry_run)
    due_at = None if at is None else params.instant_at(at, invocation.clock.now(), invocation.zone, back=False)
    said = bool(states or name or since or limit)
    if len(runs) == 1 and not dry_run and not said:
        from mainspring.service.run import retry as retry_one

        run = invocation.run_id(runs[0])
        retry_one(invocation.store, run, act=invocation.act, due_at=due_at)
        return _continued(invocation, run)
    wanted = params.states_of(states) or bulk.RETRYABLE
    found = chosen_runs(invocation, runs, wanted, name, params.since_at(invocation, since), limit, said=said)
    if not runs and not dry_run:
        invocation.confirm(f"Continue {words.many(len(found), 'run')}")
    answer = bulk.retry_each(invocation.store, found, act=invocation.act, dry_run=dry_run, due_at=due_at)
    return print_bulk(invocation, answer, "continued")


def _from_step(
    invocation: Invocation, runs: tuple[str, ...], ways: dict[str, str | None], *, at: str | None, dry_run: bool
) -> int:
    from mainspring.service import mending

    chosen = {way: step for way, step in ways.items() if step}
    if len(chosen) != 1 or len(runs) != 1 or at is not None or dry_run:
        raise click.UsageError(
            "--from-step, --again and --accept stand alone, for one run", ctx=click.get_current_context()
        )
    run = invocation.run_id(runs[0])
    (way, step), *_ = chosen.items()
    store, reads, act = invocation.store, invocation.reads, invocation.act
    if way == "from_step":
        mending.retry_from(store, reads, run, step, act=act)
    elif way == "again":
        mending.run_again(store, reads, run, act=act, step=step)
    else:
        mending.accept_drift(store, reads, run, act=act, step=step)
    return _continued(invocation, run)


def _continued(invocation: Invocation, run: str) -> int:
    invocation.output.document({"run": run, "continued": True}, f"{run} is continued.")
    invocation.output.hint(f"Follow it: mainspring runs watch {run}")
    return 0


@command("give-result", "give the result of a step by hand")
@click.argument("run", type=params.RUN)
@click.argument("value", metavar="JSON")
@click.option("--step", metavar="STEP", help="which step; left out: the one at which the run stopped")
@pass_invocation
def give_result(invocation: Invocation, run: str, value: str, step: str | None) -> None:
    """For a step in doubt, refused or failed: the run goes on with this result. JSON may be @file, or - for stdin."""
    from mainspring.service.mending import give_result as give

    run = invocation.run_id(run)
    require_plain(invocation, run)
    data = json_bytes(value, "the result")
    give(invocation.store, invocation.reads, run, data, act=invocation.act, step=step)
    _continued(invocation, run)
