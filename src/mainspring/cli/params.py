"""What many commands take: run ids, names, states, instants, and the options of every list. All of them complete in the shell."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

from mainspring.domain.states import RunState
from mainspring.insight.text.typed_instants import parse_instant

if TYPE_CHECKING:
    from mainspring.cli.context import Invocation

F = TypeVar("F", bound=Callable[..., Any])

_MAX_COMPLETIONS = 50


class RunIdType(StringParamType):
    """A run id, its beginning or its end, @last or @failed."""

    name = "run"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the newest runs that begin so."""
        found = [CompletionItem(word) for word in ("@last", "@failed") if word.startswith(incomplete)]
        with suppress(Exception):  # a shell that completes must never show an error
            from mainspring.store.read.runs.run_views import list_runs

            page = ctx.obj.read_if_made(lambda reader: list_runs(reader, limit=_MAX_COMPLETIONS), None)
            rows = page.runs if page else []
            found += [
                CompletionItem(row.id, help=f"{row.state} {row.automation}")
                for row in rows
                if row.id.startswith(incomplete)
            ]
        return found


class StoredNameType(StringParamType):
    """The name of something the store knows: an automation, a queue, a lock, a worker."""

    name = "name"

    def __init__(self, names_in: "Callable[[Any], list[str]]", kind: str = "name") -> None:
        self.name = kind
        self._names_in = names_in

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the names that begin so."""
        with suppress(Exception):
            names = ctx.obj.rows_if_made(self._names_in)
            return [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return []


def read_automation_names(reader: Any) -> list[str]:
    """Return the names of all automations."""
    from mainspring.store.read.status.status import automations

    return [view.name for view in automations(reader)]


def read_queue_names(reader: Any) -> list[str]:
    """Return the names of all queues."""
    from mainspring.store.read.status.status import queue_views

    return [view.name for view in queue_views(reader)]


class RunPartType(StringParamType):
    """Something of the run that stands before it on the line: a step, a choice of its question."""

    def __init__(self, names_in: "Callable[[Any, str], list[str]]", kind: str) -> None:
        self.name = kind
        self._names_in = names_in

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer what that run has."""
        with suppress(Exception):
            # Behind an option that still lacks its value the words before it are left unread, in `args`.
            given: Any = ctx.params.get("run") or ctx.params.get("runs") or ctx.args
            run = ctx.obj.run_id(given if isinstance(given, str) else given[0])
            names = dict.fromkeys(self._names_in(ctx.obj.reader, run))
            return [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return []


def _read_step_names(reader: Any, run: str) -> list[str]:
    from mainspring.insight.runs.steps import list_step_lines
    from mainspring.store.read.runs.run_views import story

    return [line.name for line in list_step_lines(story(reader, run)) if line.kind == "step"]


def _read_choices(reader: Any, run: str) -> list[str]:
    from mainspring.domain.clock import SystemClock
    from mainspring.insight.runs.waits import list_choices, list_open_questions
    from mainspring.store.read.runs.run_views import waits_of

    questions = list_open_questions(waits_of(reader, run), SystemClock().now())
    return [choice for question in questions for choice in list_choices(question)]


STEP = RunPartType(_read_step_names, "step")
CHOICE = RunPartType(_read_choices, "choice")
AUTOMATION = StoredNameType(read_automation_names, "automation")
QUEUE = StoredNameType(read_queue_names, "queue")
RUN = RunIdType()


def read_single_value(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> str | None:
    """Return the value of an option that looks as if it could be repeated, and is declared `multiple`: none is dropped in silence."""
    if len(values) > 1:
        shown = ", ".join(map(repr, values))
        raise click.BadParameter(f"it takes one value, and was given {len(values)}: {shown}", ctx=ctx, param=param)
    return values[0] if values else None


def _read_fingerprint(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> str | None:
    text = read_single_value(ctx, param, values)
    if text is not None and not re.fullmatch("[0-9a-f]{4,12}", text.lower()):
        raise click.BadParameter(
            "write the 12 digits that `failed list --by error` shows, or at least the first four", ctx=ctx, param=param
        )
    return text.lower() if text is not None else None


MAX_LISTED = 10_000


def make_limit_option(default: int) -> Callable[[F], F]:
    """Add --limit with this default."""
    return click.option(
        "--limit", type=click.IntRange(1, MAX_LISTED), default=default, show_default=True, help="at most so many"
    )


limit_option = make_limit_option(20)
name_option = click.option(
    "--name", type=AUTOMATION, multiple=True, callback=read_single_value, help="only of this automation"
)
since_option = click.option(
    "--since",
    metavar="TIME",
    multiple=True,
    callback=read_single_value,
    help="only from then on: 2h, 3d, 2026-01-05, 2026-01-05T03:00",
)


def _make_time_option(flag: str, told: str) -> Callable[[F], F]:
    return click.option(flag, metavar="TIME", multiple=True, callback=read_single_value, help=told)


until_option = _make_time_option("--until", "only before then")
ended_since_option = _make_time_option("--ended-since", "only what ended, or stood still for a person, from then on")
ended_until_option = _make_time_option("--ended-until", "only what ended, or stood still for a person, before then")
error_option = click.option(
    "--error",
    metavar="FINGERPRINT",
    multiple=True,
    callback=_read_fingerprint,
    help="only those that failed by this error",
)
state_option = click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in RunState]),
    multiple=True,
    help="only in this state; may be repeated",
)


def add_filter_options(function: F) -> F:
    """Add the options by which runs are selected: --state --name --since --limit."""
    return state_option(name_option(since_option(limit_option(function))))


def read_states(given: tuple[str, ...]) -> tuple[RunState, ...]:
    """Return the states of --state."""
    return tuple(RunState(state) for state in given)


def read_instant(invocation: "Invocation", text: str | None) -> int | None:
    """Return the instant (ms UTC) that --since, --at or --until means: a span before now, or a date and time.

    Raises:
        OptionError: it is neither.
    """
    return None if text is None else parse_instant(text, invocation.clock.now(), invocation.zone, back=True)
