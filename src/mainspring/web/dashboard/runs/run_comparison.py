"""Comparison of a run with the last successful one or another one, and of saved step inputs with those of today's code."""

from typing import Any, Final

import msgspec

from mainspring.domain.errors import ConflictError, NotFoundError
from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight.text.hidden_values import hide_at_path
from mainspring.service.runs.run_differences import Difference, find_last_success
from mainspring.store.views import RunView
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.runs import runs
from mainspring.web.api.endpoints.runs.runs import CompareQuery, RunComparison
from mainspring.web.dashboard.runs.run_log import RunPageQuery

DIFFERENCES: Final = 40
"""Differences on the page."""
_COMPARED: Final = 200
_COMPARABLE: Final = 2_000
"""Steps of a run that is compared without a request, and on request."""


class DriftedInput(msgspec.Struct, frozen=True):
    """A place where the input of a step differs from the saved one."""

    path: str
    was: Any
    now: Any


def compare_run(call: ApiCall[RunPageQuery, Any], run: RunView) -> RunComparison | None:
    """Return the differences to the last successful run, or to the requested one; None = there is none, or none is requested.

    Raises:
        ConflictError: a comparison was requested, and the runs are too large for a page.
    """
    requested = call.query.compare
    if requested is None and run.state not in REOPENABLE_STATES:
        return None
    try:
        other = call.run(find_last_success(call.site.reads, run) if requested in (None, "last") else requested)
    except NotFoundError:
        if requested is not None:
            raise
        return None
    if max(run.steps, other.steps) > (_COMPARED if requested is None else _COMPARABLE):
        if requested is None:
            return None
        hint = f"Compare them at the command line: mainspring runs diff {other.id} {run.id}"
        raise ConflictError(f"more than {_COMPARABLE:,} steps are too many to compare here", hint=hint)
    comparison = runs.show_comparison(call.with_query(CompareQuery(other=other.id)))
    differences = [
        Difference(
            difference.path,
            hide_at_path(difference.path, difference.other),
            hide_at_path(difference.path, difference.this),
        )
        for difference in comparison.differences
    ]
    return RunComparison(comparison.other, comparison.this, differences)


def has_comparable_run(call: ApiCall[Any, Any], run: RunView) -> bool:
    """Return whether there is a run to compare it with."""
    try:
        find_last_success(call.site.reads, run)
    except NotFoundError:
        return False
    return True


def list_drifted_inputs(run: RunView) -> list[DriftedInput]:
    """Return the places where the input of a step differs from the saved one."""
    changes = run.failure.data if run.failure is not None and run.failure.code == "drift" else None
    drifts = [change for change in changes if isinstance(change, dict)] if isinstance(changes, list) else []
    return [
        _build_drifted_input(str(drift.get("path", "?")), drift.get("was", ""), drift.get("now", ""))
        for drift in drifts
    ]


def _build_drifted_input(path: str, was: Any, now: Any) -> DriftedInput:
    return DriftedInput(path, *(hide_at_path(path, value) if isinstance(value, str) else value for value in (was, now)))
