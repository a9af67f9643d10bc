"""A consumer that is reported: the newest of how it stands, and not as often as it changes."""

import asyncio
from collections.abc import Callable

import pytest

from mainspring.app.workers.reporting_consumer import ReportingConsumer
from mainspring.store.commands.triggers import ReportConsumer

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
