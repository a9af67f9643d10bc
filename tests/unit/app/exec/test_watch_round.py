"""What a round of `watch` says of who is silent: by the same settings as what it tells."""

import asyncio
import os

import msgspec
import pytest

from mainspring.app.exec.watch_round import find_overdue, watch_once
from mainspring.config import load
from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, NO_OVERRIDES
from mainspring.domain.monitors.timing.silence import SilenceTuning
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ScheduleRow
from mainspring.store.sqlite.store import SqliteStore
from tests.contract.store.clock import FakeClock
from tests.unit.alerting.peer import Peer, serving
from tests.unit.domain.monitors.monitor_inputs import DAY, T0, cadence, watched

FACTS = MonitorInputs(automations=(watched("backup", cadences=(cadence(every="1h"),)),))
OFF = SilenceTuning(on=False)
OFF_FOR_IT = TuningOverrides({"back*": {IncidentKind.SILENCE: {"on": False}}})


def silent(tunings=DEFAULT_TUNINGS, own=NO_OVERRIDES):
    evaluations, found = find_overdue(FACTS, T0 + DAY, tunings, own)
    return evaluations, [automation.name for automation in found]


def test_silent_automation_is_reported():
    """Also by the exit code that follows."""
    assert silent() == (1, ["backup"])


def test_silence_that_is_switched_off_is_reported_no_more():
    """For all, or for this one alone; what is on for it alone is said."""
    assert silent({IncidentKind.SILENCE: OFF}) == (0, [])
    assert silent(own=OFF_FOR_IT) == (0, [])
    on_for_it = TuningOverrides({"backup": {IncidentKind.SILENCE: {"on": True}}})
    assert silent({IncidentKind.SILENCE: OFF}, on_for_it) == (1, ["backup"])


class Outside(Peer):
    """Hears signs of life."""

    def answer(self, path, headers, body):
        return 200, {}, {}


@pytest.mark.asyncio
async def test_sign_of_life_is_given_after_a_evaluation(tmp_path):
    """By a crontab line as by a watcher that stays; not while something is stuck, nor where the store is away."""
    async with serving(Outside()) as peer:
        env = {"MAINSPRING_STORE_URL": str(tmp_path / "s.db"), "MAINSPRING_NOTIFY_WATCHDOG": f"{peer.url}/ping"}
        settings = load(env=env, cwd=tmp_path, uid=os.getuid(), flags={})
        make_store(tmp_path / "s.db")
        await asyncio.to_thread(watch_once, settings, SystemClock())
        assert [path for path, _, _ in peer.requests] == ["/ping"]
        needs_a_worker(tmp_path / "s.db")
        await asyncio.to_thread(watch_once, settings, SystemClock())
        (tmp_path / "s.db").write_bytes(b"no store at all\0" * 1_000)
        with pytest.raises(StoreUnavailableError):
            await asyncio.to_thread(watch_once, settings, SystemClock())
        assert len(peer.requests) == 1


def make_store(path):
    store = SqliteStore(path, clock=SystemClock())
    store.open()
    store.close()


def needs_a_worker(path):
    """An automation with a schedule was announced long ago, and no one lives who could run it."""
    store = SqliteStore(path, clock=FakeClock(1_000))
    store.open()
    definition = Definition(kind=DefinitionKind.TASK, name="a", options={"every": "1h"})
    data = msgspec.json.encode(definition.to_data())
    schedule = ScheduleRow("a", "a", b'{"every":3600000}', 3_601_000)
    store.apply(AnnounceDefinitions("code", (AutomationRow("a", "task", 1, "code", data),), (schedule,)))
    store.close()
