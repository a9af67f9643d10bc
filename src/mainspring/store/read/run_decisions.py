"""Read the decisions on one run: which results people gave, what settled its failure, and which newer run has its key."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mainspring.domain.incidents.incident_members import Settlement
from mainspring.domain.states import RunState
from mainspring.store.base import StoreReader
from mainspring.store.commands.results import Refused, Result
from mainspring.store.read.incidents import last_failures
from mainspring.store.views import RunView

_MOST = 50
"""How many decisions of one run are read, newest first."""


class ManualResult(msgspec.Struct, frozen=True):
    """A result that a person or program gave in place of the code, at an instant (ms). `ident` = the step; None = the
    whole run.
    """

    ident: str | None
    by: str
    at: int
    reason: str | None


class RunSettlement(msgspec.Struct, frozen=True):
    """The settlement of a run's failure: how, when (ms), by which run or person, and the person's reason."""

    how: Settlement
    at: int | None
    by: str | None
    reason: str | None = None


class RunDecisions(msgspec.Struct, frozen=True):
    """The decisions on one run. `given` is newest first; `successor` = the newer run that its key belongs to ("" = not
    named).

    `is_undecided` = it failed, and nothing has settled that.
    """

    given: list[ManualResult] = []
    settlement: RunSettlement | None = None
    successor: str | None = None
    is_undecided: bool = False


NO_DECISIONS = RunDecisions()


def read_decisions(reader: StoreReader, run: RunView) -> RunDecisions:
    """Return the decisions on a run."""
    rows = reader.read("list_decisions_on_run", (f"run:{run.id}", _MOST))
    accepted = [row for row in rows if not isinstance(msgspec.json.decode(row[5], type=Result), Refused)]
    given = [_manual_result(row) for row in accepted if row[0] != "discard"]
    if run.state is not RunState.FAILED:
        return RunDecisions(given)
    reason = next((row[3] for row in accepted if row[0] == "discard"), None)
    last_failure = next(iter(last_failures(reader, [run.id])), None)
    settlement = None
    if last_failure is not None and last_failure.settled is not None:
        is_discarded = last_failure.settled is Settlement.DISCARDED
        settlement = RunSettlement(
            last_failure.settled, last_failure.settled_at, last_failure.settled_by, reason if is_discarded else None
        )
    key_rows = [] if run.run_key is None else reader.read("find_run_of_key", (run.automation, run.run_key))
    successor = key_rows[0][0] if key_rows and key_rows[0][0] != run.id else None
    return RunDecisions(given, settlement, successor, last_failure is not None and settlement is None)


def _manual_result(row: Sequence[Any]) -> ManualResult:
    verb, at, actor, reason, detail, _ = row
    ident = None if verb == "mark_done" else msgspec.json.decode(detail or b"{}").get("step")
    return ManualResult(ident, actor, at, reason)
