"""Events and ends that start runs: published, heard, paced, filtered, gathered, and all of it again after a crash. On both databases."""

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.states import DeliveryState, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.triggers import ReplayDelivery
from mainspring.store.read import triggers
from mainspring.store.write.triggers import deliveries
from mainspring.triggers.filter_runner import FilterRunner
from tests.acceptance.engine_world import Engine, World
from tests.acceptance.sealing_codec import Keystream, codec

pytestmark = pytest.mark.asyncio
_WIDE = "".join(chr(0x20000 + random.Random(place).randrange(40_000)) for place in range(1_000))
"""More bytes than PostgreSQL finds a row by, and no compression makes them fewer."""


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(tmp_path if request.param == "sqlite" else request.getfixturevalue("lent_store"))


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as made:
        yield made


class Seen(list[Any]):
    """What runs were given, in the order in which they ran."""

    async def of(self, engine: Engine, count: int) -> list[Any]:
        await engine.when(lambda: len(self), lambda n: n >= count)
        return list(self)


@pytest.fixture
def seen() -> Seen:
    return Seen()


async def settled(engine: Engine, count: int, trigger: str | None = None) -> list[str]:
    """Return the states of the deliveries, oldest first, once there are so many and none is undecided."""

    def read() -> list[str]:
        found = triggers.deliveries(engine.working.store.reader, trigger=trigger, limit=1_000).deliveries
        return [row.state.value for row in reversed(found)]

    undecided = {DeliveryState.RECEIVED, DeliveryState.HELD}
    return list(await engine.when(read, lambda states: len(states) >= count and not undecided & set(states)))


async def wait_for_deliveries(engine: Engine, count: int, *states: DeliveryState) -> None:
    """Return once so many deliveries are in one of these states."""
    reader = engine.working.store.reader
    await engine.when(
        lambda: sum(row.state in states for row in triggers.deliveries(reader, limit=1_000).deliveries),
        lambda n: n >= count,
    )


# What an event becomes


async def test_event_starts_whom_it_concerns(world, registry, seen):
    """By name and values; each automation gets it in the way it asks for: whole, as data, or field by field."""

    @ms.on.event("paid", where={"card.country": "DE"})
    @ms.task
    def by_event(event: ms.Event) -> None:
        seen.append(("event", event.name, event.data["id"], event.amount, event.key, event.trigger))

    @ms.on.event("paid")
    @ms.task
    def by_data(order: dict[str, Any]) -> None:
        seen.append(("data", order["id"]))

    @ms.on.event("paid")
    @ms.workflow
    async def by_fields(run: ms.Run, id: str, amount: int = 7) -> None:
        seen.append(("fields", id, amount))

    @ms.on.event("paid")
    @ms.task
    def by_nothing() -> None:
        seen.append(("nothing",))

    async with world.engine(registry) as engine:
        await engine.app.publish("paid", {"id": "a", "amount": 5, "card": {"country": "DE"}}, key="k")
        await engine.app.publish("paid", {"id": "b", "card": {"country": "FR"}})
        await engine.app.publish("sent", {"id": "c"})
        await engine.app.publish("paid", {"id": "a again"}, key="k")
        found = await seen.of(engine, 7)
        assert await settled(engine, 7) == ["started"] * 7
    assert sorted(found, key=repr) == sorted(
        [
            ("event", "paid", "a", 5, "k", "by_event/event"),
            *[("data", id) for id in "ab"],
            ("fields", "a", 5),
            ("fields", "b", 7),
            *[("nothing",)] * 2,
        ],
        key=repr,
    )


@pytest.mark.parametrize("value", ["n\0ul", _WIDE, "\x1b[31m" * 300], ids=["nul", "wide", "escapes"])
async def test_no_value_in_a_template_keeps_an_event_from_its_run(world, registry, seen, value):
    """Keys of paces and partitions are filled from data, whatever that holds; both stores find what they are given again."""

    @ms.on.event("paid", by="{data.shop}", throttle="1ms")
    @ms.task
    def by_key(event: ms.Event) -> None:
        seen.append(("by", event.data["shop"]))

    @ms.on.event("paid", partition="{data.shop}")
    @ms.task
    def in_turn(event: ms.Event) -> None:
        seen.append(("partition", event.data["shop"]))

    async with world.engine(registry) as engine:
        await engine.app.publish("paid", {"shop": value})
        assert sorted(await seen.of(engine, 2)) == [("by", value), ("partition", value)]


