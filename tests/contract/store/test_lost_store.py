"""That a store was lost is on record once it is back: one incident, opened and resolved when it was, told to no one."""

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
    """And no one is notified a second time."""
    finding = lost(1, 5)
    incident = store.read("incident", "i1")
    assert (incident.subject.kind, incident.severity, incident.state) == (
        IncidentKind.STORE_LOST,
        Severity.PAGE,
        IncidentState.RESOLVED,
    )
    assert (incident.since_at, incident.opened_at, incident.resolved_at) == (
        finding.since_at,
        finding.since_at,
        finding.over_at,
    )
    assert (incident.text, incident.facts, incident.opened) == ("no disk", {"host": "h"}, 1)
    assert moves(store) == [(IncidentMove.OPEN, finding.since_at), (IncidentMove.RESOLVE, finding.over_at)]
    assert store.read("alerts") == []
    assert store.read("incidents") == []


def test_loss_seen_by_several_machines_is_one(store, lost):
    """The last of them ends it."""
    lost(1, 5)
    lost(2, 4, "i2")
    last = lost(0, 7, "i3")
    assert store.read("incident", "i2") is None
    incident = store.read("incident", "i1")
    assert (incident.opened, incident.resolved_at) == (1, last.over_at)
    assert len(moves(store)) == 2


def test_next_loss_reopens_it(store, lost):
    """And counts it, in the moves too."""
    lost(1, 5)
    again = lost(6, 8, "i2", host="other")
    incident = store.read("incident", "i1")
    assert (incident.opened, incident.since_at, incident.opened_at, incident.resolved_at) == (
        2,
        again.since_at,
        again.since_at,
        again.over_at,
    )
    assert incident.facts == {"host": "other"}
    assert [move for move, _ in moves(store)] == [
        IncidentMove.OPEN,
        IncidentMove.RESOLVE,
        IncidentMove.REOPEN,
        IncidentMove.RESOLVE,
    ]
