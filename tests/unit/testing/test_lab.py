"""A lab: a whole installation in a test, on a clock that only the test moves."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import mainspring as ms
from mainspring.domain.errors import ConfigError, ConflictError, NotFoundError, OptionError
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.engine.definitions.registry import Registry
from mainspring.store.process_usage import resident_bytes
from mainspring.testing import Lab, LabError
from mainspring.testing.lab import lab_loop
from mainspring.testing.lab.real_time import RealTimeWarning

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


async def charge(amount: int) -> str:
    """Charge a card: no test may reach it."""
    raise AssertionError(f"charged {amount}")


def pack(amount: int) -> int:
    return amount * 2


@pytest.fixture
def registry():
    """Automations of one test alone."""
    with Registry() as registry:
        yield registry


@pytest.fixture
def order(registry):
    @ms.workflow
    async def order(run: ms.Run, amount: int) -> list[object]:
        receipt = await run.options(retry=ms.Retry(attempts=3, initial="1m", jitter=False)).step(charge, amount)
        await asyncio.sleep(3 * 86_400)
        return [receipt, await run.step(pack, amount)]

    return order


def test_wait_of_days_takes_no_time_and_ends_at_its_instant(registry, order):
    """The clock moves only by the test's orders, and stops where the run ends."""
    with Lab(registry=registry) as lab:
        fake = lab.fake(charge, returns="r1")
        run = lab.start(order, 7)
        assert lab.now == FIRST
        run.until("waiting")
        assert fake.calls == [((7,), {})]
        assert lab.now - FIRST < timedelta(seconds=1)
        lab.advance("2d")
        assert run.state() == "waiting"
        assert run.result() == ["r1", 14]
        assert timedelta(days=3) <= lab.now - FIRST < timedelta(days=3, seconds=1)
        assert [step.name for step in run.steps()] == ["charge", "timer", "pack"]


def test_fake_raises_in_order_and_retries_wait_on_the_clock(registry, order):
    """Each attempt is a call; the pause between two is that of the policy."""
    with Lab(registry=registry) as lab:
        fake = lab.fake(charge, returns="r1", raises=[TimeoutError, ConnectionError("reset"), None])
        run = lab.start(order, 7)
        run.until("retrying", within="1m")
        assert len(fake.calls) == 1
        assert run.result() == ["r1", 14]
        assert len(fake.calls) == 3
        assert lab.now - FIRST > timedelta(days=3, minutes=2)


def test_fake_that_always_raises_fails_the_run(registry, order):
    """The last error of the list stays."""
    with Lab(registry=registry) as lab:
        fake = lab.fake(charge, raises=ConnectionError("refused"))
        with pytest.raises(RunFailed, match="refused"):
            lab.start(order, 7).result()
        assert len(fake.calls) == 3


def test_fake_with_a_side_effect_is_called_in_place_of_the_step(registry, order):
    """It may be async, as the step is."""
    seen = []

    async def record(amount: int) -> str:
        await asyncio.sleep(60)
        seen.append(amount)
        return "late"

    with Lab(registry=registry) as lab:
        lab.fake(charge, side_effect=record)
        lab.fake(pack, side_effect=lambda amount: amount + 1)
        assert lab.start(order, 7).result() == ["late", 8]
    assert seen == [7]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"returns": 1, "side_effect": pack}, "both given"),
        ({"raises": 3}, "is no error"),
        ({"raises": ["x"]}, "is no error"),
    ],
)
def test_impossible_fake_is_refused(registry, options, problem):
    """With the option that is wrong."""
    with Lab(registry=registry) as lab, pytest.raises(OptionError, match=problem):
        lab.fake(charge, **options)


