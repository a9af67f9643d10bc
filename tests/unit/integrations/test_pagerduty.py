"""PagerDuty before a server that behaves as its Events API does: what counts is which alerts stand in what state."""

import pytest

from mainspring.domain.incidents.incident import Severity
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.integrations.notifiers import read_channel_address
from mainspring.integrations.pagerduty import PagerDutyLink
from tests.unit.alerting.notices import CLOCK, notice, secrets
from tests.unit.alerting.peer import DROP_AFTER, PagerDutyPeer, serving

pytestmark = pytest.mark.asyncio
KEY = "mainspring:i_1:1"


def link_to(peer, key=PagerDutyPeer.KEY):
    return PagerDutyLink(read_channel_address(f"pagerduty://secret:pd?api={peer.url}"), secrets(pd=key), CLOCK, 0.0)


@pytest.mark.parametrize(
    ("about", "state"),
    [
        (NotificationEvent.OPENED, "triggered"),
        (NotificationEvent.REPEATED, "triggered"),
        (NotificationEvent.ESCALATED, "triggered"),
        (NotificationEvent.ACKNOWLEDGED, "acknowledged"),
        (NotificationEvent.SNOOZED, "acknowledged"),
        (NotificationEvent.RESOLVED, "resolved"),
    ],
)
async def test_each_notice_brings_the_alert_into_its_state(about, state):
    """One alert for one opening, whatever else is sent about it."""
    async with serving(PagerDutyPeer()) as peer:
        link = link_to(peer)
        await link.send(notice(), None)
        await link.send(notice(about, "a_2"), None)
        assert peer.alerts == {KEY: state}
        await link.close()


async def test_test_leaves_nothing_open():
    """Anyone who is on duty sees that it works, and need not clean up."""
    async with serving(PagerDutyPeer()) as peer:
        link = link_to(peer)
        await link.send(notice(NotificationEvent.TEST, severity=Severity.NOTIFY), None)
        assert peer.alerts == {KEY: "resolved"}
        await link.close()


async def test_event_that_was_sent_twice_is_one_alert():
    """A connection that broke after the event was taken leaves one alert."""
    async with serving(PagerDutyPeer()) as peer:
        peer.faults = [("enqueue", DROP_AFTER)]
        link = link_to(peer)
        with pytest.raises(ChannelFault) as caught:
            await link.send(notice(), None)
        assert caught.value.is_unknown
        await link.send(notice(), None, is_again=True)
        assert peer.alerts == {KEY: "triggered"}
        await link.close()


async def test_wrong_key_concerns_the_channel():
    """What waits is reported once the key is fixed; the key is not repeated."""
    async with serving(PagerDutyPeer()) as peer:
        link = link_to(peer, "WR0NGKEY")
        with pytest.raises(ChannelFault, match="'routing_key' is invalid") as caught:
            await link.send(notice(), None)
        assert not caught.value.is_final
        assert "WR0NGKEY" not in caught.value.text
        await link.close()


@pytest.mark.parametrize(
    ("fault", "is_final", "is_unknown", "wait"),
    [
        ((400, {}, {"message": "bad", "errors": ["'summary' is too long"]}), True, False, None),
        ((429, {"retry-after": "7"}, {}), False, False, 7_000),
        ((429, {"retry-after": "999999"}, {}), False, False, 3_600_000),
        ((500, {}, {}), False, True, None),
        ((404, {}, b"<html>"), False, False, None),
    ],
)
async def test_answers_state_whether_and_when_to_try_again(fault, is_final, is_unknown, wait):
    """A bad event is never taken; all else waits, for as long as is asked but not for days."""
    async with serving(PagerDutyPeer()) as peer:
        peer.faults = [("enqueue", fault)]
        link = link_to(peer)
        with pytest.raises(ChannelFault) as caught:
            await link.send(notice(), None)
        found = caught.value
        assert (found.is_final, found.is_unknown, found.retry_after_ms) == (is_final, is_unknown, wait)
        await link.close()
