"""`/r/{run}/journal`: every saved outcome of a run, superseded ones too, newest first."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mainspring.domain.runs.journal import Outcome
from mainspring.web.api import runs
from mainspring.web.api.bodies import Numbered
from mainspring.web.api.call import Call
from mainspring.web.dashboard.exports import MOST, pages_of
from mainspring.web.dashboard.page import Form, PageRoute, View, looked
from mainspring.web.dashboard.run_values import Value, values_of


class Entry(msgspec.Struct, frozen=True):
    """An outcome, and its values as they are shown."""

    outcome: Outcome
    took: int
    values: list[Value]


def show(call: Call[Numbered, Form | None]) -> View:
    """List outcomes."""
    run = call.run()
    found = runs.journal(looked(call))
    values: dict[str, Any] = {
        "run": call.site.opening.run(run),
        "entries": [_entry(one) for one in found.items],
        "next": found.next,
    }
    return View(f"Journal of {run.id}", values)


def rows(call: Call[Numbered, None]) -> Iterator[Outcome]:
    """Give them all."""
    return pages_of(call, runs.journal, most=MOST)


def _entry(one: Outcome) -> Entry:
    return Entry(one, -(-one.took_us // 1000), values_of(input=one.input, output=one.output))


PAGES = (
    PageRoute(
        path="/r/{run}/journal",
        template="run_journal.html",
        show=show,
        rows=rows,
        query=Numbered,
        nouns=("runs",),
        at="/runs",
    ),
)
