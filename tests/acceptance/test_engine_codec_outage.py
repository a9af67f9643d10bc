"""A codec whose key service does not answer for a while: runs wait and continue by themselves, and nothing is done twice."""

import asyncio

import pytest

import mainspring as ms
from mainspring.domain.errors import CodecUnavailableError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.store.read.status.status import sessions
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, World

pytestmark = pytest.mark.asyncio
OUTAGES = [ConnectionError("refused"), TimeoutError(), OSError("the key service is away")]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("lent_store")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("mainspring.engine.worker.codec_outage._FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("mainspring.engine.worker.codec_outage._MAX_PAUSE_S", 0.02)


class KeyService:
    """A codec; while `fault` is set each call raises it, while `decode_fault` is set those that open a value."""

    id = "kms"

    def __init__(self):
        self.fault = self.decode_fault = None
        self.calls = 0

    def encode(self, data):
        return self._turn(data, self.fault)

    def decode(self, data):
        return self._turn(data, self.fault or self.decode_fault)

    def _turn(self, data, fault):
        self.calls += 1
        if fault is not None:
            raise fault
        return bytes(byte ^ 0x5A for byte in data)


def findings(engine):
    return [finding for session in sessions(engine.working.store.reader) for finding in session.findings]


async def until_waiting_for_codec(engine):
    """Return what the worker has on record of the outage."""
    return await engine.when(lambda: findings(engine), bool)


@pytest.mark.parametrize("fault", OUTAGES, ids=lambda fault: type(fault).__name__)
async def test_a_step_result_waits_for_the_codec_and_is_saved(place, fault):
    """The step has had its effect: its result stays in memory, in order with that of the other branch, until it can be sealed."""
    service, effects = KeyService(), []
    with Registry() as registry:

        def charge(number: int) -> int:
            effects.append(number)
            service.fault = fault
            return number + 1

        def mail(number: int) -> int:
            effects.append(number)
            return number + 1

        @ms.workflow
        async def order(run: ms.Run) -> int:
            run.tag(customer="ana")
            first, second = await asyncio.gather(run.step(charge, 1), run.step(mail, 10))
            run.publish_state({"paid": first})
            return await run.step(mail, first + second)

    async with World(place).engine(registry, codec=service) as engine:
        handle = await engine.start(order)
        (found,) = await until_waiting_for_codec(engine)
        assert (found.name, "codec 'kms' could not" in found.why) == ("kms", True)
        assert engine.view(handle).state is RunState.RUNNING
        service.fault = None
        assert await handle.result() == 14
        assert sorted(effects) == [1, 10, 13]
        await engine.when(lambda: findings(engine), lambda found: not found)


async def test_a_run_of_one_step_waits_for_the_codec_with_its_end(place):
    """It has no body, and its result is its end."""
    service, effects = KeyService(), []
    with Registry() as registry:

        @ms.task
        def sync() -> int:
            effects.append(1)
            service.fault = ConnectionError("refused")
            return 7

    async with World(place).engine(registry, codec=service) as engine:
        handle = await engine.start(sync)
        await until_waiting_for_codec(engine)
        service.fault = None
        assert (await handle.result(), effects) == (7, [1])


async def test_a_replay_waits_for_the_codec(place):
    """A signal wakes a run that is not in memory: neither its history nor the signal can be opened. Nothing is done again."""
    service, effects = KeyService(), []
    with Registry() as registry:

        def charge(number: int) -> int:
            effects.append(number)
            return number + 1

        @ms.workflow
        async def order(run: ms.Run) -> int:
            first = await run.step(charge, 1)
            more = await run.receive("more", int)
            return await run.step(charge, first + more)

    async with World(place).engine(registry, REPLAYING, codec=service) as engine:
        handle = await engine.start(order)
        await engine.until(handle, RunState.WAITING)
        service.decode_fault = TimeoutError()
        await engine.app.signal(handle.id, "more", 5)
        await until_waiting_for_codec(engine)
        assert effects == [1]
        calls = service.calls
        service.decode_fault = None
        assert (await handle.result(), effects) == (8, [1, 7])
        assert calls < 200


@pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING], ids=["suspended", "replayed"])
async def test_a_signal_that_cannot_be_opened_is_accepted_later(place, settings):
    """Also by a run that is in memory; the wait does not expire with its time meanwhile, for the signal came in time."""
    service = KeyService()
    with Registry() as registry:

        @ms.workflow
        async def order(run: ms.Run) -> str:
            try:
                return await run.receive("more", str, within="1s")
            except TimeoutError:
                return "expired"

    async with World(place).engine(registry, settings, codec=service) as engine:
        handle = await engine.start(order)
        await engine.until(handle, RunState.WAITING)
        service.decode_fault = OSError("away")
        await engine.app.signal(handle.id, "more", "five")
        found = await until_waiting_for_codec(engine)
        await engine.when(lambda: engine.app.clock.now(), lambda now: now > found[0].since_at + 1_500)
        assert engine.view(handle).state in {RunState.RUNNING, RunState.WAITING, RunState.QUEUED}
        service.decode_fault = None
        assert await handle.result() == "five"


