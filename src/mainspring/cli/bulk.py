"""What an act on several runs prints, and which runs it means."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import words
from mainspring.cli.context import Invocation

if TYPE_CHECKING:
    from mainspring.domain.states import RunState
    from mainspring.service.bulk import BulkAnswer

_SHOWN = 20


def chosen_runs(
    invocation: Invocation,
    runs: tuple[str, ...],
    states: "tuple[RunState, ...]",
    name: str | None,
    since_at: int | None,
    limit: int | None,
    *,
    said: bool,
) -> list[str]:
    """Return the runs that are named, or else those of the filter (`said` = one was given), oldest first.

    Raises:
        UsageError: runs and a filter, or neither: an act on everything there is has to be said.
    """
    from mainspring.service.bulk import RunFilter, select

    if bool(runs) == said:
        ctx = click.get_current_context()
        raise click.UsageError("name runs, or say which by --state, --name, --since or --limit", ctx=ctx)
    if runs:
        return [invocation.run_id(run) for run in runs]
    return select(invocation.reads, RunFilter(states=states, name=name, since_at=since_at, limit=limit))


def print_bulk(invocation: Invocation, answer: "BulkAnswer", done: str) -> int:
    """Print what was done, or would be; return the exit code: 8 if any was refused."""
    from mainspring.cli.exits import CONFLICT, OK

    output = invocation.output

    def text() -> None:
        if answer.dry_run:
            for run in answer.runs:
                output.line(run)
            output.hint(f"{words.many(len(answer.runs), 'run')} would be {done}; nothing was done.")
            return
        output.line(f"{words.many(answer.done, 'run')} {done}.")
        for run, why in list(answer.refused.items())[:_SHOWN]:
            output.warn(f"{run}: {words.one_line(why)}")
        if len(answer.refused) > _SHOWN:
            output.warn(f"... and {len(answer.refused) - _SHOWN} more were refused.")

    output.document(answer, text)
    return CONFLICT if answer.refused else OK
