"""A task that succeeds at once is over with one commit; whatever else happens to it, no one can tell that it had begun without a body."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.ids import make_idempotency_key
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import AttemptState, OutcomeState, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.store.commands.automations import SetQueue
from mainspring.testing import FakeClock
from tests.acceptance.engine_world import Engine, World
from tests.acceptance.sealing_codec import FailingCodec

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["file", "server"])
def place(request, tmp_path):
    """Where the store is: all of this holds for both databases."""
    return tmp_path if request.param == "file" else request.getfixturevalue("lent_store")


class Sent:
    """The commands that an engine sends."""

    def __init__(self, engine: Engine) -> None:
        self.names: Counter[str] = Counter()
        store = engine.working.store
        submit = store.submit

        def note(command: Any, on_done: Any) -> None:
            self.names[type(command).__name__] += 1
            submit(command, on_done)

        store.submit = note  # type: ignore[method-assign]


async def test_start_waits_for_no_claim_that_finds_nothing(place):
    """One start after the other: each run is claimed once, and its end claims nothing, so that the next start is committed at once."""
    with Registry() as registry:

        @ms.task
        async def double(n: int) -> int:
            return n * 2

    async with World(place).engine(registry) as engine:
        assert await (await engine.start(double, 1)).result() == 2
        sent = Sent(engine)
        for n in range(20):
            assert await (await engine.start(double, n)).result() == n * 2
        # Each heartbeat claims as well, and on a server each hint of another connection.
        assert sent.names["ClaimRuns"] - sent.names["RecordHeartbeat"] <= 30


async def test_end_of_a_run_frees_capacity_in_its_queue(place):
    """A queue that runs one at a time continues at once from one run to the next."""
    with Registry() as registry:

        @ms.task(queue="narrow")
        async def double(n: int) -> int:
            return n * 2

    async with World(place).engine(registry) as engine:
        engine.working.store.apply(SetQueue("narrow", concurrency=1))
        sent = Sent(engine)
        runs = [await engine.start(double, n) for n in range(20)]
        assert [await run.result() for run in runs] == [n * 2 for n in range(20)]
        assert sent.names["RecordHeartbeat"] < 20, "each waited for a heartbeat"


async def test_suspended_run_continues_when_it_is_due(place):
    """The worker that suspended it knows the instant, and waits for no heartbeat."""
    with Registry() as registry:

        @ms.workflow
        async def nap(run: ms.Run) -> int:
            for _ in range(8):
                await asyncio.sleep(0.05)
            return 8

    async with World(place).engine(registry, settings=WorkerOptions(suspend_after_ms=10)) as engine:
        sent = Sent(engine)
        assert await (await engine.start(nap)).result() == 8
        assert sent.names["SuspendRun"] >= 4, "a nap that is nearly over when it is saved goes on without"
        assert sent.names["RecordHeartbeat"] < 4, "it waited for heartbeats"


async def test_success_is_one_commit_and_reads_like_any_other(place):
    """Claim and completion are all that is sent; the journal has the step under its identity and key."""
    keys: list[str] = []
    with Registry() as registry:

        @ms.task
        async def double(n: int = 2) -> int:
            keys.append(ms.idempotency_key())
            return n * 2

    async with World(place).engine(registry) as engine:
        sent = Sent(engine)
        run = await engine.start(double)
        assert await run.result() == 4
        assert sent.names["CompleteRun"] == 1
        assert not sent.names.keys() & {"SaveOutcome", "SaveAttempt", "FinishRun"}
        (outcome,) = engine.history(run).outcomes
        assert (await engine.until(run, RunState.SUCCEEDED)).output_size == 1
    assert (outcome.ident, outcome.kind, outcome.state) == ("double#1", OutcomeKind.STEP, OutcomeState.SUCCEEDED)
    assert (outcome.input, outcome.output, outcome.rank) == (b'{"n":2}', b"4", 1)
    assert keys == [make_idempotency_key(run.id, "double#1", 0)]


async def test_failed_attempt_is_followed_by_the_next_one(place):
    """The first failure is on record, the second attempt has its number and the same key."""
    seen: list[tuple[int, str]] = []
    with Registry() as registry:

        @ms.task(retry=ms.Retry(attempts=2, initial="1ms"))
        async def flaky() -> str:
            seen.append((ms.attempt(), ms.idempotency_key()))
            if len(seen) == 1:
                raise ms.Transient("not yet")
            return "done"

    async with World(place).engine(registry) as engine:
        run = await engine.start(flaky)
        assert await run.result() == "done"
        history = engine.history(run)
    assert [number for number, _ in seen] == [1, 2]
    assert len({key for _, key in seen}) == 1
    assert [(a.attempt, a.state) for a in history.attempts] == [(1, AttemptState.FAILED)]
    assert [o.attempt for o in history.outcomes] == [2]


async def test_permanent_failure_ends_the_run(place):
    """Without a retry, and with its reason."""
    with Registry() as registry:

        @ms.task
        async def refuses() -> None:
            raise ms.Permanent("no such account")

    async with World(place).engine(registry) as engine:
        run = await engine.start(refuses)
        view = await engine.until(run, RunState.FAILED)
    assert view.failure is not None
    assert "no such account" in view.failure.message


async def test_result_that_cannot_be_saved_needs_a_person(place):
    """The effect was done: nothing is repeated for it."""
    calls: list[int] = []
    with Registry() as registry:

        @ms.task
        async def odd() -> Any:
            calls.append(1)
            return object()

    async with World(place).engine(registry) as engine:
        run = await engine.start(odd)
        await engine.until(run, RunState.NEEDS_ATTENTION)
        assert [o.state for o in engine.history(run).outcomes] == [OutcomeState.REFUSED]
    assert calls == [1]


async def test_cancel_reaches_an_attempt_that_is_under_way(place):
    """A fact makes it an ordinary run: its attempt is stopped, and the run ends cancelled."""
    started, stopped = asyncio.Event(), asyncio.Event()
    with Registry() as registry:

        @ms.task
        async def waits() -> None:
            started.set()
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                stopped.set()
                raise

    async with World(place).engine(registry) as engine:
        run = await engine.start(waits)
        await started.wait()
        await engine.app.cancel(run.id, "not needed")
        await engine.until(run, RunState.CANCELLED)
        assert await asyncio.wait_for(
            stopped.wait(), 60
        )  # the end of the run is committed while the code of the attempt ends


async def test_checkpoint_progress_and_success_after_them(place):
    """What tells of itself is marked, saved and ended like any other step; the end is not lost on the way."""
    with Registry() as registry:

        @ms.task
        async def reports_itself() -> int:
            ms.progress(1, 2)
            await ms.checkpoint({"row": 7})
            return 7

    async with World(place).engine(registry) as engine:
        sent = Sent(engine)
        run = await engine.start(reports_itself)
        assert await run.result() == 7
        assert sent.names["SaveCheckpoint"] == 2
        assert sent.names["CompleteRun"] == 0
        assert [o.output for o in engine.history(run).outcomes] == [b"7"]


async def test_long_attempt_gets_its_start_mark(tmp_path):
    """After a second it is on record as begun, and its end is taken all the same."""
    clock, go_on = FakeClock(), asyncio.Event()
    with Registry() as registry:

        @ms.task
        async def slow_step() -> str:
            await go_on.wait()
            return "done"

    async with World(tmp_path, clock).engine(registry) as engine:
        run = await engine.start(slow_step)
        await engine.when(lambda: len(engine.working.worker._fast_path_runs), lambda count: count == 1)
        clock.advance(timedelta(seconds=2))
        attempts = await engine.when(lambda: engine.history(run).attempts, lambda found: found)
        assert [(a.ident, a.state) for a in attempts] == [("slow_step#1", AttemptState.STARTED)]
        go_on.set()
        assert await run.result() == "done"
        assert engine.history(run).attempts == []


async def test_worker_that_drains_waits_for_what_is_under_way(place):
    """Its end is saved, and nothing of it is done again."""
    calls, started, go_on = [], asyncio.Event(), asyncio.Event()
    with Registry() as registry:

        @ms.task
        async def slow() -> str:
            calls.append(1)
            started.set()
            await go_on.wait()
            return "done"

    world = World(place)
    async with world.engine(registry) as engine:
        run = await engine.start(slow)
        await started.wait()
        closing = asyncio.create_task(engine.working.close(drain=30))
        await asyncio.sleep(0)
        go_on.set()
        await closing
    async with world.engine(registry) as engine:
        assert engine.view(run).result == b'"done"'
    assert calls == [1]


async def test_attempt_that_does_not_end_while_draining_is_done_again_elsewhere(place):
    """The run is given back unharmed when the time to drain is over."""
    calls: list[int] = []
    with Registry() as registry:

        @ms.task
        async def stuck() -> str:
            calls.append(ms.attempt())
            if len(calls) == 1:
                await asyncio.sleep(3600)
            return "done"

    world = World(place)
    async with world.engine(registry) as engine:
        run = await engine.start(stuck)
        await engine.when(lambda: calls, bool)
        await engine.working.close(drain=0.05)
    async with world.engine(registry) as engine:
        await engine.until(run, RunState.SUCCEEDED)
    assert calls[0] == 1
    assert len(calls) == 2


async def test_run_whose_worker_died_is_done_again_under_the_same_key(place):
    """Nothing of it was on record; anyone who continues begins it as the same step."""
    keys: list[str] = []
    with Registry() as registry:

        @ms.task
        async def effect() -> str:
            keys.append(ms.idempotency_key())
            if len(keys) == 1:
                await asyncio.sleep(3600)
            return "done"

    world = World(place)
    async with world.engine(registry) as engine:
        run = await engine.start(effect)
        await engine.when(lambda: keys, bool)
        dead = engine.working.store.session
        await engine.die()
    async with world.engine(registry) as engine:
        assert dead is not None
        await world.declare_dead(engine, dead)
        await engine.until(run, RunState.SUCCEEDED)
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_capacity_is_free_once_the_work_is_done(place):
    """Ends that wait for their commit hold up no other run, and never more run at once than may."""
    most = running = 0
    with Registry() as registry:

        @ms.task
        async def work(n: int) -> int:
            nonlocal most, running
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            return n

    async with World(place).engine(registry, WorkerOptions(concurrency=4)) as engine:
        runs = [await engine.start(work, n) for n in range(40)]
        assert [await run.result() for run in runs] == list(range(40))
        assert engine.working.worker.active == 0
        assert engine.working.worker._fast_path_runs.over_count == 0
    assert most <= 4


async def test_end_that_was_refused_lets_the_run_go(place):
    """Another process owns it by then: nothing is written, and the worker forgets it."""
    go_on = asyncio.Event()
    with Registry() as registry:

        @ms.task
        async def slow() -> str:
            await go_on.wait()
            return "done"

    async with World(place).engine(registry) as engine:
        run = await engine.start(slow)
        fast_path_runs = engine.working.worker._fast_path_runs
        await engine.when(lambda: len(fast_path_runs), lambda count: count == 1)
        (fast_path_run,) = fast_path_runs._runs.values()
        fast_path_run.run = msgspec.structs.replace(fast_path_run.run, claim=7)
        go_on.set()
        await engine.when(lambda: engine.working.worker.active, lambda count: count == 0)
        assert engine.view(run).state is RunState.RUNNING
        assert engine.history(run).outcomes == []


@pytest.mark.parametrize("method", ["fails once", "tells of itself", "takes long"])
async def test_changed_arguments_stay_with_their_attempt(place, method):
    """The journal, the next attempt and a body that asks for the step later have what the run was started with."""
    seen: list[list[Any]] = []
    with Registry() as registry:

        @ms.task(retry=ms.Retry(attempts=3, initial="1ms"))
        async def work(rows: list[Any]) -> int:
            seen.append(list(rows))
            rows.append(object())  # nothing that could be saved
            if method == "fails once" and len(seen) == 1:
                raise ms.Transient("not yet")
            if method == "tells of itself":
                ms.progress(1, 2)
            await asyncio.sleep(0.7 if method == "takes long" else 0)
            return len(rows)

    async with World(place).engine(registry) as engine:
        run = await engine.start(work, [1])
        assert await run.result() == 2
        assert [(o.input, o.output) for o in engine.history(run).outcomes] == [(b'{"rows":[1]}', b"2")]
    assert all(rows == [1] for rows in seen)


async def test_end_that_cannot_be_sealed_needs_a_person(place):
    """It does not stay for ever as a run that is nearly over."""
    codec = FailingCodec()
    with Registry() as registry:

        @ms.task
        async def work() -> int:
            codec.fails = True
            return 1

    async with World(place).engine(registry, codec=codec) as engine:
        run = await engine.start(work)
        await engine.when(lambda: engine.working.worker.active, lambda count: count == 0)
        codec.fails = False
        await engine.until(run, RunState.NEEDS_ATTENTION)
        assert engine.working.worker.free_slots == engine.working.worker.settings.concurrency


@pytest.mark.parametrize(
    ("options", "marks"),
    [
        ({"delivery": "at_most_once"}, 1),
        ({"deadline": "1h"}, 0),
        ({"produces": "{folder}/*.made"}, 0),
    ],
)
async def test_shared_context_uses_the_slow_path(place, tmp_path, options, marks):
    """A start mark before the effect, a deadline and a promise are looked after as ever."""
    (tmp_path / "out").mkdir()
    with Registry() as registry:

        @ms.task(**options)
        async def work(folder: str) -> int:
            (tmp_path / "out" / "a.made").write_text("here")
            return 1

    async with World(place).engine(registry) as engine:
        sent = Sent(engine)
        run = await engine.start(work, str(tmp_path / "out"))
        assert await run.result() == 1
        view = await engine.until(run, RunState.SUCCEEDED)
    assert view.output_size == (4 if "produces" in options else 1)
    assert sent.names["CompleteRun"] == 0
    assert sent.names["SaveAttempt"] == marks


async def test_run_with_a_fact_goes_the_long_way(place):
    """A cancel that came before anyone claimed it is accepted."""
    calls: list[int] = []
    with Registry() as registry:

        @ms.task
        async def work() -> int:
            calls.append(1)
            return 1

    world = World(place)
    async with world.engine(registry, WorkerOptions(concurrency=1)) as engine:
        sent = Sent(engine)
        claims = engine.working.worker.claimer
        while claims._is_scheduled or claims._open_claims:  # one that was sent before may still take the run
            await asyncio.sleep(0)
        claims.request_claim = lambda **_: None  # type: ignore[method-assign]
        run = await engine.start(work)
        await engine.app.signal(run.id, "hello", 1)
        del claims.request_claim
        engine.working.worker.request_claim()
        assert await run.result() == 1
        assert sent.names["CompleteRun"] == 0
    assert calls == [1]


@pytest.mark.parametrize("settings", [WorkerOptions(probation=True)])
async def test_no_run_on_probation_uses_the_fast_path(place, settings):
    """There an outcome clears a run of suspicion before its end."""
    with Registry() as registry:

        @ms.task
        async def work() -> int:
            return 1

    async with World(place).engine(registry, settings) as engine:
        assert not engine.working.worker.fast_path_allowed
        engine.working.worker.settings = WorkerOptions()
        assert engine.working.worker.fast_path_allowed
        engine.working.worker.crash_after = ("work", "work")
        assert not engine.working.worker.fast_path_allowed
        engine.working.worker.crash_after = None
        engine.working.worker.draining = True
        assert not engine.working.worker.fast_path_allowed
        engine.working.worker.draining = False
