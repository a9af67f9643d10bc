"""Headers of runs in a real engine: from a start through all that follows from it."""

import asyncio
import json
from datetime import timedelta

import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.testing.clock import FakeClock
from tests.acceptance import engine_steps
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, World
from tests.acceptance.sealing_codec import codec

pytestmark = pytest.mark.asyncio
HEADERS = {"tenant": "acme", "baggage": "user=7"}


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path):
    return World(tmp_path if request.param == "sqlite" else request.getfixturevalue("lent_store"))


def read_headers_of(n: int) -> dict[str, str]:
    """A step that any worker can import."""
    return dict(ms.headers())


@pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING])
async def test_headers_reach_children_started_runs_spread_steps_and_continued_runs(world, settings):
    """Each of them reads the same headers; a run that is started without any has none."""
    seen: dict[str, dict[str, str]] = {}

    async def note(name: str) -> None:
        seen[name] = dict(ms.headers())

    with Registry() as registry:

        @ms.task
        async def leaf(name: str) -> None:
            await note(name)

        @ms.workflow
        async def grandchild(run: ms.Run) -> dict[str, str]:
            await run.step(note, "grandchild step")
            return dict(run.headers)

        @ms.workflow
        async def child(run: ms.Run) -> dict[str, str]:
            return await run.child(grandchild)

        @ms.workflow
        async def parent(run: ms.Run, n: int = 0) -> list[dict[str, str]]:
            if n == 0:
                run.restart(1)
            await asyncio.sleep(0)
            await run.step(note, "step")
            started = await run.start(leaf, "started")
            assert started.created
            spread = await run.map(read_headers_of, [1, 2], spread=True)
            return [dict(run.headers), await run.child(child), *spread]

    async with world.engine(registry, settings) as engine:
        starter = engine.app.options(headers={"Tenant": "acme", "baggage": "user=7"})
        run = await starter.start(parent)
        assert await run.result(60) == [HEADERS] * 4
        await engine.when(lambda: dict(seen), lambda names: len(names) == 3)
        assert seen == dict.fromkeys(("step", "started", "grandchild step"), HEADERS)
        await (await engine.app.start(leaf, "plain")).result(60)
        assert seen["plain"] == {}


@pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING])
async def test_headers_of_a_child_are_those_of_its_run_and_its_own(world, settings):
    """Its own take precedence. A restart of the child, and what it starts, have them too; a step has those of its run."""
    with Registry() as registry:

        @ms.workflow
        async def leaf(run: ms.Run, n: int = 0) -> dict[str, str]:
            if n == 0:
                run.restart(1)
            return dict(run.headers)

        @ms.workflow
        async def child(run: ms.Run) -> list[dict[str, str]]:
            return [dict(run.headers), await run.child(leaf)]

        @ms.workflow
        async def parent(run: ms.Run) -> list[dict[str, str]]:
            own = run.options(headers={"Tenant": "umbrella", "region": "eu"})
            started = await own.start(leaf)
            await asyncio.sleep(0)
            named = [run.options(name="again", headers={}).child(leaf), own.options(name="own").child(child)]
            first, second = await asyncio.gather(*named)
            with pytest.raises(OptionError, match=r"headers=\.\.\.\) has no effect on run.step"):
                _ = own.step(read_headers_of, 1)
            with pytest.raises(OptionError, match="no text in one line"):
                run.options(headers={"tenant": 7})  # type: ignore[dict-item]
            with pytest.raises(OptionError, match=r"with those of the run: .* the limit is 8,192"):
                run.options(headers={"more": "x" * 8_150})
            return [first, *second, {"id": started.id}]

    merged = HEADERS | {"tenant": "umbrella", "region": "eu"}
    async with world.engine(registry, settings) as engine:
        run = await engine.app.options(headers=HEADERS).start(parent)
        *found, started = await run.result(60)
        assert found == [HEADERS, merged, merged]
        assert await engine.app.handle(started["id"]).result(60) == merged


async def test_fork_and_retry_have_the_headers_of_their_run(world):
    """So has a fork that begins at the end, and a run that continues after its failure."""
    fails = [True]

    async def work() -> dict[str, str]:
        if fails:
            fails.clear()
            raise ms.Permanent("no stock")
        return dict(ms.headers())

    with Registry() as registry:

        @ms.workflow
        async def order(run: ms.Run) -> list[dict[str, str]]:
            return [dict(run.headers), await run.step(work)]

    async with world.engine(registry, AT_ONCE) as engine:
        run = await engine.app.options(headers=HEADERS).start(order)
        await engine.until(run, RunState.FAILED)
        await engine.app.retry(run.id)
        assert await run.result(60) == [HEADERS, HEADERS]
        forked = await engine.app.fork(run.id, "work")
        assert await forked.result(60) == [HEADERS, HEADERS]


