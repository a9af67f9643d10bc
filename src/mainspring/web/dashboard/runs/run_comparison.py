"""What a run is held beside: the last good run or another one, and what its code asked for when the steps were saved."""

from typing import Any, Final

import msgspec

from mainspring.domain.errors import ConflictError, NotFoundError
from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight.text.hidden_values import hide_at_path
from mainspring.service.runs.run_differences import Difference, find_last_success
from mainspring.store.views import RunView
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import runs
from mainspring.web.api.endpoints.runs import CompareQuery, RunComparison
from mainspring.web.dashboard.runs.run_log import RunPageQuery

DIFFERENCES: Final = 40
"""So many are on the page."""
_COMPARED: Final = 200
_COMPARABLE: Final = 2_000
"""Steps of a run that is compared by itself, and when somebody asks."""


class DriftedInput(msgspec.Struct, frozen=True):
    """Where the input of a step is another one than was saved."""

    path: str
    was: Any
    now: Any


def compare_run(call: ApiCall[RunPageQuery, Any], run: RunView) -> RunComparison | None:
    """Return what differs from the last good run, or from the one that is asked for; None = there is none, or nobody asked.

    Raises:
        ConflictError: it was asked for, and there is too much to compare within a page.
    """
    wanted = call.query.compare
    if wanted is None and run.state not in REOPENABLE_STATES:
        return None
    try:
        other = call.run(find_last_success(call.site.reads, run) if wanted in (None, "last") else wanted)
    except NotFoundError:
        if wanted is not None:
            raise
        return None
    if max(run.steps, other.steps) > (_COMPARED if wanted is None else _COMPARABLE):
        if wanted is None:
            return None
        hint = f"Compare them by the command line: mainspring runs diff {other.id} {run.id}"
        raise ConflictError(f"more than {_COMPARABLE:,} steps are too many to be compared here", hint=hint)
    found = runs.show_comparison(call.with_query(CompareQuery(other=other.id)))
    shown = [
        Difference(one.path, hide_at_path(one.path, one.other), hide_at_path(one.path, one.this))
        for one in found.differences
    ]
    return RunComparison(found.other, found.this, shown)


def has_comparable_run(call: ApiCall[Any, Any], run: RunView) -> bool:
    """Tell whether there is a run to compare it with."""
    try:
        find_last_success(call.site.reads, run)
    except NotFoundError:
        return False
    return True


def list_drifted_inputs(run: RunView) -> list[DriftedInput]:
    """Return where the input of a step is another one than was saved."""
    changes = run.failure.data if run.failure is not None and run.failure.code == "drift" else None
    found = [one for one in changes if isinstance(one, dict)] if isinstance(changes, list) else []
    return [_build_drifted_input(str(one.get("path", "?")), one.get("was", ""), one.get("now", "")) for one in found]


def _build_drifted_input(path: str, was: Any, now: Any) -> DriftedInput:
    return DriftedInput(path, *(hide_at_path(path, one) if isinstance(one, str) else one for one in (was, now)))
