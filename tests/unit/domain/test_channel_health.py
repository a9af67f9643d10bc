"""Channels that are wrong themselves."""

from mainspring.domain.channel_health import ChannelHealth, broken_channels, subject_of
from mainspring.domain.incident import Severity

NOW = 10_000_000


def judge(**more):
    return list(broken_channels([ChannelHealth(name="ops", **more)], NOW))


def test_channel_that_takes_nothing_is_found_after_two_minutes():
    """A hiccup is nobody's concern; the finding says why, since when, and what to try."""
    assert judge(away_since_at=NOW - 119_999, fault="x") == []
    (found,) = judge(away_since_at=NOW - 240_000, fault="Slack says invalid_auth", due_since_at=NOW - 240_000)
    assert found.subject == subject_of("ops")
    assert found.text == "channel ops has taken nothing for 4m: Slack says invalid_auth"
    assert found.hint == "mainspring notify test ops"
    assert (found.since_at, found.severity) == (NOW - 240_000, Severity.NOTIFY)


def test_channel_that_keeps_a_page_waiting_is_a_page():
    """Whoever would have been woken by it is woken by another."""
    (found,) = judge(away_since_at=NOW - 240_000, waits_page=True)
    assert found.severity is Severity.PAGE


def test_channel_that_nobody_tells_is_found():
    """An alert to a channel that was taken out of the configuration does not wait unseen."""
    assert judge(due_since_at=NOW - 599_999) == []
    (found,) = judge(due_since_at=NOW - 600_000)
    assert found.text == "nobody tells channel ops what is due on it"


def test_channel_that_is_well_is_not_found():
    """Neither away nor behind."""
    assert judge() == []