async def test_runs_that_an_event_or_an_end_starts_have_its_headers(world):
    """An event of a step and one of a program carry them, and so does the end of a run."""
    seen: dict[str, list[object]] = {}
    with Registry() as registry:

        @ms.task
        async def pay(n: int) -> None:
            ms.publish("paid", {"n": n})

        @ms.on.event("paid")
        @ms.task
        async def ship(event: ms.Event) -> None:
            seen[f"event {event.data['n']}"] = [dict(ms.headers()), event.headers]

        @ms.on.run("ship")
        @ms.task
        async def follow(event: ms.Event) -> None:
            seen.setdefault("end", []).append(dict(ms.headers()))

    async with world.engine(registry, AT_ONCE) as engine:
        await engine.app.options(headers=HEADERS).start(pay, 1)
        await engine.when(lambda: dict(seen), lambda found: found.get("end") == [HEADERS])
        await engine.app.publish("paid", {"n": 2}, headers={"Tenant": "globex"})
        await engine.when(lambda: dict(seen), lambda found: len(found["end"]) == 2 if "end" in found else False)
        assert seen == {
            "event 1": [HEADERS, HEADERS],
            "event 2": [{"tenant": "globex"}, {"tenant": "globex"}],
            "end": [HEADERS, {"tenant": "globex"}],
        }
        with pytest.raises(OptionError, match="not a valid name"):
            await engine.app.publish("paid", {"n": 3}, headers={"a b": "c"})


async def test_messages_of_the_outbox_carry_the_headers(tmp_path):
    """In one header of the message, sealed in the store like the message."""
    with Registry() as registry:

        @ms.task
        async def send() -> None:
            ms.send("shop/orders", {"n": 1})

    async with World(tmp_path).engine(registry, AT_ONCE, brokers={"shop": "nats://127.0.0.1:1"}) as engine:
        run = await engine.app.options(headers={"tenant": "acme"}).start(send)
        await run.result(60)
        ((headers,),) = engine.working.store.reader.read_text("select headers from outbox")
        assert json.loads(headers) == {"mainspring-headers": '{"tenant":"acme"}'}


async def test_script_gets_the_headers_in_a_variable(tmp_path):
    """As JSON; a script of a run without headers has no such variable."""
    with Registry() as registry:
        show = ms.script("show", ["sh", "-c", 'echo "${MAINSPRING_HEADERS-none}"'])

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        record = await (await engine.app.options(headers={"tenant": "acme"}).start(show)).result(60)
        assert record["tail"].strip() == '{"tenant":"acme"}'
        assert (await (await engine.start(show)).result(60))["tail"].strip() == "none"


async def test_headers_are_sealed_and_fixed(tmp_path):
    """No plain text of them is in the store; a second start under the key finds the run as it is."""
    with Registry() as registry:

        @ms.workflow
        async def order(run: ms.Run) -> list[dict[str, str]]:
            return [dict(run.headers), await run.step(engine_steps.headers_of_step)]

    async with World(tmp_path).engine(registry, REPLAYING, codec=codec) as engine:
        starter = engine.app.options(headers={"tenant": "acme-very-secret"}, key="k")
        run = await starter.start(order)
        again = await engine.app.options(headers={"tenant": "globex"}, key="k").start(order)
        assert again.id == run.id
        assert await run.result(60) == [{"tenant": "acme-very-secret"}] * 2
    content = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*") if path.is_file())
    assert b"acme-very-secret" not in content


@pytest.mark.parametrize("headers", [{"tenant": 7}, {"a b": "x"}, {"big": "x" * 9_000}, "tenant"])
async def test_unusable_headers_start_nothing(tmp_path, headers):
    """The start is refused with the fix."""
    with Registry() as registry:

        @ms.task
        async def leaf() -> None: ...

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        with pytest.raises(OptionError):
            await engine.app.options(headers=headers).start(leaf)
        assert not await engine.app.runs.list()


async def test_debounced_run_has_the_headers_of_its_newest_start(tmp_path):
    """They belong to the input, which the newest start replaces."""
    with Registry() as registry:

        @ms.task(debounce="10s")
        async def leaf() -> dict[str, str]:
            return dict(ms.headers())

    async with World(tmp_path, FakeClock()).engine(registry, AT_ONCE) as engine:
        first = await engine.app.options(headers={"n": "1"}).start(leaf)
        second = await engine.app.options(headers={"n": "2"}).start(leaf)
        assert first.id == second.id
        await engine.pass_time(timedelta(seconds=11))
        assert await second.result(60) == {"n": "2"}


async def test_steps_and_bodies_see_no_context_variable_of_the_caller(tmp_path):
    """Neither of the code that starts a run nor of the code that starts the worker, in the loop, a thread and a child process."""

    async def in_loop() -> str:
        return engine_steps.USER.get()

    def in_thread() -> str:
        return engine_steps.USER.get()

    with Registry() as registry:

        @ms.workflow
        async def order(run: ms.Run) -> list[str]:
            first = engine_steps.USER.get()
            await asyncio.sleep(0.01)
            child = await run.options(isolate="process").step(engine_steps.user_of_step)
            return [first, engine_steps.USER.get(), await run.step(in_loop), await run.step(in_thread), child]

        @ms.task
        async def leaf() -> str:
            return engine_steps.USER.get()

    engine_steps.USER.set("worker")
    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        engine_steps.USER.set("caller")
        assert await (await engine.app.start(order)).result(60) == ["none"] * 5
        assert await (await engine.app.start(leaf)).result(60) == "none"