async def test_events_still_wake_the_runs_that_wait(world, registry, seen):
    """One event wakes a run and starts another one; one that no one waited for is kept."""

    @ms.workflow
    async def waiting(run: ms.Run) -> str:
        await run.receive("go")
        return str((await run.event("paid", where={"id": "a"})).id)

    @ms.on.event("paid")
    @ms.task
    def started(id: str) -> None:
        seen.append(id)

    async with world.engine(registry) as engine:
        run = await engine.start(waiting)
        await engine.app.publish("paid", {"id": "a"})
        assert await seen.of(engine, 1) == ["a"]
        await engine.app.signal(run.id, "go")
        assert await run.result() == "a"


async def test_data_that_fits_no_run_fails_its_delivery(world, registry, seen):
    """The note says why; what came with it continues."""

    @ms.on.event("paid")
    @ms.task
    def fields(id: str, amount: int = 0) -> None:
        seen.append(id)

    async with world.engine(registry) as engine:
        await engine.app.publish("paid", ["no", "object"])
        await engine.app.publish("paid", {"id": "a"})
        assert await seen.of(engine, 1) == ["a"]
        assert await settled(engine, 2) == ["failed", "started"]
        row = triggers.deliveries(engine.working.store.reader, state=DeliveryState.FAILED).deliveries[0]
        assert "not an object" in (row.note or "")


async def test_script_reads_its_event(world, tmp_path):
    """As JSON from its standard input; one that an event did not start reads nothing."""
    out = tmp_path / "out"
    (tmp_path / "scripts.toml").write_text(
        f'[script.keep]\ncmd = ["sh", "-c", "cat >> {out}; echo >> {out}"]\n[script.keep.event]\nname = "paid"\n'
    )
    registry = Registry.load([tmp_path / "scripts.toml"])
    assert not registry.problems
    async with world.engine(registry) as engine:
        await engine.app.publish("paid", {"id": "a"}, key="k")
        (delivery,) = await engine.when(
            lambda: triggers.deliveries(engine.working.store.reader, state=DeliveryState.STARTED).deliveries, bool
        )
        await engine.until(delivery.run, RunState.SUCCEEDED)
        await (await engine.start(registry.get("keep"))).result()
    first, *rest = out.read_text().splitlines()
    event = json.loads(first)
    assert (event["name"], event["data"], event["key"], event["trigger"]) == ("paid", {"id": "a"}, "k", "keep/event")
    assert not any(rest)


# Filters


async def test_filter_decides_in_the_worker(world, registry, seen):
    """Yes starts, no does not, one that raises fails its delivery, and an async one is awaited."""

    def big(event: ms.Event) -> bool:
        if event.amount is None:
            raise ValueError("no amount")
        return event.amount > 10

    async def odd(event: ms.Event) -> bool:
        await asyncio.sleep(0)
        return event.amount % 2 == 1

    @ms.on.event("paid", filter=big)
    @ms.task
    def large(id: str) -> None:
        seen.append(("large", id))

    @ms.on.event("sent", filter=odd)
    @ms.task
    def uneven(id: str) -> None:
        seen.append(("uneven", id))

    async with world.engine(registry) as engine:
        for id, amount in (("a", 5), ("b", 50), ("c", None)):
            await engine.app.publish("paid", {"id": id, "amount": amount})
        for id, amount in (("d", 2), ("e", 3)):
            await engine.app.publish("sent", {"id": id, "amount": amount})
        assert await settled(engine, 3, "large/event") == ["filtered", "started", "failed"]
        assert await settled(engine, 2, "uneven/event") == ["filtered", "started"]
        found = await seen.of(engine, 2)
        failed = triggers.deliveries(engine.working.store.reader, state=DeliveryState.FAILED).deliveries[0]
    assert sorted(found) == [("large", "b"), ("uneven", "e")]
    assert "ValueError: no amount" in (failed.note or "")