def test_schedule_starts_a_run_at_each_slot(registry):
    """Also over the night in which the clocks go forward."""
    instants = []
    holder = {}

    @ms.task(cron="30 2 * * *", tz="Europe/Berlin")
    def nightly() -> None:
        instants.append(holder["lab"].now)

    with Lab(registry=registry, at=datetime(2026, 3, 27, 12, tzinfo=UTC)) as lab:
        holder["lab"] = lab
        lab.advance("4d")
        assert len(lab.runs("nightly", state="succeeded")) == len(instants)
    found = [f"{instant:%d %H:%M}" for instant in instants]
    assert found == ["28 01:30", "29 01:00", "30 00:30", "31 00:30"]


def test_slots_of_a_long_jump_happen_once_each(registry):
    """No slot is lost or made twice in one long jump."""

    @ms.task(cron="*/30 * * * *")
    def tick() -> None:
        """Do nothing."""

    with Lab(registry=registry) as lab:
        lab.advance("2d")
        assert len(lab.runs("tick", state="succeeded")) == 2 * 48


def test_run_that_does_not_get_there_is_explained(registry):
    """The error says what the run waits for."""

    @ms.workflow
    async def wait(run: ms.Run) -> object:
        return await run.receive("paid", within="90d")

    with Lab(registry=registry) as lab:
        run = lab.start(wait)
        with pytest.raises(LabError, match=r"(?s)has not ended after 3d: it is waiting.*signal paid"):
            run.result(within="3d")
        assert lab.now == FIRST + timedelta(days=3)
        with pytest.raises(LabError, match="is waiting, and not failed"):
            run.until("failed", within="1h")
        with pytest.raises(OptionError, match="no such state"):
            run.until("done")
        run.signal("paid", 5)
        assert run.result() == 5
        with pytest.raises(LabError, match="is succeeded, and not waiting"):
            run.until("waiting")


@pytest.mark.parametrize("span", ["0s", "-1d", "soon", None, timedelta(days=-1)])
def test_clock_does_not_go_back(registry, span):
    """A span that is none, or not above 0, is an error and moves nothing."""
    with Lab(registry=registry) as lab:
        with pytest.raises(OptionError):
            lab.advance(span)
        assert lab.now == FIRST


def test_people_events_updates_and_queries_reach_a_run(registry):
    """All operations of a program work in a lab."""

    @ms.workflow
    async def talk(run: ms.Run) -> list[object]:
        items: list[str] = []

        @run.on_update("add")
        def add(item: str) -> int:
            items.append(item)
            return len(items)

        @run.on_query("items")
        def read() -> list[str]:
            return items

        event = await run.event("order.paid")
        choice = await run.ask("Ship it?", choices=["yes", "no"])
        return [items, event.data, choice]

    with Lab(registry=registry) as lab:
        run = lab.start(talk)
        run.until("waiting")
        assert run.update("add", "book") == 1
        assert run.query("items") == ["book"]
        assert lab.publish("order.paid", {"n": 1}) == 1
        lab.advance("1m")
        run.answer("yes")
        assert run.result() == [["book"], {"n": 1}, "yes"]


def test_cancelled_run_is_cancelled(registry, order):
    """Its wait ends at once."""
    with Lab(registry=registry) as lab:
        lab.fake(charge, returns="r")
        run = lab.start(order, 1)
        run.until("waiting")
        run.cancel("changed my mind")
        run.until("cancelled", within="1m")


def test_time_outs_are_those_of_the_clock(registry):
    """Of code in a step, and of the step: an hour passes in no time."""

    async def slow() -> str:
        try:
            async with asyncio.timeout(3_600):
                await asyncio.sleep(7_200)
        except TimeoutError:
            return "late"
        return "done"

    @ms.workflow
    async def race(run: ms.Run) -> str:
        with pytest.raises(ms.StepFailed, match="time-out of 10m"):
            await run.options(name="limited", timeout="10m", retry=ms.Retry(attempts=1)).step(slow)
        return await run.step(slow)

    with Lab(registry=registry) as lab:
        assert lab.start(race).result() == "late"
        assert timedelta(minutes=70) <= lab.now - FIRST < timedelta(minutes=71)


LOCKED = threading.Event()


