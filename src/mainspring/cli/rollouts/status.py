"""The rollouts of a project, and one of them: `mainspring rollout status`."""

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.rollouts.operations import print_view
from mainspring.cli.short_lists import require_known_name
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

STATE_COLOURS = {
    "running": "cyan",
    "paused": "yellow",
    "finished": "green",
    "aborted": "red",
    "rolled_back": "red",
    "superseded": "white",
}


@command("status", "list rollouts, or show the last one of an automation")
@click.argument("name", type=params.AUTOMATION, required=False)
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="how many to list")
@pass_invocation
def status(invocation: Invocation, name: str | None, limit: int) -> None:
    """Without a name: all rollouts, newest first."""
    from mainspring.insight.rollouts.rollout_view import read_rollout_views

    now, zone = invocation.clock.now(), invocation.zone
    if name is not None:
        require_known_name("automation", name, params.read_automation_names(invocation.reader))
        views = read_rollout_views(invocation.reader, now, zone, name, limit=1)
        if not views:
            text = (
                f"{name} has no rollout. Start one: mainspring rollout start {formatting.shell_word(name)} --to VERSION"
            )
            invocation.output.document(None, text)
            return
        invocation.output.document(views[0], lambda: print_view(invocation, views[0]))
        return
    views = invocation.rows_if_made(lambda reader: read_rollout_views(reader, now, zone, limit=limit))
    columns = [
        TableColumn("AUTOMATION", lambda view: formatting.escape_line(view.automation), cut=True),
        TableColumn("STATE", lambda view: view.state.replace("_", " "), lambda view: STATE_COLOURS[view.state]),
        TableColumn("VERSIONS", lambda view: f"{view.old_version} -> {view.new_version}"),
        TableColumn("SHARE", lambda view: f"{view.percent:g} %"),
        TableColumn("STEP", lambda view: f"{view.step} of {len(view.steps)}"),
        TableColumn("STARTED", lambda view: formatting.format_distance(view.started_at, now)),
        TableColumn("ENDED", lambda view: formatting.format_distance(view.ended_at, now), spare=True),
    ]
    invocation.output.rows(
        views, columns, empty="There is no rollout. Start one: mainspring rollout start NAME --to VERSION"
    )
