"""`pagerduty.trigger` and its siblings before a server that behaves as the Events API does: what counts is the state of each alert."""

import asyncio
from typing import Any

import pytest

import mainspring as ms
from mainspring.actions import pagerduty
from mainspring.domain.errors import NotSent, OptionError, Permanent, Transient, ValueRefusedError
from tests.unit.actions.message_servers import serving_in_thread
from tests.unit.alerting.peer import DROP_AFTER, PagerDutyPeer

UNKNOWN_SEVERITY: Any = "page"


@pytest.fixture
def peer(tmp_path, monkeypatch):
    """A service, which is the only one of the configuration."""
    with serving_in_thread(PagerDutyPeer()) as server:
        file = tmp_path / "mainspring.toml"
        file.write_text(f'[notify.channels]\npage = "pagerduty://secret:PD?api={server.url}"\n')
        monkeypatch.setenv("MAINSPRING_CONFIG", str(file))
        monkeypatch.setenv("MAINSPRING_SECRET_PD", server.KEY)
        yield server


def test_alert_is_triggered_acknowledged_and_resolved(peer):
    """By its key, or by the event that was returned."""
    event = pagerduty.trigger("the disk is full", key="disk:db1", severity="error", details={"free": 0})
    assert event == pagerduty.PagerDutyEvent("disk:db1")
    assert pagerduty.acknowledge(event) == event
    assert peer.alerts == {"disk:db1": "acknowledged"}
    assert pagerduty.resolve("disk:db1") == pagerduty.resolve(event) == event
    assert peer.alerts == {"disk:db1": "resolved"}


def test_async_forms_do_the_same(peer):
    """In a loop."""

    async def change():
        event = await pagerduty.trigger_async("the disk is full")
        await pagerduty.acknowledge_async(event)
        await pagerduty.resolve_async(event)

    asyncio.run(change())
    assert list(peer.alerts.values()) == ["resolved"]


def test_key_of_once_is_that_of_the_alert(peer, tmp_path):
    """A lost answer is repeated under it, and under that of the step; a call within the window sends nothing."""
    peer.faults = [("enqueue", DROP_AFTER)]

    @ms.workflow(name="pagerduty-alert")
    async def alert(run: ms.Run) -> list[str]:
        retrying = run.options(retry=ms.Retry(attempts=3, initial=0.01))
        options: dict[str, Any] = {"once": "disk:db1", "within": "1h"}
        events = [await retrying.step(pagerduty.trigger, f"{n} % are free", **options) for n in (3, 2)]
        peer.faults = [("enqueue", DROP_AFTER)]
        events.append(await retrying.step(pagerduty.trigger, "without a key"))
        return [event.dedup_key for event in events]

    first, second, own = ms.App(str(tmp_path / "a.db")).run(alert)
    assert first == second == "disk:db1"
    assert set(peer.alerts) == {"disk:db1", own}
    assert len(peer.requests) == 4


def test_one_effect_has_one_alert(peer, tmp_path):
    """Another dedup key under the same `once` would be skipped in silence."""

    @ms.workflow(name="pagerduty-conflict")
    async def alert(run: ms.Run) -> None:
        for key in ("a", "b"):
            await run.step(pagerduty.trigger, "full", once="disk", key=key)

    with pytest.raises(ms.RunFailed, match="EffectConflictError"):
        ms.App(str(tmp_path / "a.db")).run(alert)
    assert list(peer.alerts) == ["a"]


def test_long_key_is_shortened_alike(peer):
    """PagerDuty accepts 255 characters."""
    event = pagerduty.trigger("a", key="k" * 300)
    assert len(event.dedup_key) == 64
    pagerduty.resolve("k" * 300)
    assert peer.alerts == {event.dedup_key: "resolved"}


def test_failure_states_whether_to_try_again(peer, monkeypatch):
    """A refused event, a refused key, too many events, a lost answer."""
    peer.faults = [("enqueue", (429, {"retry-after": "7"}, {})), ("enqueue", DROP_AFTER)]
    with pytest.raises(NotSent, match="429") as later:
        pagerduty.trigger("a")
    assert later.value.retry_after.total_seconds() == 7
    with pytest.raises(Transient, match="may have been sent"):
        pagerduty.trigger("a")
    peer.faults = [("enqueue", (400, {}, {"message": "Event object is invalid", "errors": ["'payload' is odd"]}))]
    with pytest.raises(Permanent, match=r"\(400\): Event object is invalid: 'payload' is odd\nwith the secret 'PD'"):
        pagerduty.trigger("a")
    monkeypatch.setenv("MAINSPRING_SECRET_PD", "canary-routing-key")
    with pytest.raises(Permanent, match=r"routing_key(?s:.*)Check the secret 'PD'") as caught:
        pagerduty.trigger("a")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: pagerduty.trigger(""),
        lambda: pagerduty.trigger("x" * 2_000),
        lambda: pagerduty.trigger("a", severity=UNKNOWN_SEVERITY),
        lambda: pagerduty.trigger("a", details={"a": object()}),
        lambda: pagerduty.trigger("a", within="1h"),
        lambda: pagerduty.resolve(" "),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(peer, call):
    """No request leaves."""
    with pytest.raises((OptionError, ValueRefusedError)):
        call()
    assert peer.requests == []
