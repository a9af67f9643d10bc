"""Settle members of incidents: failed runs that a success has superseded, or that a person decided on.

A member is settled in the commit of the success or decision, so that no watcher has to search for it and no success is
missed.
"""

import json
from collections.abc import Iterable

from mainspring.domain.incidents.incident_members import Settlement
from mainspring.domain.states import RunState
from mainspring.store.transaction import Transaction


def settle_members_of_ends(tx: Transaction, ends: Iterable[tuple[str, RunState]], *, late: bool = False) -> None:
    """Settle the members that the ends of these runs settle. A failed end settles nothing: it is a member itself.

    `late` = the runs are recorded after the fact, as those of `mainspring exec` may be.
    """
    succeeded: list[str] = []
    for run, state in ends:
        if state is RunState.SUCCEEDED:
            succeeded.append(run)
        elif state is RunState.CANCELLED:
            settle_members_of_run(tx, run, Settlement.CANCELLED)
    if succeeded:
        tx.change("settle_members", (json.dumps(succeeded), tx.now, int(late)))


def settle_members_of_run(tx: Transaction, run: str, settlement: Settlement, by: str | None = None) -> int:
    """Settle the open members of one run; return how many there were."""
    return tx.change("settle_members_of_run", (run, tx.now, settlement.value, by))
