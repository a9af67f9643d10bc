"""`mainspring runs list`: the list of runs."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.definitions.options import MAX_VERSION
from mainspring.insight.text import formatting


def make_run_columns(rows: Sequence[Any], now: int, short_ids: dict[str, str]) -> list[TableColumn]:
    """Return the columns of every list of runs; `now` in ms, `short_ids` = the short form of each id. TITLE only if a run has a title."""
    title = TableColumn("TITLE", lambda row: formatting.escape_line(row.title or "-"), cut=True, most=30)
    return [
        TableColumn("RUN", lambda row: short_ids[row.id]),
        TableColumn("STATE", lambda row: formatting.format_state(row.state), lambda row: formatting.COLOURS[row.state]),
        TableColumn("AUTOMATION", lambda row: formatting.escape_line(row.automation), cut=True, most=30),
        *([title] if any(row.title for row in rows) else []),
        TableColumn("STEPS", format_steps, right=True),
        TableColumn("CREATED", lambda row: formatting.format_distance(row.created_at, now)),
        TableColumn("DURATION", lambda row: format_duration(row, now), right=True),
    ]


def format_steps(row: Any) -> str:
    """Return the progress of a run: "12/100" if it reports it, else the number of saved outcomes; "3+" while it runs."""
    from mainspring.domain.states import RunState
    from mainspring.domain.values.plain_json import decode_value

    progress = decode_value(row.progress)
    if isinstance(progress, list) and len(progress) == 2:
        done, total = progress
        return f"{done}/{total}" if total is not None else str(done)
    return f"{row.steps}+" if row.state is RunState.RUNNING else str(row.steps)


def format_duration(row: Any, now: int) -> str:
    """Return how long a run took, or has taken so far."""
    return "-" if row.started_at is None else formatting.format_span(max((row.finished_at or now) - row.started_at, 0))


@command("list", "list runs, newest first")
@params.add_filter_options
@click.option("-q", "--queue", type=params.QUEUE, help="only in this queue")
@click.option("--version", type=click.IntRange(1, MAX_VERSION), help="only of this version of their automation")
@click.option("--healed", is_flag=True, help="only those with a step that succeeded after a failed attempt")
@click.option(
    "--tag", "tags", multiple=True, metavar="NAME=VALUE", help="only with this tag; several: with all of them"
)
@params.until_option
@click.option("--after", type=params.RUN, help="continue the list after this run")
@pass_invocation
def list_command(
    invocation: Invocation,
    states: tuple[str, ...],
    name: str | None,
    queue: str | None,
    *,
    version: int | None,
    healed: bool,
    tags: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
    after: str | None,
) -> None:
    """To see the next page, pass the last run of a page as --after. New runs do not move the pages."""
    from mainspring.domain.runs.run_tags import parse_tags
    from mainspring.store.read.runs.run_pages import run_page
    from mainspring.store.read.runs.run_views import run_view
    from mainspring.store.read.short_ids import IdKind
    from mainspring.store.views import RunPage

    pairs = parse_tags(tags)
    since_at, until_at = params.read_instant(invocation, since), params.read_instant(invocation, until)

    def read_page(reader: Any) -> RunPage:
        cursor = None if after is None else run_view(reader, invocation.run_id(after)).seq
        query_page = partial(
            run_page,
            reader,
            states=params.read_states(states),
            names=None if name is None else [name],
            queue=queue,
            version=version,
            healed=healed,
            tags=pairs,
            since_at=since_at,
            until_at=until_at,
        )
        page_so_far = query_page(limit=limit, cursor=cursor)
        while page_so_far.cursor is not None and len(page_so_far.runs) < limit:  # one query is bounded
            more = query_page(limit=limit - len(page_so_far.runs), cursor=page_so_far.cursor)
            page_so_far = RunPage([*page_so_far.runs, *more.runs], more.cursor)
        return page_so_far

    stored_page = invocation.read(read_page)
    page = invocation.unseal(lambda unsealer: unsealer.page(stored_page))
    short_ids = invocation.short_ids(IdKind.RUN, (row.id for row in page.runs))
    invocation.output.rows(page.runs, make_run_columns(page.runs, invocation.clock.now(), short_ids), empty="No runs.")
    if page.cursor is not None:
        invocation.output.hint(f"There are more: --after {short_ids[page.runs[-1].id]}")
