"""A signal or event of the wrong type: refused where its sender is, else kept for a person while the run waits on. On both databases."""

from datetime import timedelta

import msgspec
import pytest

import mainspring as ms
from mainspring.alerting.inputs.facts import FactsReader
from mainspring.domain.errors import ConflictError, ValueRefusedError
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.inputs import RejectedMessage
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.insight.runs.stored_explanation import explain_run
from mainspring.service.runs import run, run_recovery, signal
from mainspring.store.commands.inbox import DeliverFact
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import REPLAYING, World
from tests.service_calls import call_service

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.parametrize("settings", [None, REPLAYING], ids=["suspended", "replayed"]),
]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("lent_store")


class Approval(msgspec.Struct):
    """What one version of the code reads."""

    ok: bool


class Wide(msgspec.Struct):
    """What a later version of the code reads."""

    ok: bool | str


def explain(engine, handle):
    history = engine.history(handle)
    return explain_run(engine.working.store.reader, history, engine.app.clock.now(), "UTC")


def rejected(engine, handle):
    return [(fact.kind.value, fact.name) for fact in engine.history(handle).rejected]


async def ask_by_helper(run_handle, name="approve", kind=Approval, **more):
    """Wait out of sight: from the text of the workflow no one can tell what it reads."""
    return await run_handle.receive(name, kind, **more)


async def test_signal_of_a_wrong_type_is_refused_at_its_sender(place, settings):
    """The type stands in the workflow's text, so it is known before the run waits; the sender hears what does not fit, and where."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> bool:
            await run.receive("go")
            return (await run.receive("approve", Approval)).ok

    async with World(place).engine(registry, settings) as engine:
        handle = await engine.start(work)
        with pytest.raises(
            ValueRefusedError, match=r"signal approve .*expected boolean \(true or false\), got \"yes\"\nat \$.ok"
        ):
            await engine.app.signal(handle.id, "approve", {"ok": "yes"})
        await engine.app.signal(handle.id, "go")
        await engine.app.signal(handle.id, "approve", {"ok": True})
        assert await handle.result(60) is True


async def test_signal_of_a_wrong_type_is_refused_by_what_the_waiting_run_recorded(place, settings):
    """Where the text does not tell, a run that waits does, as long as the process lives whose code it was."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> bool:
            return (await ask_by_helper(run)).ok

    world = World(place)
    async with world.engine(registry, settings) as engine:
        handle = await engine.start(work)
        await engine.until(handle, RunState.WAITING)
        with pytest.raises(ValueRefusedError, match="expected boolean"):
            await engine.app.signal(handle.id, "approve", {"ok": "yes"})
    async with world.engine(Registry(), settings) as engine:
        await engine.app.signal(handle.id, "approve", {"ok": "yes"})
        assert [fact.name for fact in engine.history(handle).facts] == ["approve"]