def take_turn() -> str:
    """Wait in a thread for a lock that another run holds."""
    with ms.lock("printer", within="3h"):
        return "printed"


def test_thread_that_waits_for_the_engine_is_idle(registry):
    """A `def` step with a time-out runs in a thread, and its wait for a lock is a wait on the clock."""

    async def hold() -> None:
        async with ms.lock("printer"):
            await asyncio.sleep(3_600)

    @ms.workflow
    async def holder(run: ms.Run) -> None:
        await run.step(hold)

    @ms.workflow
    async def printing(run: ms.Run, limit: str) -> str:
        return await run.options(timeout=limit, retry=ms.Retry(attempts=1)).step(take_turn)

    with Lab(registry=registry) as lab:
        lab.start(holder)
        lab.advance("1m")
        hurried = lab.start(printing, "10m")
        patient = lab.start(printing, "2h")
        hurried.until("failed", within="15m")
        assert timedelta(minutes=11) <= lab.now - FIRST < timedelta(minutes=12)
        assert patient.result() == "printed"
        assert timedelta(minutes=60) <= lab.now - FIRST < timedelta(minutes=63)


def test_real_work_that_does_not_end_is_named_with_its_line(registry, monkeypatch):
    """`time.sleep` and its like do not see the clock of the lab; the span is longer than that between two checks of the loop."""
    monkeypatch.setattr(lab_loop, "LONGEST_WORK_S", 0.6)
    go_on = threading.Event()

    def block() -> None:
        go_on.wait()

    @ms.workflow
    async def stuck(run: ms.Run) -> None:
        await run.step(block)

    with Lab(registry=registry) as lab:
        for use in (lambda: lab.start(stuck), lambda: lab.advance("1h")):
            with pytest.raises(LabError, match=r"(?s)was not idle.*step block of run r_.*test_lab\.py:\d+.*block"):
                use()
        go_on.set()
        lab.advance("1s")
        assert [run.state for run in lab.runs()] == ["succeeded"]


def test_several_may_wait_at_once(registry, order):
    """The clock moves for all of them, and a cancelled wait is forgotten."""

    async def live() -> tuple[list[object], datetime]:
        async with Lab(registry=registry) as lab:
            lab.fake(charge, returns="r")
            runs = await asyncio.gather(lab.start(order, 1), lab.start(order, 2))
            abandoned = asyncio.ensure_future(lab.run("r_unknown").result())
            abandoned.cancel()
            return await asyncio.gather(*(run.result() for run in runs)), lab.now

    results, now = asyncio.run(live())
    assert results == [["r", 2], ["r", 4]]
    assert timedelta(days=3) <= now - FIRST < timedelta(days=3, seconds=1)


def test_two_labs_of_one_seed_have_the_same_history(registry, order):
    """Ids, instants and pauses between retries come from the lab's clock."""

    def live(seed: int) -> tuple[object, ...]:
        with Lab(registry=registry, seed=seed) as lab:
            lab.fake(charge, returns="r", raises=[TimeoutError, None])
            run = lab.start(order, 1)
            run.result()
            return run.id, lab.now, [step.ident for step in run.steps()]

    assert live(1) == live(1)
    assert live(1)[0] != live(2)[0]


def test_lab_has_only_its_own_secrets(registry, monkeypatch):
    """Those of the machine stay out of a test."""
    monkeypatch.setenv("MAINSPRING_SECRET_REAL", "production")

    def read(name: str) -> str:
        return ms.secret(name).reveal()[:3]

    @ms.workflow
    async def use(run: ms.Run, name: str) -> str:
        return await run.step(read, name)

    with Lab(registry=registry, secrets={"TOKEN": "for-tests-only"}) as lab:
        assert lab.start(use, "TOKEN").result() == "for"
        with pytest.raises(RunFailed, match="REAL"):
            lab.start(use, "REAL").result(within="2d")


