"""How consumers stand is reported to the log and the store, once each.

A consumer that is reported: the newest of how it stands, and not as often as it changes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainspring.app.workers.consumers import ConsumerFactory, ReportingConsumer
from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.triggers.trigger import Trigger
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.resources.secret_store import SecretStore
from mainspring.store.commands.triggers import ReportConsumer
from mainspring.triggers.trigger_cache import CachedTrigger

pytestmark = pytest.mark.asyncio


def news(text: str) -> ReportConsumer:
    return ReportConsumer("orders/queue", 1, None, text)


async def test_only_the_newest_state_is_reported():
    """A thousand changes within a second are two that are reported: the first and the last."""
    reports: list[ReportConsumer] = []
    seconds: asyncio.Queue[float] = asyncio.Queue()
    second_is_over = asyncio.Event()
    ends = asyncio.Event()

    async def sleep(span_s: float) -> None:
        seconds.put_nowait(span_s)
        await second_is_over.wait()

    class Busy:
        def __init__(self, report: Callable[[ReportConsumer], None]) -> None:
            self.report = report

        async def run(self) -> None:
            for number in range(1_000):
                self.report(news(f"message {number}"))
                await asyncio.sleep(0)
            assert len(reports) == 1
            second_is_over.set()
            await ends.wait()

    running = asyncio.create_task(ReportingConsumer(Busy, reports.append, sleep=sleep).run())
    assert await seconds.get() == 1
    assert await seconds.get() == 1
    ends.set()
    await running
    assert [report.reason for report in reports] == [reports[0].reason, "message 999"]


async def test_failed_consumer_stops_its_reports():
    """What went wrong comes out, and nothing is left running."""

    class Broken:
        def __init__(self, report: Callable[[ReportConsumer], None]) -> None:
            pass

        async def run(self) -> None:
            raise RuntimeError("oops")

    with pytest.raises(RuntimeError, match="oops"):
        await ReportingConsumer(Broken, lambda report: None).run()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Store:
    """Remembers what it was reported."""

    reader = None

    def __init__(self) -> None:
        self.reports: list[ReportConsumer] = []

    def submit(self, command: ReportConsumer, on_done: Callable[[Any], None]) -> None:
        self.reports.append(command)

    async def wait_for_report(self, word: str) -> None:
        await self.until(lambda: any(word in (report.reason or "") for report in self.reports))

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not is_so():
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def watching(folder: Path, store: Store):
    """Run the consumer of a folder."""
    source = WatchedFolder.parse(str(folder), every="100ms", settle="0s", max_size=3)
    known = CachedTrigger(
        "in/files", Trigger(source=source), Definition(kind=DefinitionKind.TASK, name="in"), None, None, None, None
    )
    consumer = ConsumerFactory(store, SystemClock(), SecretStore.of(None, {}))(known, None)  # type: ignore[arg-type]
    running = asyncio.create_task(consumer.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_skipped_file_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Each file has its line, and no other line names it again when something else is left out too."""
    caplog.set_level(logging.INFO, "mainspring")
    store = Store()
    async with watching(tmp_path, store):
        for name in ("first", "second"):
            (tmp_path / name).write_bytes(b"large")
            await store.wait_for_report(name)
    for name in ("first", "second"):
        assert len([line for line in caplog.messages if name in line]) == 1, caplog.messages
    assert len([line for line in caplog.messages if "reads from its folder" in line]) == 1


async def test_folder_that_becomes_unreachable_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """When it goes and when it comes back, one line each."""
    caplog.set_level(logging.INFO, "mainspring")
    folder, store = tmp_path / "in", Store()
    folder.mkdir()
    async with watching(folder, store):
        await store.until(lambda: bool(store.reports))
        folder.rename(tmp_path / "out")
        await store.until(lambda: store.reports[-1].unreachable_at is not None)
        (tmp_path / "out").rename(folder)
        await store.until(lambda: store.reports[-1].connected_at is not None)
    assert len([line for line in caplog.messages if str(folder) in line and "No such" in line]) == 1, caplog.messages
    assert len([line for line in caplog.messages if "reads from its folder" in line]) == 2