async def test_signal_that_cannot_be_read_is_rejected_and_the_run_waits_on(place, settings):
    """It is on the run with the reason and is an incident; the command that is suggested works, and the right one after it is accepted."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> bool:
            await run.receive("go")
            return (await ask_by_helper(run)).ok

    async with World(place).engine(registry, settings) as engine:
        handle = await engine.start(work)
        await engine.app.signal(handle.id, "approve", {"ok": "yes"})
        await engine.app.signal(handle.id, "go")
        await engine.when(lambda: rejected(engine, handle), lambda found: found == [("signal", "approve")])
        view = await engine.until(handle, RunState.WAITING)
        assert view.failure is None
        explanation = explain(engine, handle)
        assert any(
            "It rejected signal approve" in line and "Expected `bool`, got `str`" in line for line in explanation.what
        )
        assert f"mainspring runs signal {handle.id} approve JSON" in [
            operation.command for operation in explanation.can
        ]
        await engine.app.signal(handle.id, "approve", {"ok": True})
        assert await handle.result(60) is True


async def test_rejected_signal_is_an_incident_until_a_person_decides(place, settings):
    """The monitor finds the run; discarding what it rejected ends that, and there is nothing to discard any more."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> bool:
            await run.receive("go")
            return (await ask_by_helper(run)).ok

    async with World(place).engine(registry, settings) as engine:

        def found():
            facts = FactsReader(engine.working.store.reader).read(engine.app.clock.now())
            return [fact for automation in facts.automations for fact in automation.rejected]

        handle = await engine.start(work)
        await engine.app.signal(handle.id, "approve", [])
        await engine.app.signal(handle.id, "go")
        (fact,) = await engine.when(found, bool)
        assert fact == RejectedMessage(handle.id, "signal", "approve", fact.at)
        assert (
            await call_service(engine.app, lambda store, act: signal.discard_rejected(store, handle.id, act=act)) == 1
        )
        assert found() == []
        with pytest.raises(ConflictError, match="has rejected no signal"):
            await call_service(engine.app, lambda store, act: signal.discard_rejected(store, handle.id, act=act))
        await engine.app.signal(handle.id, "approve", {"ok": False})
        assert await handle.result(60) is False
    assert IncidentKind.REJECTED_MESSAGE == "rejected_message"


async def test_retry_reads_again_what_was_rejected(place, settings):
    """With today's code the old message is what the run waited for; with yesterday's it is rejected once more, and nothing is lost."""

    def registry_with(kind):
        with Registry() as registry:

            @ms.workflow
            async def work(run: ms.Run) -> object:
                await run.receive("go")
                return (await ask_by_helper(run, kind=kind)).ok

        return registry, work

    world = World(place)
    registry, work = registry_with(Approval)
    async with world.engine(registry, settings) as engine:
        handle = await engine.start(work)
        await engine.app.signal(handle.id, "approve", {"ok": "yes"})
        await engine.app.signal(handle.id, "go")
        for _ in range(2):
            (before,) = await engine.when(lambda: engine.history(handle).rejected, bool)
            await engine.until(handle, RunState.WAITING)
            await call_service(engine.app, lambda store, act: run.retry(store, handle.id, act=act))
            last = before.seq
            await engine.when(
                lambda: [fact.seq for fact in engine.history(handle).rejected], lambda now, last=last: now > [last]
            )
    registry, _ = registry_with(Wide)
    async with world.engine(registry, settings) as engine:
        await call_service(engine.app, lambda store, act: run.retry(store, handle.id, act=act))
        view = await engine.until(handle.id, RunState.SUCCEEDED)
        assert view.result == b'"yes"'
        assert rejected(engine, handle) == []


async def test_within_runs_on_while_a_bad_signal_is_rejected(tmp_path, settings):
    """The wait ends at the time that it had, and the code catches it."""
    clock = FakeClock()
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            await run.receive("go")
            try:
                await ask_by_helper(run, within="1h")
            except TimeoutError:
                return "late"
            return "in time"

    async with World(tmp_path, clock).engine(registry, settings) as engine:
        handle = await engine.start(work)
        await engine.app.signal(handle.id, "go")
        await engine.when(lambda: engine.view(handle).waiting_for or b"", lambda waits: b"approve" in waits)
        await engine.pass_time(timedelta(minutes=59))
        await call_service(engine.app, lambda store, act: store.apply(_unchecked(handle.id, act)))
        await engine.when(lambda: rejected(engine, handle), bool)
        await engine.until(handle, RunState.WAITING)
        await engine.pass_time(timedelta(minutes=1))
        assert (await engine.until(handle, RunState.SUCCEEDED)).result == b'"late"'


def _unchecked(run_id, act):
    """Return a message as one that is sent before anything is known of the run's code."""
    return DeliverFact(run_id, FactKind.SIGNAL, "approve", act.command, payload=b'{"ok":"no"}')