def test_sleep_in_real_time_is_reported_with_its_line(registry):
    """Only that of steps, and only while a lab is open."""
    real_sleep = time.sleep

    def nap() -> None:
        time.sleep(0.001)

    async def nap_in_loop() -> None:
        time.sleep(0.002)

    @ms.workflow
    async def lazy(run: ms.Run) -> None:
        await run.step(nap)
        await run.step(nap_in_loop)

    with Lab(registry=registry) as lab:
        time.sleep(0.001)
        with pytest.warns(RealTimeWarning) as warned:
            lab.start(lazy).result()
    assert time.sleep is real_sleep
    assert [str(warning.message)[:17] for warning in warned] == ["time.sleep(0.001)", "time.sleep(0.002)"]
    assert {warning.filename for warning in warned} == {__file__}


ISOLATED = """
import os
import mainspring as ms

def find_process() -> int:
    return os.getpid()

@ms.workflow
async def isolated(run: ms.Run) -> int:
    return await run.options(timeout="10m").step(find_process)
"""


@pytest.mark.parametrize(("isolation", "is_child"), [("threads", False), ("real", True)])
def test_step_with_time_out_runs_in_a_process_only_if_isolation_is_real(tmp_path, isolation, is_child):
    """The result is the same otherwise."""
    file = tmp_path / f"isolated_{isolation}.py"
    file.write_text(ISOLATED)
    with Lab(file, isolation=isolation) as lab:
        assert (lab.start("isolated").result() != os.getpid()) is is_child


def test_unknown_isolation_is_an_error():
    """With those that there are."""
    with pytest.raises(OptionError, match="threads, real"):
        Lab(isolation="process")


@pytest.mark.parametrize("at", ["2026-01-01", datetime(2026, 1, 1), None])  # noqa: DTZ001 - that is the mistake
def test_first_instant_without_a_zone_is_an_error(registry, at):
    """A text too. The error says what to write."""
    with pytest.raises(OptionError, match=r"(?s)Lab\(at=.*tzinfo=UTC"):
        Lab(registry=registry, at=at)


def test_name_of_a_step_is_no_step_to_fake(registry):
    """The error says to write the function."""
    with Lab(registry=registry) as lab, pytest.raises(OptionError, match="Write the function itself"):
        lab.fake("charge")


def test_files_are_loaded_and_a_broken_one_is_an_error(tmp_path):
    """The error is that of the loader: place, problem and fix."""
    file = tmp_path / "jobs.py"
    file.write_text("import mainspring as ms\n\n@ms.task\ndef twice(n: int) -> int:\n    return n * 2\n")
    with Lab(file) as lab:
        assert lab.start("twice", n=4).result() == 8
    broken = tmp_path / "broken.py"
    broken.write_text("import mainspring as ms\n1 / 0\n")
    with pytest.raises(ConfigError, match=r"broken\.py:2"):
        Lab(broken)


@pytest.mark.asyncio
async def test_async_lab_works_in_the_loop_of_a_test(registry, order):
    """Two at once, too: each has its own clock."""
    async with Lab(registry=registry) as lab, Lab(registry=registry) as other:
        lab.fake(charge, returns="a")
        other.fake(charge, returns="b")
        run = await lab.start(order, 1)
        twin = await other.start(order, 2)
        await run.until("waiting")
        assert await run.result() == ["a", 2]
        assert other.now == FIRST
        assert await twin.result() == ["b", 4]
        handle = await lab.do(lambda app: app.start(order, 3))
        assert await lab.run(handle.id).result() == ["a", 6]


@pytest.mark.asyncio
async def test_blocking_lab_in_a_loop_is_refused(registry):
    """It would stop the test's loop."""
    with Lab(registry=registry) as lab, pytest.raises(ConflictError, match="async with Lab"):
        lab.advance("1h")


def test_unknown_run_is_an_error_and_the_lab_works_on(registry, order):
    """For each way to wait for it."""
    with Lab(registry=registry) as lab:
        lab.fake(charge, returns="r")
        unknown = lab.run("r_unknown")
        for use in (unknown.result, unknown.state, unknown.steps, lambda: unknown.until("waiting")):
            with pytest.raises(NotFoundError, match="r_unknown"):
                use()
        assert lab.start(order, 1).result() == ["r", 2]


