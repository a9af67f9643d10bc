"""The sign of life: to a real server, while all moves, and no fault of that server ends the watch."""

import logging
import time
from types import SimpleNamespace

import pytest

from mainspring.alerting import watchdog_ping
from mainspring.alerting.watchdog_ping import UNSENT_MS, WatchdogPing, find_stuck_work
from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, RecentCounts, WaitingRuns, WatchedProcess, WatchedQueue
from mainspring.domain.processes.stall import BlockedLoop
from mainspring.store.read.incidents import UnsentAlerts
from tests.unit.alerting.notices import CLOCK, secrets
from tests.unit.alerting.peer import DROP_BEFORE, Peer, serving
from tests.unit.domain.monitors.monitor_inputs import DAY, HOUR, MINUTE, SECOND, cadence, watched

NOW = 1_791_162_000_000


def channel(due_at):
    return UnsentAlerts("ops", 1, due_at)


def process(role, beat_at=NOW, session=1, **known):
    values = {"host": "box", "pid": 7, "opened_at": NOW - DAY, "serves": True}
    return WatchedProcess(session=session, role=role, beat_at=beat_at, **values | known)


def scheduled(**known):
    values = {"announced_at": NOW - DAY, "served": 1, "cadences": (cadence(every="1h", next_slot_at=NOW + HOUR),)}
    return watched(**values | known)


def still(*processes, automation=None, channels=(), session=None, **known):
    automations = () if automation is None else (automation,)
    return find_stuck_work(MonitorInputs(automations=automations, processes=processes, **known), channels, NOW, session)


ALIVE = (process("worker"), process("scheduler", session=2))


def test_all_moves():
    """Also where nothing is scheduled and no one is needed, whatever an automation's own faults are."""
    assert still(*ALIVE, automation=scheduled()) is None
    assert still() is None
    assert still(automation=watched()) is None
    assert still(*ALIVE, automation=scheduled(paused_at=NOW - DAY, served=0)) is None
    broken = scheduled(problem="shop.py:3\nSyntaxError", cadences=(cadence(every="1h", next_slot_at=NOW - HOUR),))
    assert still(*ALIVE, automation=broken) is None


@pytest.mark.parametrize(("due_at", "is_still"), [(None, False), (NOW - UNSENT_MS + 1, False), (NOW - UNSENT_MS, True)])
def test_alert_that_cannot_be_reported_ends_the_sign(due_at, is_still):
    """After ten minutes."""
    verdict = still(channels=[channel(None), channel(due_at)])
    assert verdict == ("channel ops accepts nothing" if is_still else None)


@pytest.mark.parametrize("role", ["worker", "scheduler"])
def test_stuck_process_ends_the_ping(role):
    """Alone after a minute, beside others after half of one, by its beats alone: no one asks whether an incident is open."""
    other_processes = tuple(process for process in ALIVE if process.role != role)
    assert still(*other_processes, process(role, NOW - MINUTE + 1), automation=scheduled()) is None
    assert f"no {role} has sent a heartbeat" in still(
        *other_processes, process(role, NOW - MINUTE), automation=scheduled()
    )
    processes = (*ALIVE, process(role, NOW - 30 * SECOND, session=3))
    assert "is stopped or blocked" in still(*processes, automation=scheduled())
    assert f"no {role}" in still(*other_processes, automation=scheduled())
    assert still(*other_processes, process(role, NOW - HOUR), automation=watched()) is None, "no one needs it"


def test_blocked_worker_ends_the_sign():
    """Half a minute after its loop turned last, although the committing thread beats."""
    for blocked_ms, is_still in ((30 * SECOND - 1, False), (30 * SECOND, True)):
        held = BlockedLoop(NOW - blocked_ms, ("shop.py:14 poll",))
        verdict = still(process("worker", blocked=held), ALIVE[1], automation=scheduled())
        assert (verdict is not None) is is_still
    known_open = frozenset({Subject("", IncidentKind.WORKER_LOST, "blocked:shop.py poll")})
    assert still(*ALIVE, automation=scheduled(), open=known_open, last_died={"worker": NOW - SECOND}) is not None