async def test_event_that_no_waiting_run_can_read_is_refused_at_its_publisher(place, settings):
    """Nothing is stored: the same key published with data that fits is the first of it."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> bool:
            return (await run.event("approved", type=Approval)).ok

    async with World(place).engine(registry, settings) as engine:
        handle = await engine.start(work)
        await engine.until(handle, RunState.WAITING)
        with pytest.raises(
            ValueRefusedError, match=r"event:approved .*expected boolean \(true or false\), got 3.*\nat \$.ok"
        ):
            await engine.app.publish("approved", {"ok": 3}, key="k")
        assert await engine.app.publish("approved", {"ok": True}, key="k") == 1
        assert await handle.result(60) is True


async def test_event_that_one_run_can_read_and_another_cannot_is_rejected_by_that_one(place, settings):
    """Who can read it continues; the other keeps waiting, and the next event is its own."""
    with Registry() as registry:

        @ms.workflow
        async def strict(run: ms.Run) -> bool:
            return (await run.event("approved", type=Approval)).ok

        @ms.workflow
        async def loose(run: ms.Run) -> object:
            return (await run.event("approved")).ok

    async with World(place).engine(registry, settings) as engine:
        first, second = await engine.start(strict), await engine.start(loose)
        await engine.until(first, RunState.WAITING)
        await engine.until(second, RunState.WAITING)
        assert await engine.app.publish("approved", {"ok": "yes"}) == 2
        assert await second.result(60) == "yes"
        await engine.when(lambda: rejected(engine, first), lambda found: found == [("event", "approved")])
        await engine.until(first, RunState.WAITING)
        assert await engine.app.publish("approved", {"ok": True}) == 1
        assert await first.result(60) is True


async def test_event_kept_behind_one_that_was_rejected_is_given_at_once(place, settings):
    """Two were published before the wait: the bad one is rejected, the good one behind it is what the run continues with."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> bool:
            await run.receive("go")
            return (await run.event("approved", type=Approval)).ok

    async with World(place).engine(registry, settings) as engine:
        handle = await engine.start(work)
        await engine.app.publish("approved", {"ok": "yes"})
        await engine.app.publish("approved", {"ok": True})
        await engine.app.signal(handle.id, "go")
        assert await handle.result(60) is True


async def test_fact_accepted_that_todays_type_cannot_read_is_drift(place, settings):
    """The run stops with what it was, not as a fault of the workflow; it continues when the type reads it, or with another one."""

    def registry_with(kind):
        with Registry() as registry:

            @ms.workflow
            async def work(run: ms.Run) -> list:
                first = await run.receive("n", kind)
                await run.receive("go")
                return [first]

        return registry, work

    world = World(place)
    registry, work = registry_with(int)
    async with world.engine(registry, settings) as engine:
        handle = await engine.start(work)
        other = await engine.start(work)
        for called in (handle, other):
            await engine.app.signal(called.id, "n", 7)
            await engine.when(lambda run=called: len(engine.history(run).outcomes), lambda n: n == 1)
            await engine.until(called, RunState.WAITING)
    registry, _ = registry_with(bool)
    async with world.engine(registry, settings) as engine:
        for called in (handle, other):
            await engine.app.signal(called.id, "go")
            view = await engine.until(called, RunState.NEEDS_ATTENTION)
            assert view.reason == FailureReason.DRIFT
            assert "the current code cannot read the saved signal 'n'" in view.failure.message
            commands = [can.command for can in explain(engine, called).can]
            assert f"mainspring runs retry {called.id}" in commands
            assert f"mainspring runs retry {called.id} --from-step n" in commands
            assert not any("--accept" in command for command in commands)
        await engine.act(run_recovery.retry_from, other.id, "n")
        await engine.until(other, RunState.WAITING)
        await engine.app.signal(other.id, "n", True)  # the "go" of before still counts
        assert (await engine.until(other, RunState.SUCCEEDED)).result == b"[true]"
    registry, _ = registry_with(int)
    async with world.engine(registry, settings) as engine:
        await call_service(engine.app, lambda store, act: run.retry(store, handle.id, act=act))
        assert (await engine.until(handle, RunState.SUCCEEDED)).result == b"[7]"