async def test_a_start_reports_that_the_codec_does_not_answer_and_stores_nothing(place):
    """The caller can try again."""
    service = KeyService()
    with Registry() as registry:

        @ms.task
        def sync(number: int) -> int:
            return number

    async with World(place).engine(registry, codec=service) as engine:
        service.fault = ConnectionError("refused")
        with pytest.raises(CodecUnavailableError, match="could not seal a value: ConnectionError"):
            await engine.start(sync, 1)
        service.fault = None
        handle = await engine.start(sync, 1)
        assert await handle.result() == 1


async def test_a_wrong_key_needs_a_person_as_before(place):
    """No waiting helps it; once the key is right, a retry continues the run."""
    service, effects = KeyService(), []
    with Registry() as registry:

        def charge(number: int) -> int:
            effects.append(number)
            return number

        @ms.workflow
        async def order(run: ms.Run) -> int:
            first = await run.step(charge, 1)
            return first + await run.receive("more", int)

    async with World(place).engine(registry, REPLAYING, codec=service) as engine:
        handle = await engine.start(order)
        await engine.until(handle, RunState.WAITING)
        service.decode_fault = ValueError("wrong key")
        await engine.app.signal(handle.id, "more", 5)
        view = await engine.until(handle, RunState.NEEDS_ATTENTION)
        assert view.failure.code == "sealed"
        assert findings(engine) == []
        service.decode_fault = None
        await engine.app.retry(handle.id)
        assert (await handle.result(), effects) == (6, [1])


async def test_a_worker_that_drains_gives_back_what_it_cannot_open(place):
    """Another one takes it, whose codec answers."""
    here, there = KeyService(), KeyService()
    with Registry() as registry:

        @ms.workflow
        async def order(run: ms.Run) -> int:
            return await run.receive("more", int)

    world = World(place)
    async with world.engine(registry, REPLAYING, codec=here) as engine:
        handle = await engine.start(order)
        await engine.until(handle, RunState.WAITING)
        here.decode_fault = ConnectionError("refused")
        await engine.app.signal(handle.id, "more", 5)
        await until_waiting_for_codec(engine)
    async with world.engine(registry, codec=there) as other:
        view = await other.until(handle, RunState.SUCCEEDED)
        assert view.crashes == 0, "it was taken for lost"


async def test_a_drain_ends_with_the_run_that_it_cannot_open(place, monkeypatch):
    """Its history is read while the worker drains: nothing is left to wait for once it is given back."""
    service, held, idle = KeyService(), [], asyncio.Event()
    with Registry() as registry:

        @ms.workflow
        async def order(run: ms.Run) -> int:
            return await run.receive("more", int)

    async with World(place).engine(registry, REPLAYING, codec=service) as engine:
        handle = await engine.start(order)
        await engine.until(handle, RunState.WAITING)
        worker = engine.working.worker
        monkeypatch.setattr(worker._histories, "_off_loop", lambda *read: held.append(read))
        await engine.app.signal(handle.id, "more", 5)
        await engine.when(lambda: held, bool)
        service.decode_fault = ConnectionError("refused")
        worker.on_idle = idle.set
        worker.drain()
        worker.off_loop(*held[0])
        await asyncio.wait_for(idle.wait(), 10)
        await engine.until(handle, RunState.WAITING, RunState.QUEUED)


async def test_a_cancel_during_the_outage_stops_a_run_that_could_not_be_opened(place):
    """The worker reads the fact while the run is not loaded: it is not forgotten until then."""
    service = KeyService()
    with Registry() as registry:

        async def last() -> None:
            await asyncio.Event().wait()

        @ms.workflow
        async def order(run: ms.Run) -> None:
            await run.receive("more", int)
            await run.step(last)

    async with World(place).engine(registry, REPLAYING, codec=service) as engine:
        handle = await engine.start(order)
        await engine.until(handle, RunState.WAITING)
        service.decode_fault = ConnectionError("refused")
        await engine.app.signal(handle.id, "more", 5)
        await until_waiting_for_codec(engine)
        reads = engine.working.worker._inboxes
        await engine.app.cancel(handle.id, reason="a mistake")
        await engine.when(lambda: reads._missed, bool)
        service.decode_fault = None
        await engine.until(handle, RunState.CANCELLED)


async def test_children_questions_and_checkpoints_wait_for_the_codec(place):
    """Whatever a command carries: the input of a child, a question, what a body says of itself, the words of a failure."""
    service = KeyService()
    with Registry() as registry:

        def fails(number: int) -> int:
            raise ms.Permanent("no such customer")

        def store_number(number: int) -> int:
            ms.checkpoint({"number": number})
            return number

        @ms.workflow
        async def ship(run: ms.Run, number: int) -> int:
            return await run.step(store_number, number)

        @ms.workflow
        async def order(run: ms.Run) -> int:
            run.tag(customer="ana")
            service.fault = TimeoutError()
            child = asyncio.create_task(run.child(ship, 5))
            try:
                await run.step(fails, 1)
            except ms.StepFailed as error:
                run.publish_state(str(error))
            if await run.ask("Send it?", choices=["yes", "no"]) == "no":
                return 0
            return await child

    async with World(place).engine(registry, AT_ONCE, codec=service) as engine:
        handle = await engine.start(order)
        await until_waiting_for_codec(engine)
        service.fault = None
        await engine.when(lambda: engine.history(handle).waits, bool)
        await engine.app.answer(handle.id, "yes")
        assert await handle.result() == 5
        stored = engine.working.store.reader.read_text("select input from runs")
        assert all(value.startswith(b"\x00kms\x00") for (value,) in stored)
