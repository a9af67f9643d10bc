"""The sign of life: to a real server, while all moves, and no fault of that server ends the watch."""

import logging
import time
from types import SimpleNamespace

import pytest

from mainspring.operations import pulse as pulse_module
from mainspring.operations.pulse import UNTOLD_MS, Pulse, all_moves
from mainspring.store.reads.incidents import Unsent
from tests.unit.operations.notices import CLOCK, secrets
from tests.unit.operations.peer import DROP_BEFORE, Peer, serving

NOW = 1_791_162_000_000


def channel(due_at):
    return Unsent("ops", 1, due_at)


@pytest.mark.parametrize(
    ("wrong", "channels", "moves"),
    [
        ([], [], True),
        (["permanent_error"], [channel(None)], True),
        (["worker_lost"], [], False),
        ([], [channel(NOW - UNTOLD_MS + 1)], True),
        ([], [channel(None), channel(NOW - UNTOLD_MS)], False),
    ],
)
def test_all_moves(wrong, channels, moves):
    """A process that stands still or an alert that cannot be told for ten minutes ends the sign; an automation's faults do not."""
    assert all_moves(wrong, channels, NOW) is moves


class Watchdog(Peer):
    """Hears signs of life."""

    def answer(self, path, headers, body):
        return (200 if path == "/ping/w0rd" else 404), {}, {}


@pytest.mark.asyncio
async def test_sign_is_given_once_a_minute(monkeypatch):
    """To the address that is a secret, and not again before it is time."""
    async with serving(Watchdog()) as peer:
        pulse = Pulse("secret:dog", secrets(dog=f"{peer.url}/ping/w0rd"), CLOCK)
        assert pulse.is_due
        await pulse.beat()
        assert not pulse.is_due
        assert [path for path, _, _ in peer.requests] == ["/ping/w0rd"]
        later = time.monotonic() + pulse_module.EVERY_S
        monkeypatch.setattr(pulse_module, "time", SimpleNamespace(monotonic=lambda: later))
        assert pulse.is_due
        await pulse.close()


@pytest.mark.asyncio
async def test_nobody_listens():
    """Without an address nothing is ever due."""
    pulse = Pulse(None, secrets(), CLOCK)
    assert not pulse.is_due
    await pulse.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fault", [DROP_BEFORE, (500, {}, {}), (302, {"location": "/"}, {}), (410, {}, {}), "no secret"]
)
async def test_fault_outside_is_logged_once_and_raised_to_nobody(caplog, fault):
    """The address is not in the log, for its secret is who we are."""
    async with serving(Watchdog()) as peer:
        known = {} if fault == "no secret" else {"dog": f"{peer.url}/w0rd-of-the-dog"}
        pulse = Pulse("secret:dog", secrets(**known), CLOCK)
        peer.faults = [("", fault)] * 3
        with caplog.at_level(logging.WARNING, "mainspring.pulse"):
            for _ in range(3):
                await pulse.beat()
        (said,) = [one.getMessage() for one in caplog.records if one.name == "mainspring.pulse"]
        assert "w0rd-of-the-dog" not in said
        await pulse.close()