def test_store_that_takes_nothing_of_ours_ends_the_sign():
    """Half a minute after the last beat of who looks; another's is judged by whether it is needed."""
    silent = process("watcher", NOW - 30 * SECOND, session=9)
    assert still(*ALIVE, silent, session=9) is not None
    assert still(*ALIVE, silent, session=8) is None
    assert still(*ALIVE, process("watcher", NOW - 30 * SECOND + 1, session=9), session=9) is None


def test_slot_that_no_one_makes_ends_the_sign():
    """Five minutes after its time, from when someone waits for it."""
    for late_ms, is_still in ((5 * MINUTE - 1, False), (5 * MINUTE, True)):
        late = (cadence(every="1h", next_slot_at=NOW - late_ms),)
        assert (still(*ALIVE, automation=scheduled(cadences=late)) is not None) is is_still
        assert still(*ALIVE, automation=scheduled(cadences=late, expected_from_at=NOW - MINUTE)) is None
        assert still(*ALIVE, automation=scheduled(cadences=late, served=0)) is None


def test_work_that_no_one_takes_ends_the_sign():
    """It waits for an hour, and nothing else began; a queue that is paused waits by intent."""
    waits = scheduled(waiting=WaitingRuns(3, NOW - HOUR, "mail"))
    assert "no worker claims the waiting runs of backup" in still(*ALIVE, automation=waits)
    assert still(*ALIVE, automation=scheduled(waiting=WaitingRuns(3, NOW - HOUR + 1, "mail"))) is None
    assert still(*ALIVE, automation=waits, queues=(WatchedQueue(name="mail", paused_at=NOW),)) is None
    for known in ({"running_since_at": NOW - DAY}, {"recent": RecentCounts(started=1)}):
        assert still(*ALIVE, automation=scheduled(waiting=waits.waiting, **known)) is None


@pytest.mark.asyncio
async def test_sign_that_is_kept_back_is_logged_when_that_changes(caplog):
    """Who finds no sign outside reads here why."""
    watchdog = WatchdogPing(None, secrets(), CLOCK)
    with caplog.at_level(logging.WARNING, "mainspring.watchdog"):
        for _ in range(2):
            await watchdog.update("no worker has sent a heartbeat for 1m")
    assert [record.getMessage() for record in caplog.records] == [
        "the ping to the watchdog is not sent: no worker has sent a heartbeat for 1m"
    ]
    await watchdog.close()


class Watchdog(Peer):
    """Hears signs of life."""

    def answer(self, path, headers, body):
        return (200 if path == "/ping/w0rd" else 404), {}, {}


@pytest.mark.asyncio
async def test_sign_is_given_once_a_minute(monkeypatch):
    """To the address that is a secret, and not again before it is time."""
    async with serving(Watchdog()) as peer:
        watchdog = WatchdogPing("secret:dog", secrets(dog=f"{peer.url}/ping/w0rd"), CLOCK)
        assert watchdog.is_due
        await watchdog.beat()
        assert not watchdog.is_due
        assert [path for path, _, _ in peer.requests] == ["/ping/w0rd"]
        later = time.monotonic() + watchdog_ping.EVERY_S
        monkeypatch.setattr(watchdog_ping, "time", SimpleNamespace(monotonic=lambda: later))
        assert watchdog.is_due
        await watchdog.close()


@pytest.mark.asyncio
async def test_no_listener():
    """Without an address nothing is ever due."""
    watchdog = WatchdogPing(None, secrets(), CLOCK)
    assert not watchdog.is_due
    await watchdog.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fault", [DROP_BEFORE, (500, {}, {}), (302, {"location": "/"}, {}), (410, {}, {}), "no secret"]
)
async def test_fault_outside_is_logged_once_and_raised_to_no_one(caplog, fault):
    """The address is not in the log, for its secret is who we are."""
    async with serving(Watchdog()) as peer:
        known = {} if fault == "no secret" else {"dog": f"{peer.url}/w0rd-of-the-dog"}
        watchdog = WatchdogPing("secret:dog", secrets(**known), CLOCK)
        peer.faults = [("", fault)] * 3
        with caplog.at_level(logging.WARNING, "mainspring.watchdog"):
            for _ in range(3):
                await watchdog.beat()
        (logged,) = [record.getMessage() for record in caplog.records if record.name == "mainspring.watchdog"]
        assert "w0rd-of-the-dog" not in logged
        await watchdog.close()