@pytest.mark.parametrize("filtered", [False, True], ids=["router", "filter"])
async def test_a_start_that_the_store_cannot_write_fails_its_delivery(world, registry, seen, monkeypatch, filtered):
    """It does not come back for ever, and what came with it continues."""
    pass_on = deliveries.apply_flow_control

    def breaks(tx, trigger, by, flow_control, start):
        if start is not None and b"poison" in start.input:
            raise ValueError("no database takes this")
        return pass_on(tx, trigger, by, flow_control, start)

    monkeypatch.setattr(deliveries, "apply_flow_control", breaks)

    # With a pace of its own, so that each start is written by itself on both databases.
    @ms.on.event("paid", filter=(lambda event: True) if filtered else None, by="{data.id}", throttle="1ms")
    @ms.task
    def task(id: str) -> None:
        seen.append(id)

    async with world.engine(registry) as engine:
        await engine.app.publish("paid", {"id": "poison"})
        await engine.app.publish("paid", {"id": "a"})
        assert sorted(await settled(engine, 2)) == ["failed", "started"]
        assert await seen.of(engine, 1) == ["a"]
        failed = triggers.deliveries(engine.working.store.reader, state=DeliveryState.FAILED).deliveries[0]
    assert "no database takes this" in (failed.note or "")


class _Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


async def test_whatever_a_filter_raises_its_thread_continues(world, registry, seen):
    """Errors that are no Exception, or cannot be shown, fail their delivery; more of them than there are threads keep no one waiting."""
    raised = [KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), SystemExit(3), _Mute(), BaseException()]

    def raises(event: ms.Event) -> bool:
        if event.n < len(raised):
            raise raised[event.n]
        return True

    @ms.on.event("paid", filter=raises)
    @ms.task
    def task(n: int, m: int = 0) -> None:
        seen.append(n)

    async with world.engine(registry) as engine:
        for n in range(len(raised) + 1):
            await engine.app.publish("paid", {"n": n})
        assert await settled(engine, len(raised) + 1) == ["failed"] * len(raised) + ["started"]
        assert await seen.of(engine, 1) == [len(raised)]


async def test_filter_that_hangs_keeps_no_other_from_its_turn(world, registry, seen, monkeypatch):
    """Its delivery fails after a while, its threads are made up for, and the engine ends without waiting for it."""
    monkeypatch.setattr(FilterRunner, "longest_s", 0.2)
    out = threading.Event()

    def hangs(event: ms.Event) -> bool:
        if event.n < 6:
            out.wait()
        return True

    @ms.on.event("paid", filter=hangs)
    @ms.task
    def task(n: int, m: int = 0) -> None:
        seen.append(n)

    async with world.engine(registry) as engine:
        for n in range(8):
            await engine.app.publish("paid", {"n": n})
        assert await settled(engine, 8) == ["failed"] * 6 + ["started"] * 2
        assert sorted(await seen.of(engine, 2)) == [6, 7]
    out.set()


# Pace


async def test_each_flow_control_starts_its_runs(world, registry, seen):
    """Debounce starts the newest, throttle the first and the newest of the rest, a batch takes many, dedup drops what comes twice."""

    @ms.on.event("e", debounce="0.5s", by="{data.key}")
    @ms.task
    def debounced(key: str, n: int) -> None:
        seen.append(("debounced", key, n))

    @ms.on.event("e", throttle="1s")
    @ms.task
    def throttled(key: str, n: int) -> None:
        seen.append(("throttled", key, n))

    @ms.on.event("e", batch=4, within="1s")
    @ms.task
    def batched(events: list[ms.Event]) -> None:
        seen.append(("batched", *(event.n for event in events)))

    @ms.on.event("e", dedup="1h", by="{data.key}")
    @ms.task
    def once(key: str, n: int) -> None:
        seen.append(("once", key, n))

    async with world.engine(registry) as engine:
        for n, key in enumerate("ababa"):
            await engine.app.publish("e", {"key": key, "n": n})
        await settled(engine, 20)
        found = await seen.of(engine, 8)
    expected = [("debounced", "a", 4), ("debounced", "b", 3), ("throttled", "a", 0), ("throttled", "a", 4)]
    expected += [("batched", 0, 1, 2, 3), ("batched", 4), ("once", "a", 0), ("once", "b", 1)]
    assert sorted(found, key=repr) == sorted(expected, key=repr)


async def test_rate_lets_all_start_in_their_order(world, registry, seen):
    """What would start too soon waits, and none is lost."""

    @ms.on.event("e", rate="2/0.3s")
    @ms.task(partition="one")
    def limited(n: int, at: int = 0) -> None:
        seen.append(n)

    async with world.engine(registry) as engine:
        for n in range(5):
            await engine.app.publish("e", {"n": n})
        assert await seen.of(engine, 5) == [0, 1, 2, 3, 4]
        rows = [engine.view(row.run).created_at for row in triggers.deliveries(engine.working.store.reader).deliveries]
    starts = sorted(rows)
    assert all(later - earlier >= 300 for earlier, later in zip(starts, starts[2:], strict=False))


