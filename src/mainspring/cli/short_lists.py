"""Short lists (queues, workers, locks): read whole, filtered here by the options of every list."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_name_option = click.option(
    "--name",
    metavar="TEXT",
    multiple=True,
    callback=params.read_single_value,
    help="only those whose name contains this text",
)


def add_list_options(*states: str, default_limit: int = 20) -> Callable[[F], F]:
    """Add --state (of these), --name, --since and --limit; `default_limit` = the default of --limit."""

    def add(function: F) -> F:
        state = click.option("--state", "states", type=click.Choice(states), multiple=True, help="only in this state")
        return state(_name_option(params.since_option(params.make_limit_option(default_limit)(function))))

    return add


def filter_rows(
    invocation: Invocation,
    rows: Iterable[T],
    *,
    name_of: Callable[[T], str],
    state: Callable[[T], str],
    at: Callable[[T], int | None],
    states: tuple[str, ...],
    name: str | None,
    since: str | None,
    limit: int,
) -> list[T]:
    """Return the matching rows; `at` is the instant that --since compares (None = never left out)."""
    since_at = params.read_instant(invocation, since)
    matching = [
        row
        for row in rows
        if (not states or state(row) in states)
        and (name is None or name in name_of(row))
        and (since_at is None or (since_at <= (at(row) or since_at)))
    ]
    return matching[:limit]


def require_known_name(kind: str, name: str, names: Iterable[str]) -> str:
    """Return the name if it is one of these.

    Raises:
        UnknownNameError: it is not. The error names the nearest.
    """
    from mainspring.domain.errors import UnknownNameError

    known_names = list(names)
    if name not in known_names:
        raise UnknownNameError(kind, name, known_names)
    return name
