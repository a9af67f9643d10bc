"""Examples of the reference: `mainspring.testing`."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.engine.definitions.registry import Registry
from mainspring.testing import (
    ActionContract,
    ContractError,
    CrashCase,
    CrashOptions,
    CrashPoint,
    CrashReport,
    CrashTestError,
    CrashVerdict,
    DeadlockError,
    FakeClock,
    Lab,
    LabError,
    RealTimeWarning,
    ReplayError,
    VirtualLoop,
    replay_cases,
)
from tests.acceptance.one_project import Project
from tests.reference.documented import documents


@documents("testing.FakeClock", "testing.FakeClock.now", "testing.FakeClock.advance")
def test_fake_clock():
    """Set the time of a test."""
    clock = FakeClock(datetime(2026, 11, 30, tzinfo=UTC))
    before = clock.now()

    clock.advance(timedelta(days=1))
    assert clock.now() - before == 86_400_000  # milliseconds


@documents("testing.VirtualLoop", "testing.DeadlockError")
def test_virtual_loop():
    """Sleep for a day in no time. A loop in which nothing can happen any more raises."""
    loop = VirtualLoop(FakeClock())
    loop.run_until_complete(asyncio.sleep(86_400))
    assert loop.time() == 86_400

    with pytest.raises(DeadlockError):
        loop.run_until_complete(loop.create_future())
    loop.close()


SENT = Path("sent.txt")


def count_mails(number: int) -> int:
    """Return how many mails of a number were sent."""
    return SENT.read_text().split().count(str(number)) if SENT.exists() else 0


@ms.action(once="mail:{number}", check=lambda number: True if count_mails(number) else None)
def send_mail(number: int) -> None:
    """Send a mail."""
    with SENT.open("a") as file:
        file.write(f"{number}\n")


@documents(
    "testing.ActionContract",
    "testing.ActionContract.check",
    "testing.ContractError",
    uses=[count_mails, send_mail],
)
@pytest.mark.slow
def test_action_contract(app, tmp_path):
    """Prove that an action is safe to run twice: it is killed, repeated and cancelled. If it is not, `ContractError` names the case."""
    ActionContract(send_mail, args=lambda number: [number], effects=count_mails).check(tmp_path, kills=1)

    assert issubclass(ContractError, AssertionError)


def charge(order: int) -> str:
    """Take money."""
    return f"receipt {order}"


@pytest.fixture
def order():
    """Give a workflow that waits for days, and talks to people and programs."""
    with Registry():

        @ms.workflow
        async def order(run: ms.Run, number: int) -> list[object]:
            notes: list[str] = []

            @run.on_update("add_note")
            def add_note(note: str) -> int:
                notes.append(note)
                return len(notes)

            @run.on_query("notes")
            def read_notes() -> list[str]:
                return notes

            receipt = await run.step(charge, number)
            run.log.info("charged")
            address = await run.receive("address", str)
            choice = await run.ask("Ship it?", choices=["yes", "no"])
            await asyncio.sleep(3 * 86_400)
            return [receipt, address, choice, notes]

        yield order


@documents(
    "testing.Lab",
    "testing.Lab.start",
    "testing.Lab.advance",
    "testing.Lab.now",
    "testing.Lab.fake",
    "testing.Fake",
    "testing.LabRun",
    *(f"testing.LabRun.{name}" for name in ("until", "result", "state", "steps", "logs")),
    *(f"testing.LabRun.{name}" for name in ("signal", "answer", "update", "query")),
    "testing.SyncLab",
    "testing.SyncRun",
    uses=[charge, order],
)
def test_lab(order):
    """Test a workflow of days in no time. In an `async def` test write `async with Lab() as lab`, and await the methods."""
    with Lab() as lab:
        payment = lab.fake(charge, raises=[TimeoutError, None], returns="receipt-7")
        run = lab.start(order, 7)
        run.until("waiting")
        assert [call.args for call in payment.calls] == [(7,), (7,)]
        run.signal("address", "Main Street 1")
        assert run.update("add_note", "fragile") == 1
        assert run.query("notes") == ["fragile"]
        run.answer("yes")
        before = lab.now
        lab.advance("1d")
        assert lab.now - before == timedelta(days=1)
        assert run.state() == "waiting"
        assert run.result() == ["receipt-7", "Main Street 1", "yes", ["fragile"]]
        assert "charge" in [step.name for step in run.steps()]
        assert "charged" in [line.text for line in run.logs()]


@documents("testing.Lab.run", "testing.Lab.runs", "testing.LabRun.cancel", "testing.LabError", uses=[charge, order])
def test_lab_runs(order):
    """Find runs of schedules and triggers. `LabError` says what a run waits for, as `mainspring explain` does."""
    with Lab() as lab:
        lab.start(order, 7)
        [found] = lab.runs("order", state="waiting")
        run = lab.run(found.id)
        with pytest.raises(LabError, match="signal address"):
            run.result(within="1d")
        run.cancel("not needed")
        assert run.state() == "cancelled"


@documents(
    *(f"testing.Lab.{name}" for name in ("deliver", "publish", "sent", "slots", "effects", "set_flag", "do")),
    *("testing.Lab.incidents", "testing.Lab.messages"),
)
def test_lab_world():
    """Deliver what comes from outside, and see what goes there: nothing leaves the lab."""
    with Registry():

        @ms.on.webhook("/orders", verify=ms.verify.github("GITHUB"))
        @ms.on.event("order.changed")
        @ms.task(cron="0 3 * * *")
        def ship(order: dict | None = None) -> str:
            if order is None:
                raise ms.Permanent("no order at night")
            ms.send("warehouse/parcels", order)
            return ms.once(f"label:{order['id']}", lambda: "printed")

        with Lab() as lab:
            run = lab.deliver("/orders", {"id": 7})
            assert run.result() == "printed"
            assert [message.body for message in lab.sent] == [b'{"id":7}']
            assert [effect.key for effect in lab.effects()] == ["label:7"]
            lab.publish("order.changed", {"id": 8})
            assert len(lab.runs("ship", state="succeeded")) == 2

            lab.advance("4h")
            assert [slot.at.hour for slot in lab.slots(ship)] == [3]
            assert "no order at night" in lab.incidents()[0].text
            assert [message.event for message in lab.messages("people")] == ["opened"]

            lab.set_flag("new-printer", True)
            assert lab.do(lambda app: app.runs.count(name="ship")) == 3


@documents("testing.RealTimeWarning")
def test_real_time_warning():
    """See where a step waits in real time, although the clock of the lab does not move."""

    def nap() -> None:
        time.sleep(0.01)

    with Registry():

        @ms.workflow
        async def lazy(run: ms.Run) -> None:
            await run.step(nap)

        with Lab() as lab, pytest.warns(RealTimeWarning, match="time.sleep"):
            lab.start(lazy).result()


@pytest.fixture
def journals(tmp_path):
    """A project with the file `orders.py`, and an exported run of it."""
    project = Project(tmp_path, "")
    code = "import mainspring as ms\n\n@ms.task\ndef order(number: int) -> int:\n    return number\n"
    (tmp_path / "orders.py").write_text(code)
    project.call("run", "-m", "orders.py", "order", "number=7")
    (tmp_path / "journals").mkdir()
    (tmp_path / "journals" / "small-order.json").write_text(project.call("runs", "export", "@last").stdout)


@documents(
    "testing.replay_cases",
    "testing.ReplayCase",
    "testing.ReplayCase.check",
    "testing.ReplayCase.name",
    "testing.ReplayCase.run",
    "testing.ReplayCase.automation",
    "testing.ReplayError",
)
def test_replay_cases(journals):
    """Replay exported journals against the code of today. With pytest: `@pytest.mark.parametrize("case", replay_cases(...))`."""
    (case,) = replay_cases("journals/*.json", modules=["orders.py"])
    case.check()  # raises ReplayError if the code differs

    assert (case.name, case.automation, case.run[:2]) == ("small-order", "order", "r_")
    assert issubclass(ReplayError, AssertionError)


BOOKING = """
from pathlib import Path