async def test_concurrency_and_order_go_by_key(world, registry, seen):
    """One run of a key at a time, in the order of the events; another key does not wait for it."""
    both, out = threading.Barrier(2, timeout=10), threading.Event()

    @ms.on.event("e", by="{data.key}", concurrency=1)
    @ms.task(isolate="thread")
    def work(key: str, n: int) -> None:
        if n < 2:
            both.wait()
        seen.append((key, n))

    async with world.engine(registry) as engine:
        for n in range(6):
            await engine.app.publish("e", {"key": "ab"[n % 2], "n": n})
        found = await seen.of(engine, 6)
    out.set()
    for key in "ab":
        assert [n for name, n in found if name == key] == [n for n in range(6) if "ab"[n % 2] == key]


# Ends


async def test_end_of_a_run_starts_another(world, registry, seen):
    """By the states that were named; the follower sees how it ended and what came of it."""

    @ms.task
    def first(fails: bool) -> int:
        if fails:
            raise ms.Permanent("no")
        return 7

    @ms.on.run("first")
    @ms.task
    def after(event: ms.Event) -> None:
        seen.append(("after", event.state, event.result))

    @ms.on.run("first", state="failed")
    @ms.task
    def alarm(event: ms.Event) -> None:
        seen.append(("alarm", event.state, event.automation))

    @ms.on.run("first", state="any")
    @ms.task
    def always(run: str, state: str) -> None:
        seen.append(("always", state))

    async with world.engine(registry) as engine:
        await (await engine.start(first, False)).result()
        await engine.until(await engine.start(first, True), RunState.FAILED)
        found = await seen.of(engine, 4)
        await settled(engine, 4)
    assert sorted(found) == [
        ("after", "succeeded", 7),
        ("alarm", "failed", "first"),
        ("always", "failed"),
        ("always", "succeeded"),
    ]


async def test_several_runs_of_one_key_start_once(world, registry, seen):
    """What is missing is shown; a failed one holds it up, its retry releases it, and what follows by the same key can be gathered too."""
    broken = True

    @ms.task(key="{day}")
    def extract(day: str) -> None: ...

    @ms.task(key="{day}")
    def load(day: str) -> None:
        if broken:
            raise ms.Permanent("no")

    @ms.on.runs(["extract", "load"], per="key", within="1h")
    @ms.task
    def report(event: ms.Event) -> None:
        seen.append(("report", event.data["key"], sorted(event.data["runs"])))

    @ms.on.runs(["report", "extract"], per="key")
    @ms.task
    def archive(key: str, runs: dict[str, str]) -> None:
        seen.append(("archive", key))

    async with world.engine(registry) as engine:
        reader = engine.working.store.reader
        await (await engine.start(extract, "mon")).result()
        failed = await engine.start(load, "mon")
        await engine.until(failed, RunState.FAILED)
        await wait_for_deliveries(engine, 3, DeliveryState.HELD)
        gatherings = {view.trigger: view for view in triggers.open_gatherings(reader)}
        view = gatherings["report/runs"]
        assert (view.per, view.here, view.expected) == ("mon", 1, 2)
        assert [run.run for run in triggers.joined_runs(reader, "report/runs", "mon") if not run.counts] == [failed.id]
        broken = False
        await engine.app.retry(failed.id)
        assert await seen.of(engine, 2) == [("report", "mon", ["extract", "load"]), ("archive", "mon")]
        await settled(engine, 5)
        assert triggers.open_gatherings(reader) == []
        await (await engine.start(extract, "tue")).result()
        await engine.when(lambda: triggers.open_gatherings(reader, "report/runs"), bool)
    assert len(seen) == 2


# What a crash may interrupt


async def died(engine: Engine) -> int:
    session = engine.working.store.session
    await engine.die()
    assert session is not None
    return session


