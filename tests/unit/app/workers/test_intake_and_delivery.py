"""What hosts the consumers outlives each of them."""

import asyncio

import msgspec
import pytest

from mainspring.app.workers import intake_and_delivery
from mainspring.app.workers.intake_and_delivery import Ingest
from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.triggers.trigger import Trigger
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.triggers import TriggerRow
from mainspring.store.sqlite.store import SqliteStore


class FakeConsumer:
    """Says that it runs, and continues until it is cancelled."""

    def __init__(self, running):
        self._running = running

    async def run(self):
        self._running.set()
        await asyncio.Event().wait()


@pytest.mark.asyncio
async def test_consumer_that_cannot_be_opened_is_tried_again_and_keeps_no_other(tmp_path, monkeypatch, caplog):
    """One fails once as it is made, the other is open meanwhile; both run in the end."""
    monkeypatch.setattr(intake_and_delivery, "_REOPEN_DELAY_S", 0.01)
    monkeypatch.setattr(intake_and_delivery, "_POLL_INTERVAL_S", 0.01)
    store = SqliteStore(tmp_path / "s.db", clock=SystemClock())
    store.open()
    trigger = msgspec.json.encode(Trigger(source=WatchedFolder.parse(str(tmp_path))))
    for name in ("good", "poor"):
        definition = msgspec.json.encode(Definition(kind=DefinitionKind.TASK, name=name).to_data())
        row = TriggerRow(f"{name}/files", name, "files", trigger)
        store.apply(AnnounceDefinitions(name, (AutomationRow(name, "task", 1, "f", definition),), (), (row,)))
    running = {"good/files": asyncio.Event(), "poor/files": asyncio.Event()}
    tries = []

    def make(known, intake):
        tries.append(known.name)
        if tries.count("poor/files") == 1 and known.name == "poor/files":
            raise RuntimeError("no such library")
        return FakeConsumer(running[known.name])

    ingest_host = Ingest(
        asyncio.get_running_loop(),
        store,
        store.clock,
        PLAIN_SEALING,
        lambda read, then: then(read()),
        make_consumer=make,
    )
    ingest_host.start()
    async with asyncio.timeout(60):
        for event in running.values():
            await event.wait()
    await ingest_host.close()
    store.close()
    assert sorted(tries) == ["good/files", "poor/files", "poor/files"]
    assert "no such library" in caplog.text