import mainspring as ms


def book(seat: int) -> None:
    with Path("bookings.txt").open("a") as file:
        file.write(f"seat {seat}\\n")


@ms.workflow
async def trip(run: ms.Run, seat: int) -> None:
    await run.step(book, seat)


@ms.workflow
async def safe_trip(run: ms.Run, seat: int) -> None:
    await run.options(delivery="at_most_once").step(book, seat)
"""


@documents(
    "testing.Lab.crash_everywhere",
    "testing.CrashOptions",
    "testing.CrashReport",
    "testing.CrashReport.ok",
    "testing.CrashReport.findings",
    "testing.CrashCase",
    "testing.CrashCase.fix",
    "testing.CrashCase.is_finding",
    "testing.CrashPoint",
    "testing.CrashPoint.text",
    "testing.CrashVerdict",
    "testing.CrashTestError",
)
def test_crash_everywhere(tmp_path):
    """Kill a run at each crash point. The report names the step that is not safe to repeat, and how to make it safe."""
    (tmp_path / "trips.py").write_text(BOOKING)
    with Lab(tmp_path / "trips.py") as lab:
        report: CrashReport = lab.crash_everywhere("trip", 12)
        case: CrashCase = report.findings[0]
        point: CrashPoint = case.point
        assert point.text == "trip, book#1, attempt 1, after the return"
        assert case.is_finding
        assert case.verdict == CrashVerdict.DOUBLED
        assert case.differences == ["line of bookings.txt: seat 12 is there 2 times, and not 1 times"]
        assert 'delivery="at_most_once"' in case.fix

        safe = lab.crash_everywhere("safe_trip", 12, options=CrashOptions(jobs=2, at="book#1"))
        assert safe.ok, safe
        with pytest.raises(CrashTestError, match="declare no automation 'tripp'"):
            lab.crash_everywhere("tripp", 12)

    async def use_async_lab() -> bool:
        async with Lab(tmp_path / "trips.py") as lab:
            return (await lab.crash_everywhere("safe_trip", 12, options=CrashOptions(at="before the call"))).ok

    assert asyncio.run(use_async_lab())
