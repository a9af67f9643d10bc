"""How the house itself stands, told from its sessions and channels."""

import pytest

from mainspring.domain.states import SessionState
from mainspring.insight.incidents.channel_list import ChannelLine
from mainspring.insight.status.component_health import (
    is_silent,
    list_channel_health,
    list_process_health,
    read_store_health,
)
from mainspring.store.session_views import SessionView

NOW, GIB = 10_000_000, 1024**3


def session(role="worker", state=SessionState.ALIVE, beat_at=NOW, ended_at=None):
    return SessionView(1, "u", role, state, "h", "box", 7, "", "", 1, [], None, 0, beat_at, ended_at, [], 4, 0)


def line(name, *, address="ntfy://", **more):
    return ChannelLine(name=name, address=address, **more)


def of(role, *found):
    return next((process.tone, process.text) for process in list_process_health(found, NOW) if process.name == role)


@pytest.mark.parametrize(
    ("found", "report"),
    [
        ([], ("idle", "none")),
        ([session(), session("dev")], ("good", "2 alive")),
        ([session(), session(beat_at=NOW - 31_000)], ("bad", "1 alive, 1 silent")),
        ([session(state=SessionState.DEAD)], ("bad", "none, 1 dead")),
        ([session(state=SessionState.DRAINING)], ("warn", "1 alive, 1 draining")),
        ([session(ended_at=1), session("web")], ("idle", "none")),
    ],
)
def test_role_is_reported_by_its_live_processes(found, report):
    """What gives no sign of life is bad; what was never there is not missed here: that is said by what it leaves undone."""
    assert of("worker", *found) == report


@pytest.mark.parametrize("role", ["worker", "dev", "web", "scheduler", "watcher"])
def test_process_that_beats_is_silent_without_a_beat(role):
    """Half a minute is enough; who is over or dead is not silent."""
    assert is_silent(session(role, beat_at=NOW - 31_000), NOW)
    assert not is_silent(session(role, beat_at=NOW - 29_000), NOW)
    assert not is_silent(session(role, beat_at=1, ended_at=1), NOW)
    assert not is_silent(session(role, SessionState.DEAD, beat_at=1), NOW)


@pytest.mark.parametrize("role", ["run", "exec"])
def test_process_that_never_beats_is_not_silent(role):
    """Its lock tells that it lives."""
    assert not is_silent(session(role, beat_at=1), NOW)


def test_store_is_reported_with_its_space():
    """Little of it is bad; on a server no one knows."""
    assert (
        read_store_health("s.db", 3 * GIB).tone,
        read_store_health("s.db", 1).tone,
        read_store_health("server", None).tone,
    ) == ("good", "bad", "good")
    assert read_store_health("s.db", 3 * GIB).text == "s.db answers, 3.0 GiB free beside it"


def test_channel_is_reported_by_its_deliveries():
    """Failing since when and why, late, or well."""
    found = [
        line("a", failures=3, since_at=NOW - 3_600_000, fault="refused\nby <peer>"),
        line("b", accepted_at=NOW - 60_000, oldest_at=NOW - 600_000),
        line("c", accepted_at=NOW - 60_000, oldest_at=NOW + 600_000),
        line("d"),
        line("gone", address=None, failures=3, since_at=1),
    ]
    assert [(channel.name, channel.tone, channel.text) for channel in list_channel_health(found, NOW)] == [
        ("channel a", "bad", "accepts nothing since 1h ago (3 attempts): refused by <peer>"),
        ("channel b", "warn", "a notification due 10m ago waits"),
        ("channel c", "good", "notified 1m ago"),
        ("channel d", "good", "nothing notified yet"),
    ]
