"""Parameters of many commands: run ids, names, states, instants, and the options of every list. All complete in the shell."""

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
    """A run id, its start or end, AUTOMATION/KEY, @last or @failed."""

    name = "run"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the newest runs with this prefix."""
        items = [CompletionItem(word) for word in ("@last", "@failed") if word.startswith(incomplete)]
        with suppress(Exception):  # completion in a shell must never print an error
            from mainspring.store.read.runs.run_views import list_runs

            page = ctx.obj.read_if_made(lambda reader: list_runs(reader, limit=_MAX_COMPLETIONS), None)
            rows = page.runs if page else []
            items += [
                CompletionItem(row.id, help=f"{row.state} {row.automation}")
                for row in rows
                if row.id.startswith(incomplete)
            ]
        return items


class StoredNameType(StringParamType):
    """The name of an object in the store: an automation, a queue, a lock, a worker."""

    name = "name"

    def __init__(self, read_names: "Callable[[Any], list[str]]", kind: str = "name") -> None:
        self.name = kind
        self._read_names = read_names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the names with this prefix."""
        with suppress(Exception):
            names = ctx.obj.rows_if_made(self._read_names)
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
    """A part of the run named before it on the line: a step, a choice of its question."""

    def __init__(self, read_names: "Callable[[Any, str], list[str]]", kind: str) -> None:
        self.name = kind
        self._read_names = read_names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the parts of that run."""
        with suppress(Exception):
            # After an option that lacks its value, the preceding words stay unparsed, in `args`.
            run_words: Any = ctx.params.get("run") or ctx.params.get("runs") or ctx.args
            run_id = ctx.obj.run_id(run_words if isinstance(run_words, str) else run_words[0])
            names = dict.fromkeys(self._read_names(ctx.obj.reader, run_id))
            return [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return []


def _read_step_names(reader: Any, run_id: str) -> list[str]:
    from mainspring.insight.runs.steps import list_step_lines
    from mainspring.store.read.runs.run_views import run_history

    return [line.name for line in list_step_lines(run_history(reader, run_id)) if line.kind == "step"]


def _read_choices(reader: Any, run_id: str) -> list[str]:
    from mainspring.domain.clock import SystemClock
    from mainspring.insight.runs.waits import list_choices, list_open_questions
    from mainspring.store.read.runs.run_views import waits_of

    questions = list_open_questions(waits_of(reader, run_id), SystemClock().now())
    return [choice for question in questions for choice in list_choices(question)]


STEP = RunPartType(_read_step_names, "step")
CHOICE = RunPartType(_read_choices, "choice")
AUTOMATION = StoredNameType(read_automation_names, "automation")
QUEUE = StoredNameType(read_queue_names, "queue")
RUN = RunIdType()


def read_single_value(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> str | None:
    """Return the value of an option that looks repeatable, and is declared `multiple` so that none is dropped in silence."""
    if len(values) > 1:
        listed = ", ".join(map(repr, values))
        raise click.BadParameter(f"it takes one value, but got {len(values)}: {listed}", ctx=ctx, param=param)
    return values[0] if values else None


def _read_fingerprint(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> str | None:
    text = read_single_value(ctx, param, values)
    if text is not None and not re.fullmatch("[0-9a-f]{4,12}", text.lower()):
        raise click.BadParameter(
            "write the 12 digits that `failed list --by error` prints, or at least the first four", ctx=ctx, param=param
        )
    return text.lower() if text is not None else None


MAX_LISTED = 10_000


def make_limit_option(default: int) -> Callable[[F], F]:
    """Add --limit with this default."""
    return click.option(
        "--limit", type=click.IntRange(1, MAX_LISTED), default=default, show_default=True, help="list at most N"
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
    help="only since this time: 2h, 3d, 2026-01-05, 2026-01-05T03:00",
)


def _make_time_option(flag: str, help_text: str) -> Callable[[F], F]:
    return click.option(flag, metavar="TIME", multiple=True, callback=read_single_value, help=help_text)


until_option = _make_time_option("--until", "only before this time")
ended_since_option = _make_time_option(
    "--ended-since", "only those that ended, or stopped for a person, since this time"
)
ended_until_option = _make_time_option(
    "--ended-until", "only those that ended, or stopped for a person, before this time"
)
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


def read_states(names: tuple[str, ...]) -> tuple[RunState, ...]:
    """Return the states of --state."""
    return tuple(RunState(state) for state in names)


def read_instant(invocation: "Invocation", text: str | None) -> int | None:
    """Return the instant (ms UTC) for --since, --at or --until: a span before now, or a date and time.

    Raises:
        OptionError: it is neither.
    """
    return None if text is None else parse_instant(text, invocation.clock.now(), invocation.zone, back=True)
