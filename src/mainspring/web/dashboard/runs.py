"""`/runs`: runs, newest first, by state, automation, queue and age: the rows that the numbers of other pages lead to."""

import shlex
from collections.abc import Iterator
from typing import Any

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.plain import decoded
from mainspring.domain.states import RunState
from mainspring.store.views import RunRow
from mainspring.web.api import runs
from mainspring.web.api.bodies import Numbered, Word
from mainspring.web.api.call import Call
from mainspring.web.api.runs import RunsQuery
from mainspring.web.api.shape import Page
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.moments import past_moment
from mainspring.web.dashboard.page import Form, PageRoute, View

_CHILD = "child of "
_SPANS = ("1h", "8h", "24h", "7d", "30d")


class RunsLooking(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the API's, but for `since`, which may be a span back from now ("24h")."""

    state: tuple[RunState, ...] = ()
    name: Word | None = None
    queue: Word | None = None
    since: Word | None = None


class Row(msgspec.Struct, frozen=True):
    """A run, how long it took or has been going, how much of it is done, and of which one it is a child."""

    run: RunRow
    took: int | None
    done: int | None
    total: int | None
    parent: str | None


def show(call: Call[RunsLooking, Form | None]) -> View:
    """List runs."""
    query, now, wrong = call.query, call.site.clock.now(), ""
    found: Page[RunRow] = Page([])
    try:
        found = runs.listed(_asked(call))
    except OptionError as error:  # told beside the field, with the other filters as they were
        wrong = f"{error.message}. {error.hint}"
    values = {
        "rows": [_row(one, now) for one in found.items],
        "next": found.next,
        "query": query,
        "wrong_since": wrong,
        "is_filtered": bool(query.state or query.name or query.queue or query.since),
        "chosen": list(query.state),
        "states": [(state, _toggled(query.state, state)) for state in RunState],
        "spans": _SPANS,
        "command": _command(query),
    }
    return View("Runs", values, 400 if wrong else 200)


def _command(query: RunsLooking) -> str:
    """Return what follows `mainspring runs list` for the same list."""
    parts = [f"--state {state}" for state in query.state]
    parts += [
        f"--{name} {shlex.quote(value)}" for name in ("name", "queue", "since") if (value := getattr(query, name))
    ]
    return "".join(f" {one}" for one in parts)


def rows(call: Call[RunsLooking, None]) -> Iterator[RunRow]:
    """Give them all."""
    return pages_of(_asked(call), runs.listed)


def _asked(call: Call[RunsLooking, Any]) -> Call[RunsQuery, None]:
    query = call.query
    asked = RunsQuery(
        state=query.state,
        name=query.name,
        queue=query.queue,
        since=past_moment(call, query.since),
        limit=query.limit,
        cursor=query.cursor,
    )
    return call.asking(asked)


def _row(run: RunRow, now: int) -> Row:
    end = run.finished_at or (now if run.state is RunState.RUNNING else None)
    took = None if run.started_at is None or end is None else max(end - run.started_at, 0)
    done, total = progress_of(run.progress)
    parent = run.trigger.removeprefix(_CHILD) if run.trigger.startswith(_CHILD) else None
    return Row(run, took, done, total, parent)


def progress_of(data: bytes | None) -> tuple[int | None, int | None]:
    """Return how much of a run is done, and of how much, as it said so itself."""
    found = decoded(data)
    return (found[0], found[1]) if isinstance(found, list) and len(found) == 2 else (None, None)


def _toggled(chosen: tuple[RunState, ...], state: RunState) -> list[RunState]:
    """Return what is chosen once this state is pressed."""
    return [one for one in RunState if (one in chosen) != (one is state)]


PAGES = (PageRoute(path="/runs", template="runs.html", show=show, rows=rows, query=RunsLooking, nouns=("runs",)),)