def test_lab_whose_loop_fails_raises_the_error(registry, order):
    """No call waits forever for a thread that has ended."""
    with Lab(registry=registry) as lab:
        lab.fake(charge, returns="r")
        run = lab.start(order, 1)
        lab._lab._thread.loop.next_due_at = lambda: 1 // 0
        with pytest.raises(ZeroDivisionError):
            run.result()
        lab._lab._thread.loop.next_due_at = lambda: None
        assert run.result() == ["r", 2]


def test_closed_lab_is_an_error(registry, order):
    """And a lab that was never opened."""
    with Lab(registry=registry) as lab:
        run = lab.run("r_x")
    for use in (lambda: lab.advance("1h"), run.state, lambda: lab.start(order, 1)):
        with pytest.raises(LabError, match="not open"):
            use()


def test_many_labs_leave_nothing_behind(registry, order):
    """No thread, no folder, no open file, no object; the memory of a few labs stays with the allocator."""

    def count() -> tuple[int, int, int]:
        folders = len(list(Path("/dev/shm").glob(f"mainspring-lab-{os.getpid()}-*")))
        return threading.active_count(), folders, len(os.listdir("/proc/self/fd"))

    def live() -> None:
        with Lab(registry=registry) as lab:
            lab.fake(charge, returns="r")
            lab.start(order, 1).result()

    for _ in range(10):
        live()
    gc.collect()
    before, objects, memory = count(), len(gc.get_objects()), resident_bytes()
    for _ in range(30):
        live()
    gc.collect()
    assert count() == before
    assert len(gc.get_objects()) - objects < 500
    assert resident_bytes() - memory < 30_000_000


def test_days_of_twenty_schedules(registry):
    """Each slot has one run, also in the week in which the clocks go forward, and a healthy project has no incident."""
    holder = {}
    for number in range(20):

        def job(number: int = number) -> None:
            instants[number].append(holder["lab"].now)

        ms.task(name=f"job{number}", cron=f"{number % 60} */5 * * *", tz="Europe/Berlin")(job)
    instants: list[list[datetime]] = [[] for _ in range(20)]
    with Lab(registry=registry, at=datetime(2026, 3, 26, 23, tzinfo=UTC)) as lab:
        holder["lab"] = lab
        lab.advance("4d")
        assert lab.incidents() == []
        runs = lab.runs(state="succeeded")
        assert len(runs) == len({run.id for run in runs}) == sum(map(len, instants))
    berlin = ZoneInfo("Europe/Berlin")
    for number, found in enumerate(instants):
        hours = [(instant.astimezone(berlin).day, instant.astimezone(berlin).hour) for instant in found]
        assert {hour for _, hour in hours} == {0, 5, 10, 15, 20}
        assert len(found) == len(set(found)) in (20, 21)  # of four days less an hour
        assert {instant.minute for instant in found} == {number}


PROJECT_TEST = """
import pytest

pytestmark = pytest.mark.mainspring("jobs.py", secrets={"KEY": "k"})

def test_plain(lab):
    assert lab.start("sleepy", n=4).result() == 8

@pytest.mark.anyio
async def test_async(lab):
    run = await lab.start("sleepy", n=4)
    assert await run.result() == 8
"""


def test_plugin_gives_a_lab_to_each_kind_of_test(tmp_path):
    """The fixture needs no import, and the marker names the files."""
    (tmp_path / "jobs.py").write_text(
        "import asyncio\nimport mainspring as ms\n\n@ms.workflow\nasync def sleepy(run: ms.Run, n: int) -> int:\n"
        "    await asyncio.sleep(86400)\n    return n * 2\n"
    )
    (tmp_path / "test_jobs.py").write_text(PROJECT_TEST)
    (tmp_path / "conftest.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--strict-markers"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
