"""Selection of several runs: the options that select them, and the output of the operation."""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation
from mainspring.domain.states import RunState
from mainspring.insight.text import formatting
from mainspring.insight.text.typed_instants import parse_instant

if TYPE_CHECKING:
    from mainspring.service.runs.bulk import BulkAnswer, BulkDueTimes

_MAX_REJECTED_PRINTED = 20
_TIME_FIELDS = ("since", "until", "ended_since", "ended_until")

at_option = click.option("--at", metavar="TIME", help="start them not before this time: 10m, 2026-01-05T03:00")
rate_option = click.option("--rate", metavar="RATE", help="spread the starts evenly: 10/s, 60/m")


class SelectionOptions(NamedTuple):
    """The runs of an operation: named ones, or those of a filter."""

    runs: tuple[str, ...]
    states: tuple[str, ...]
    name: str | None
    queue: str | None
    since: str | None
    until: str | None
    ended_since: str | None
    ended_until: str | None
    error: str | None
    limit: int | None
    dry_run: bool

    @property
    def is_filter(self) -> bool:
        """Whether the runs are selected by a filter."""
        return any((self.states, self.name, self.queue, self.error, self.limit, *self.spans.values()))

    @property
    def spans(self) -> dict[str, str | None]:
        """The given spans of creation and end."""
        return {name: getattr(self, name) for name in _TIME_FIELDS}

    def spans_at(self, invocation: Invocation) -> dict[str, int | None]:
        """Return the spans as instants (ms), as a filter takes them. Raises OptionError."""
        return {f"{name}_at": params.read_instant(invocation, text) for name, text in self.spans.items()}

    @property
    def is_one(self) -> bool:
        """Whether one run was named and the operation is to happen."""
        return len(self.runs) == 1 and not self.dry_run and not self.is_filter


def add_selection_options(states: Sequence[str] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add runs as arguments, the options of a filter and --dry-run; the function gets them as `selection`. `states` = the choices."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **given: Any) -> Any:
            selection = SelectionOptions(*(given.pop(field, ()) for field in SelectionOptions._fields))
            return function(*args, selection=selection, **given)

        options = [
            click.argument("runs", nargs=-1, type=params.RUN),
            params.name_option,
            click.option("-q", "--queue", type=params.QUEUE, help="only in this queue"),
            params.since_option,
            params.until_option,
            params.ended_since_option,
            params.ended_until_option,
            params.error_option,
            click.option("--limit", type=click.IntRange(1), help="with a filter: at most N runs, newest first"),
            click.option("--dry-run", is_flag=True, help="only list the runs that would change"),
        ]
        if states:
            choice = click.Choice(states)
            options.insert(1, click.option("--state", "states", type=choice, multiple=True, help="only in this state"))
        return functools.reduce(lambda decorated, option: option(decorated), reversed(options), call)

    return add


def select_runs(
    invocation: Invocation, selection: SelectionOptions, states: tuple[RunState, ...], *, unsettled: bool = False
) -> list[str]:
    """Return the named runs, or those of the filter (in `states` if it names none), oldest first.

    `unsettled` = only the unsettled runs of a filter, as in `failed list`.

    Raises:
        UsageError: runs and a filter, or neither: an operation on all runs must be explicit.
    """
    from mainspring.service.runs.run_selection import RunFilter, select_run_ids

    if bool(selection.runs) == selection.is_filter:
        ctx = click.get_current_context()
        raise click.UsageError(
            "name runs, or choose them with --state, --name, --queue, --error, --limit or a time", ctx=ctx
        )
    if selection.runs:
        return [invocation.run_id(run) for run in selection.runs]
    run_filter = RunFilter(
        states=params.read_states(selection.states) or states,
        name=selection.name,
        queue=selection.queue,
        limit=selection.limit,
        error=selection.error,
        unsettled=unsettled,
        **selection.spans_at(invocation),
    )
    return select_run_ids(invocation.reads, run_filter)


def continue_runs(
    invocation: Invocation, selection: SelectionOptions, *, at: str | None, rate: str | None, unsettled: bool = False
) -> int:
    """Continue runs from where they failed; a filter needs a confirmation. Return the exit code. For `unsettled` see `select_runs`."""
    from mainspring.service.runs import bulk

    due = _make_due(invocation, at, rate)
    run_ids = select_runs(invocation, selection, bulk.RETRYABLE, unsettled=unsettled)
    if not selection.dry_run:
        confirm_continuing(invocation, run_ids, is_named=bool(selection.runs))
    result = bulk.retry_each(invocation.store, run_ids, act=invocation.act, dry_run=selection.dry_run, due=due)
    code = print_bulk_result(invocation, result, "continued")
    if due is not None and result.done:
        now = invocation.clock.now()
        last = formatting.format_moment(due.at(len(result.runs) - 1), now, invocation.zone)
        invocation.output.hint(
            f"The first is due at {formatting.format_moment(due.first_at, now, invocation.zone)}, the last at {last}."
        )
    return code


def _make_due(invocation: Invocation, at: str | None, rate: str | None) -> "BulkDueTimes | None":
    from mainspring.domain.time.rate import parse_rate
    from mainspring.service.runs.bulk import BulkDueTimes

    if at is None and rate is None:
        return None
    now = invocation.clock.now()
    first = now if at is None else parse_instant(at, now, invocation.zone, back=False)
    return BulkDueTimes(first, None if rate is None else parse_rate(rate))


def confirm_continuing(invocation: Invocation, run_ids: list[str], *, is_named: bool) -> None:
    """Ask before several runs are continued: those of a filter always, named ones if an undone step would run again."""
    from mainspring.insight.runs.rollback_status import list_repeated

    repeated_count = sum(bool(list_repeated(invocation.reads.run_history(run))) for run in run_ids)
    if repeated_count or not is_named:
        repeat_text = f", {repeated_count} of them from the first undone step" if repeated_count else ""
        invocation.confirm(f"Continue {formatting.format_count(len(run_ids), 'run')}{repeat_text}")


def print_bulk_result(invocation: Invocation, result: "BulkAnswer", done: str, noun: str = "run") -> int:
    """Print what was done, or would be. Return the exit code: 8 if any was refused."""
    from mainspring.cli.exits import CONFLICT, OK

    output = invocation.output

    def print_text() -> None:
        if result.dry_run:
            for run in result.runs:
                output.line(run)
            output.hint(f"{formatting.format_count(len(result.runs), noun)} would be {done}; nothing was done.")
            return
        output.line(f"{formatting.format_count(result.done, noun)} {done}.")
        for run, reason in list(result.refused.items())[:_MAX_REJECTED_PRINTED]:
            output.warn(f"{run}: {formatting.escape_line(reason)}")
        if len(result.refused) > _MAX_REJECTED_PRINTED:
            output.warn(f"{len(result.refused) - _MAX_REJECTED_PRINTED} more were refused.")

    output.document(result, print_text)
    return CONFLICT if result.refused else OK