async def test_nothing_is_lost_between_any_two_commits(world, seen):
    """Published and not decided; held; filtered by no one yet: anyone who comes next continues."""

    def make(*, filtered: bool = True) -> Registry:
        with Registry() as registry:

            @ms.on.event("plain")
            @ms.task
            def plain(n: int, m: int = 0) -> None:
                seen.append(("plain", n))

            @ms.on.event("held", debounce="0.5s")
            @ms.task
            def held(n: int, m: int = 0) -> None:
                seen.append(("held", n))

            @ms.on.event("asked", filter=lambda event: True)
            @ms.task
            def called(n: int, m: int = 0) -> None:
                seen.append(("asked", n))

        return registry

    async with world.engine(make()) as engine:
        engine.working._intake_and_delivery.ingest._router.close()
        engine.working._filter_runner.close()
        for n, name in enumerate(("plain", "held", "asked")):
            await engine.app.publish(name, {"n": n})
        assert await engine.when(
            lambda: len(triggers.deliveries(engine.working.store.reader).deliveries), lambda n: n == 3
        )
        dead = await died(engine)
    async with world.engine(make()) as engine:
        engine.working._filter_runner.close()
        await world.declare_dead(engine, dead)
        await wait_for_deliveries(engine, 1, DeliveryState.HELD)
        dead = await died(engine)
    async with world.engine(make()) as engine:
        await world.declare_dead(engine, dead)
        assert sorted(await seen.of(engine, 3)) == [("asked", 2), ("held", 1), ("plain", 0)]
        assert await settled(engine, 3) == ["started"] * 3


async def test_two_engines_start_each_once(world, seen):
    """Both route all of it at the same time."""

    def make() -> Registry:
        with Registry() as registry:

            @ms.on.event("e")
            @ms.task
            def plain(n: int, m: int = 0) -> None:
                seen.append(n)

            @ms.on.event("e", batch=7, within="0.2s")
            @ms.task
            def batched(events: list[ms.Event]) -> None:
                seen.extend(100 + event.n for event in events)

        return registry

    async with world.engine(make()) as first, world.engine(make()) as second:
        for n in range(30):
            await (first, second)[n % 2].app.publish("e", {"n": n})
        found = await seen.of(first, 60)
        await settled(first, 60)
    assert sorted(found) == sorted([*range(30), *range(100, 130)])


async def test_a_replay_starts_it_again(world, registry, seen):
    """As a new delivery that names the old one."""

    @ms.on.event("e")
    @ms.task
    def task(n: int, m: int = 0) -> None:
        seen.append(n)

    async with world.engine(registry) as engine:
        await engine.app.publish("e", {"n": 1})
        await seen.of(engine, 1)
        (row,) = triggers.deliveries(engine.working.store.reader).deliveries
        await engine.working.apply(ReplayDelivery("d_again", row.id))
        assert await seen.of(engine, 2) == [1, 1]
        assert await settled(engine, 2) == ["started"] * 2


# What cannot be read


async def test_unreadable_delivery_blocks_no_other(world, seen, caplog):
    """Sealed by another codec, or of a trigger of another version: it waits, and what comes after it starts."""

    def make() -> Registry:
        with Registry() as registry:

            @ms.on.event("e")
            @ms.task
            def task(n: int, m: int = 0) -> None:
                seen.append(n)

        return registry

    async with world.engine(make(), codec=Keystream(b"another key")) as engine:
        engine.working._intake_and_delivery.ingest._router.close()
        await engine.app.publish("e", {"n": 1})
        await wait_for_deliveries(engine, 1, DeliveryState.RECEIVED)
    async with world.engine(make(), codec=codec) as engine:
        await engine.app.publish("e", {"n": 2})
        assert await seen.of(engine, 1) == [2]
        await wait_for_deliveries(engine, 1, DeliveryState.RECEIVED)
    assert "waits" in caplog.text
    async with world.engine(make(), codec=Keystream(b"another key")) as engine:
        assert await seen.of(engine, 2) == [2, 1]


async def test_sealed_events_start_runs(world, registry, seen, tmp_path):
    """Matched by their values, held and released; nothing of them is readable in the store."""

    @ms.on.event("e", where={"kind": "x"}, batch=2, within="10s")
    @ms.task
    def task(events: list[ms.Event]) -> None:
        seen.append([event.word for event in events])

    async with world.engine(registry, codec=codec) as engine:
        for kind, word in (("x", "one"), ("y", "two"), ("x", "three")):
            await engine.app.publish("e", {"kind": kind, "word": f"secret-{word}"})
        assert await seen.of(engine, 1) == [["secret-one", "secret-three"]]
        await settled(engine, 2)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"secret-" in file.read_bytes()]
