"""Acts on several runs: the options that say which runs are meant, and what the act prints."""

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

at_option = click.option("--at", metavar="TIME", help="not before then: 10m, 2026-01-05T03:00")
rate_option = click.option("--rate", metavar="RATE", help="spread the starts evenly: 10/s, 60/m")


class SelectionOptions(NamedTuple):
    """The runs that an act is for: named ones, or those of a filter."""

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
        """Whether anything was said by which runs are selected."""
        return any((self.states, self.name, self.queue, self.error, self.limit, *self.spans.values()))

    @property
    def spans(self) -> dict[str, str | None]:
        """What was said of when they were created and when they ended."""
        return {name: getattr(self, name) for name in _TIME_FIELDS}

    def spans_at(self, invocation: Invocation) -> dict[str, int | None]:
        """Return the same as instants (ms), as a filter takes them. Raises OptionError."""
        return {f"{name}_at": params.read_instant(invocation, text) for name, text in self.spans.items()}

    @property
    def is_one(self) -> bool:
        """Whether one run was named and the act is to happen."""
        return len(self.runs) == 1 and not self.dry_run and not self.is_filter


def add_selection_options(states: Sequence[str] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add runs as arguments, the options of a filter and --dry-run; the function gets them as `which`. `states` = those to choose from."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **given: Any) -> Any:
            which = SelectionOptions(*(given.pop(field, ()) for field in SelectionOptions._fields))
            return function(*args, which=which, **given)

        options = [
            click.argument("runs", nargs=-1, type=params.RUN),
            params.name_option,
            click.option("-q", "--queue", type=params.QUEUE, help="only of this queue"),
            params.since_option,
            params.until_option,
            params.ended_since_option,
            params.ended_until_option,
            params.error_option,
            click.option("--limit", type=click.IntRange(1), help="of a filter: at most so many, the newest"),
            click.option("--dry-run", is_flag=True, help="only say which runs would be acted upon"),
        ]
        if states:
            choice = click.Choice(states)
            options.insert(1, click.option("--state", "states", type=choice, multiple=True, help="only in this state"))
        return functools.reduce(lambda made, option: option(made), reversed(options), call)

    return add


def select_runs(
    invocation: Invocation, which: SelectionOptions, states: tuple[RunState, ...], *, stands: bool = False
) -> list[str]:
    """Return the runs that are named, or else those of the filter (in `states` where it names none), oldest first.

    `stands` = of a filter only those that stand still as `failed list` has them.

    Raises:
        UsageError: runs and a filter, or neither: an act on everything there is has to be said.
    """
    from mainspring.service.runs.run_selection import RunFilter, select_run_ids

    if bool(which.runs) == which.is_filter:
        ctx = click.get_current_context()
        raise click.UsageError(
            "name runs, or say which by --state, --name, --queue, --error, --limit or a span of time", ctx=ctx
        )
    if which.runs:
        return [invocation.run_id(run) for run in which.runs]
    wanted = RunFilter(
        states=params.read_states(which.states) or states,
        name=which.name,
        queue=which.queue,
        limit=which.limit,
        error=which.error,
        stands=stands,
        **which.spans_at(invocation),
    )
    return select_run_ids(invocation.reads, wanted)


def continue_runs(
    invocation: Invocation, which: SelectionOptions, *, at: str | None, rate: str | None, stands: bool = False
) -> int:
    """Continue runs from where they failed; a filter wants a confirmation. Return the exit code. For `stands` see `select_runs`."""
    from mainspring.service.runs import bulk

    due = _make_due(invocation, at, rate)
    found = select_runs(invocation, which, bulk.RETRYABLE, stands=stands)
    if not which.dry_run:
        confirm_continuing(invocation, found, named=bool(which.runs))
    answer = bulk.retry_each(invocation.store, found, act=invocation.act, dry_run=which.dry_run, due=due)
    code = print_bulk_result(invocation, answer, "continued")
    if due is not None and answer.done:
        now = invocation.clock.now()
        last = formatting.format_moment(due.at(len(answer.runs) - 1), now, invocation.zone)
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


def confirm_continuing(invocation: Invocation, runs: list[str], *, named: bool) -> None:
    """Ask before several runs are continued: those of a filter always, named ones if something that was taken back would run again."""
    from mainspring.insight.runs.rollback_status import list_repeated

    again = sum(bool(list_repeated(invocation.reads.story(run))) for run in runs)
    if again or not named:
        told = f", {again} of them from the first step that was taken back" if again else ""
        invocation.confirm(f"Continue {formatting.format_count(len(runs), 'run')}{told}")


def print_bulk_result(invocation: Invocation, answer: "BulkAnswer", done: str, noun: str = "run") -> int:
    """Print what was done, or would be; return the exit code: 8 if any was refused."""
    from mainspring.cli.exits import CONFLICT, OK

    output = invocation.output

    def text() -> None:
        if answer.dry_run:
            for run in answer.runs:
                output.line(run)
            output.hint(f"{formatting.format_count(len(answer.runs), noun)} would be {done}; nothing was done.")
            return
        output.line(f"{formatting.format_count(answer.done, noun)} {done}.")
        for run, why in list(answer.refused.items())[:_MAX_REJECTED_PRINTED]:
            output.warn(f"{run}: {formatting.escape_line(why)}")
        if len(answer.refused) > _MAX_REJECTED_PRINTED:
            output.warn(f"... and {len(answer.refused) - _MAX_REJECTED_PRINTED} more were refused.")

    output.document(answer, text)
    return CONFLICT if answer.refused else OK
