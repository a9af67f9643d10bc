"""`mainspring db restore`: put a backup in the store's place, decide its unfinished runs, release the store.

A restored store is on hold: nothing starts, since it would repeat what was done after the backup. A person decides each run that was
unfinished - continue, done or cancel, all of a filter at once - and then releases the store. Due times and input between the backup and
the restore (the lost interval) are set aside. They start only if a person starts them, and need a decision until a person starts or
dismisses them.
"""

from pathlib import Path

import click

from mainspring.cli import params
from mainspring.cli.bulk.selection import print_bulk_result
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.store import lost_interval
from mainspring.insight.text import formatting


@command("restore", "restore a backup, decide on its runs, release the store")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--undecided", is_flag=True, help="list the runs that must be decided")
@click.option(
    "--decide",
    type=click.Choice(["continue", "done", "cancel"]),
    help="decide runs: all undecided ones, or those of the filter",
)
@click.option("--run", "runs", type=params.RUN, multiple=True, help="decide this run; may be repeated")
@click.option("--lost", is_flag=True, help="list what may already have been done after the backup, and is not started")
@click.option("--catch-up", is_flag=True, help="start what is on that list: all, or that of --name")
@click.option("--dismiss", is_flag=True, help="drop what is on that list: all, or that of --name")
@click.option(
    "--name",
    type=params.AUTOMATION,
    multiple=True,
    callback=params.read_single_value,
    help="decide only runs of this automation; catch up or dismiss only that of it",
)
@click.option(
    "--state",
    "states",
    type=click.Choice(["queued", "waiting", "retrying", "paused", "needs_attention"]),
    multiple=True,
    help="decide only runs in this state",
)
@click.option("--dry-run", is_flag=True, help="only list what would be decided, started or dismissed")
@click.option("--release", is_flag=True, help="release the store; every run must be decided")
@pass_invocation
def restore(
    invocation: Invocation,
    *,
    file: Path | None,
    undecided: bool,
    decide: str | None,
    runs: tuple[str, ...],
    name: str | None,
    states: tuple[str, ...],
    dry_run: bool,
    release: bool,
    lost: bool,
    catch_up: bool,
    dismiss: bool,
) -> int | None:
    """First FILE, then --decide until every run is decided, then --release. The old store is kept beside the new one.

    If FILE is a folder, the newest backup of this store in it is restored. Due times, files and messages after the backup may already have
    been processed: --lost lists them, --catch-up starts them, --dismiss drops them. Workflows and at-most-once tasks catch up only if you
    name them (--name).
    """
    if sum((file is not None, undecided, decide is not None, release, lost, catch_up, dismiss)) != 1:
        raise click.UsageError(
            "name a FILE, or use exactly one of --undecided, --decide, --lost, --catch-up, --dismiss, "
            "--release; name runs with --run"
        )
    if file is not None:
        _restore(invocation, file)
    elif undecided:
        _list_undecided(invocation)
    elif lost:
        lost_interval.print_lost(invocation, name)
    elif catch_up:
        return lost_interval.start_lost(invocation, name, dry_run=dry_run)
    elif dismiss:
        return lost_interval.dismiss_lost(invocation, name, dry_run=dry_run)
    elif decide is not None:
        _decide(invocation, decide, _select_runs(invocation, runs, name, states), dry_run=dry_run)
    else:
        from mainspring.service.restore_hold import release as release_hold

        release_hold(invocation.store, invocation.reads, act=invocation.act)
        invocation.output.document({"released": True}, lambda: lost_interval.print_released(invocation))
    return None


def _restore(invocation: Invocation, file: Path) -> None:
    from mainspring.app.stores.backups import backup_stem, restore_backup
    from mainspring.service.restore_hold import RestoreDecision, record_restore
    from mainspring.store.sqlite.backup import newest_in

    url = invocation.settings.store.url

    if file.is_dir():  # the FOLDER of `db backup`
        file = newest_in(file, backup_stem(url))
    invocation.confirm(f"Replace the store {invocation.location} by {file}")
    done = restore_backup(file, url, clock=invocation.machine_clock)
    record_restore(invocation.store, str(file), act=invocation.act)

    def print_text() -> None:
        output = invocation.output
        output.line(f"Restored {invocation.location} from {file}; it is on hold, so no run starts.")
        if done.previous_store is not None:
            output.line(f"The old store is kept: {done.previous_store}")
        if done.unfinished:
            output.line(
                f"{formatting.format_count(done.unfinished, 'run was', 'runs were')} unfinished. Decide all, or "
                "those of --name, --state, --run, with one of:"
            )
            for decision in RestoreDecision:
                output.line(f"  mainspring db restore --decide {decision}")
        lost_interval.print_skipped(invocation, done.skipped)
        output.line("Then: mainspring db restore --release")

    invocation.output.document(done, print_text)


def _list_undecided(invocation: Invocation) -> None:
    from mainspring.cli.runs.run_list import make_run_columns
    from mainspring.service.restore_hold import list_undecided
    from mainspring.store.read.runs.run_views import run_view
    from mainspring.store.read.short_ids import IdKind

    views = [run_view(invocation.reader, run) for run in list_undecided(invocation.reads)]
    rows = invocation.unseal(lambda unsealer: [unsealer.run(view) for view in views])
    short_ids = invocation.short_ids(IdKind.RUN, (view.id for view in views))
    invocation.output.rows(
        rows, make_run_columns(rows, invocation.clock.now(), short_ids), empty="No run needs a decision."
    )


def _select_runs(
    invocation: Invocation, run_ids: tuple[str, ...], name: str | None, states: tuple[str, ...]
) -> list[str]:
    """Return the selected undecided runs."""
    from mainspring.service.restore_hold import list_undecided
    from mainspring.store.read.runs.run_views import run_view

    if run_ids:
        return [invocation.run_id(run) for run in run_ids]
    views = [run_view(invocation.reader, run) for run in list_undecided(invocation.reads)]
    return [
        view.id for view in views if (name is None or view.automation == name) and (not states or view.state in states)
    ]


def _decide(invocation: Invocation, decision: str, run_ids: list[str], *, dry_run: bool) -> None:
    from mainspring.service.restore_hold import RestoreDecision, decide

    if not dry_run:
        invocation.confirm(f"Decide {formatting.format_count(len(run_ids), 'run')}: {decision}")
    result = decide(
        invocation.store, invocation.reads, run_ids, RestoreDecision(decision), act=invocation.act, dry_run=dry_run
    )
    print_bulk_result(invocation, result, f"decided: {decision}")
