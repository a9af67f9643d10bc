"""`/r/{run}/journal`: the journal of a run: every saved outcome, superseded ones too, newest first."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mainspring.domain.runs.journal import Outcome
from mainspring.web.api.bodies import CommitOrderQuery
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.runs import runs
from mainspring.web.dashboard.exports import MOST, list_all_pages
from mainspring.web.dashboard.page_route import Form, PageRoute, PageView, api_call
from mainspring.web.dashboard.runs.run_values import ValueView, build_values


class JournalEntry(msgspec.Struct, frozen=True):
    """An outcome, and its values as they are displayed."""

    outcome: Outcome
    took: int
    values: list[ValueView]


def show(call: ApiCall[CommitOrderQuery, Form | None]) -> PageView:
    """List outcomes."""
    run = call.run()
    page = runs.list_outcomes(api_call(call))
    values: dict[str, Any] = {
        "run": call.site.opening.run(run),
        "entries": [_build_entry(outcome) for outcome in page.items],
        "next": page.next,
    }
    return PageView(f"Journal of {run.id}", values)


def rows(call: ApiCall[CommitOrderQuery, None]) -> Iterator[Outcome]:
    """Export all of them."""
    return list_all_pages(call, runs.list_outcomes, most=MOST)


def _build_entry(outcome: Outcome) -> JournalEntry:
    return JournalEntry(
        outcome, -(-outcome.duration_us // 1000), build_values(input=outcome.input, output=outcome.output)
    )


PAGES = (
    PageRoute(
        path="/r/{run}/journal",
        template="runs/run_journal.html",
        show=show,
        rows=rows,
        query=CommitOrderQuery,
        nouns=("runs",),
        at="/runs",
    ),
)
