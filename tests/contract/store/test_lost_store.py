"""That a store was lost is on record once it is back: one incident, opened and resolved when it was, told to nobody."""

import pytest

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.states import IncidentMove, IncidentState
from mainspring.store.commands.incidents import RecordStoreOutage
from mainspring.store.commands.results import DONE

MINUTE = 60_000


@pytest.fixture
def lost(store):
    now = store.clock.now()

    def record(since, over, id="i1", **more):
        command = RecordStoreOutage(
            id=id,
            since_at=now + since * MINUTE,
            over_at=now + over * MINUTE,
            text="no disk",
            facts={"host": "h", **more},
        )
        assert store.twice(command) == DONE
        return command

    return record


def moves(store, id="i1"):
    return [(move.move, move.at) for move in store.read("moves", id)]


def test_lost_store_is_an_incident_of_its_time(store, lost):
    """And nobody is told a second time."""
    told = lost(1, 5)
    one = store.read("incident", "i1")
    assert (one.subject.kind, one.severity, one.state) == (
        IncidentKind.STORE_LOST,
        Severity.PAGE,
        IncidentState.RESOLVED,
    )
    assert (one.since_at, one.opened_at, one.resolved_at) == (told.since_at, told.since_at, told.over_at)
    assert (one.text, one.facts, one.opened) == ("no disk", {"host": "h"}, 1)
    assert moves(store) == [(IncidentMove.OPEN, told.since_at), (IncidentMove.RESOLVE, told.over_at)]
    assert store.read("alerts") == []
    assert store.read("incidents") == []


def test_what_several_machines_saw_at_one_time_is_one_loss(store, lost):
    """The last of them ends it."""
    lost(1, 5)
    lost(2, 4, "i2")
    last = lost(0, 7, "i3")
    assert store.read("incident", "i2") is None
    one = store.read("incident", "i1")
    assert (one.opened, one.resolved_at) == (1, last.over_at)
    assert len(moves(store)) == 2


def test_next_loss_reopens_it(store, lost):
    """And counts it, in the moves too."""
    lost(1, 5)
    again = lost(6, 8, "i2", host="other")
    one = store.read("incident", "i1")
    assert (one.opened, one.since_at, one.opened_at, one.resolved_at) == (
        2,
        again.since_at,
        again.since_at,
        again.over_at,
    )
    assert one.facts == {"host": "other"}
    assert [move for move, _ in moves(store)] == [
        IncidentMove.OPEN,
        IncidentMove.RESOLVE,
        IncidentMove.REOPEN,
        IncidentMove.RESOLVE,
    ]
