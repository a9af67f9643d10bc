"""What a run is held beside: the last good run or another one, and what its code asked for when the steps were saved."""

from typing import Any, Final

import msgspec

from mainspring.domain.errors import ConflictError, NotFoundError
from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight.hidden_values import hidden_at
from mainspring.service.difference import Difference, last_good
from mainspring.store.views import RunView
from mainspring.web.api import runs
from mainspring.web.api.call import Call
from mainspring.web.api.runs import Differences, DiffQuery
from mainspring.web.dashboard.run_log import RunLooking

DIFFERENCES: Final = 40
"""So many are on the page."""
_COMPARED: Final = 200
_COMPARABLE: Final = 2_000
"""Steps of a run that is compared by itself, and when somebody asks."""


class Drifted(msgspec.Struct, frozen=True):
    """Where the input of a step is another one than was saved."""

    path: str
    was: Any
    now: Any


def diff_of(call: Call[RunLooking, Any], run: RunView) -> Differences | None:
    """Return what differs from the last good run, or from the one that is asked for; None = there is none, or nobody asked.

    Raises:
        ConflictError: it was asked for, and there is too much to compare within a page.
    """
    wanted = call.query.compare
    if wanted is None and run.state not in REOPENABLE_STATES:
        return None
    try:
        other = call.run(last_good(call.site.reads, run) if wanted in (None, "last") else wanted)
    except NotFoundError:
        if wanted is not None:
            raise
        return None
    if max(run.steps, other.steps) > (_COMPARED if wanted is None else _COMPARABLE):
        if wanted is None:
            return None
        hint = f"Compare them by the command line: mainspring runs diff {other.id} {run.id}"
        raise ConflictError(f"more than {_COMPARABLE:,} steps are too many to be compared here", hint=hint)
    found = runs.diff(call.asking(DiffQuery(other=other.id)))
    shown = [
        Difference(one.path, hidden_at(one.path, one.other), hidden_at(one.path, one.this)) for one in found.differences
    ]
    return Differences(found.other, found.this, shown)


def has_good(call: Call[Any, Any], run: RunView) -> bool:
    """Tell whether there is a run to compare it with."""
    try:
        last_good(call.site.reads, run)
    except NotFoundError:
        return False
    return True


def drift_of(run: RunView) -> list[Drifted]:
    """Return where the input of a step is another one than was saved."""
    changes = run.failure.data if run.failure is not None and run.failure.code == "drift" else None
    found = [one for one in changes if isinstance(one, dict)] if isinstance(changes, list) else []
    return [_drifted(str(one.get("path", "?")), one.get("was", ""), one.get("now", "")) for one in found]


def _drifted(path: str, was: Any, now: Any) -> Drifted:
    return Drifted(path, *(hidden_at(path, one) if isinstance(one, str) else one for one in (was, now)))
