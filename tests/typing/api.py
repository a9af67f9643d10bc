"""The public API as a type checker sees it. Never run; read by `test_api.py` with `mypy --strict` and pyright.

`assert_type` pins what a user gets. A line that must be an error carries `type: ignore`: were it none, the ignore would be unused, which
is an error as well.
"""

from collections.abc import Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypedDict, assert_type

import mainspring as ms

DECISIONS: tuple[Literal["approve", "refund"], ...] = ("approve", "refund")


class Decision(StrEnum):
    """What people choose from."""

    APPROVE = "approve"
    REFUND = "refund"


@dataclass
class Form:
    """What people fill in."""

    amount: int


class Choices(TypedDict):
    """The same as a dictionary."""

    amount: int


command = ms.script("backup", "./backup.sh")


def plain(amount: int, note: str = "") -> float:
    """A `def` step."""
    return amount + len(note)


async def waiting(amount: int) -> str:
    """An `async def` step."""
    return str(amount)


@ms.step
def decorated(amount: int) -> float:
    """A step with no options of its own."""
    return float(amount)


@ms.step(timeout="30s", heartbeat="5s", retry=ms.Retry(attempts=3), undo=plain)
async def with_options(amount: int) -> bytes:
    """A step with options."""
    return bytes(amount)


@ms.step(delivery="transactional")
def in_database(tx: ms.Tx, amount: int) -> int:
    """A step that is called without its tx."""
    return amount


@ms.task(cron="*/15 * * * *", retry=ms.Retry(attempts=5))
def sync(account: str = "main") -> int:
    """A task."""
    return len(account)


@ms.task(delivery="transactional")
def task_in_database(tx: ms.Tx, amount: int) -> int:
    """A task that is started without its tx."""
    return amount


@ms.task
async def asynchronous(account: str) -> int:
    """An async task."""
    return len(account)


@ms.workflow(deadline="30d")
async def order(run: ms.Run, number: int, *, colour: str = "red") -> list[str]:
    """A workflow with a keyword of its own."""
    return [colour] * number


@ms.workflow
async def bare(run: ms.Run) -> None:
    """A workflow without parameters."""


async def steps(run: ms.Run) -> None:
    """A step's call keeps the function's parameters and result."""
    assert_type(await run.step(plain, 1), float)
    assert_type(await run.step(plain, 1, note="x"), float)
    assert_type(await run.step(waiting, 1), str)
    assert_type(await run.step(decorated, 1), float)
    assert_type(await run.step(with_options, 1), bytes)
    assert_type(await run.step(in_database, 1), int)
    assert_type(await run.step(sync), int)
    assert_type(await run.options(key="k", timeout="5s", delivery="at_most_once").step(waiting, amount=1), str)
    assert_type(await run.options(heartbeat="5s", overlap_attempts=True).step(waiting, amount=1), str)
    coroutine: Coroutine[Any, Any, float] = run.step(plain, 1)
    assert_type(await coroutine, float)

    await run.step(plain, "one")  # type: ignore[call-overload]
    await run.step(plain)  # type: ignore[call-overload]
    await run.step(plain, 1, nonsense=2)  # type: ignore[call-arg, arg-type]
    await run.step(waiting, None)  # type: ignore[call-overload]
    await run.step(with_options, "x")  # type: ignore[call-overload]
    run.options(delivery="now_and_then")  # type: ignore[arg-type]
    run.options(isolate="container")  # type: ignore[arg-type]
    run.options(colour="red")  # type: ignore[arg-type]


async def maps(run: ms.Run) -> None:
    """A map gives a list; with "collect" its items may be failures."""
    assert_type(await run.map(decorated, [1, 2]), list[float])
    assert_type(await run.map(waiting, range(3), concurrency=20), list[str])
    assert_type(await run.map(waiting, [1], on_error="collect"), list[str | ms.ItemFailed])
    assert_type(await run.map(decorated, [1], on_error="collect", spread=True), list[float | ms.ItemFailed])

    await run.map(waiting, ["a"])  # type: ignore[arg-type]
    await run.map(waiting, [1], on_error="ignore")  # type: ignore[call-overload]


async def children(run: ms.Run) -> None:
    """A child keeps the automation's own parameters, without the run."""
    assert_type(await run.child(order, 2, colour="blue"), list[str])
    assert_type(await run.child(bare), None)
    assert_type(await run.child(sync, "x"), int)
    assert_type(await run.child(task_in_database, 2), int)
    assert_type(await run.options(run_key="k").child(order, 2), list[str])
    assert_type(await run.version("by-card", 2), int)
    await run.version("by-card", "2")  # type: ignore[arg-type]
    assert_type(await run.start(order, 2, colour="blue"), ms.StartedRun)
    assert_type(await run.options(run_key="k").start(task_in_database, 2), ms.StartedRun)

    await run.child(order, "two")  # type: ignore[call-overload]
    await run.start(order, "two")  # type: ignore[call-overload]
    await run.child(order)  # type: ignore[call-overload]
    await run.child(task_in_database, "two")  # type: ignore[call-overload]
    await run.child(plain, 1)  # type: ignore[call-overload]


async def direct_calls() -> None:
    """In a unit test tasks and steps are called like the functions they are."""
    assert_type(sync("main"), int)
    assert_type(decorated(1), float)
    assert_type(await with_options(1), bytes)
    assert_type(await asynchronous("x"), int)

    sync(account=1)  # type: ignore[arg-type]
    decorated("x")  # type: ignore[arg-type]


async def waits(run: ms.Run) -> None:
    """What comes from outside is typed where a type is given."""
    async for name in run.as_completed([run.step(waiting, 1)]):
        assert_type(name, str)
    await run.receive()  # type: ignore[call-arg]
    assert_type(await run.ask("q"), Literal["yes", "no"])
    assert_type(await run.ask("q", otherwise=None), Literal["yes", "no"] | None)
    assert_type(await run.ask("q", choices=["approve", "refund"], within="24h", otherwise="refund"), str)
    assert_type(await run.ask("q", choices=DECISIONS), Literal["approve", "refund"])
    assert_type(await run.ask("q", choices=DECISIONS, otherwise=None), Literal["approve", "refund"] | None)
    assert_type(await run.ask("q", choices=Decision), Decision)
    assert_type(await run.ask("q", choices=Decision, otherwise=Decision.REFUND, who="ops", key="k"), Decision)

    assert_type(await run.ask("q", form=Form), Form)
    assert_type(await run.ask(form=Form, name="order", assignee="sales", remind="4h", escalate=("1d", "boss")), Form)
    assert_type(await run.ask(form=Form, otherwise=Form(1)), Form)
    assert_type(await run.ask(form=Form, otherwise=None), Form | None)
    assert_type(await run.ask(form=Choices), Choices)
    assert_type(run.answers["order"].note, str | None)
    await run.ask(form=3)  # type: ignore[call-overload]
    await run.ask("q", form=Form, choices=DECISIONS)  # type: ignore[call-overload]
    await run.ask("q", escalate="1d")  # type: ignore[call-overload]
    await run.ask("q", choices=3)  # type: ignore[call-overload]
    await run.ask("q", choices=[1, 2])  # type: ignore[type-var]
    await run.ask("q", otherwise=3)  # type: ignore[call-overload]
    await run.ask(choices=DECISIONS)  # type: ignore[call-overload]


@ms.workflow  # type: ignore[arg-type]
def not_async(run: ms.Run) -> None:
    """A workflow is async."""


@ms.task(retires=3)  # type: ignore[call-overload, untyped-decorator]
def misspelt() -> None:
    """An option that does not exist."""


@ms.step(timeuot="3s")  # type: ignore[call-overload, untyped-decorator]
def misspelt_step() -> None:
    """An option that does not exist."""


async def app() -> None:
    """Starting from a program."""
    program = ms.App("state.db")
    async with program.running() as same:
        assert_type(same, ms.App)
        handle = await program.start(order, 2)
        assert_type(handle, ms.Handle[list[str]])
        assert_type(handle.id, str)
        assert_type(await handle.result(), list[str])
        assert_type(await handle.result(timeout=3.5), list[str])
        assert_type(await handle.view(), ms.RunDetails[list[str]])
        assert_type((await handle.view()).result, list[str] | None)
        assert_type(await (await program.start(order, number=2, colour="blue")).result(), list[str])
        assert_type(await (await program.start(bare)).result(), None)
        assert_type(await (await program.start(sync)).result(), int)
        assert_type(await (await program.start(asynchronous, "x")).result(), int)
        assert_type(await (await program.start(task_in_database, 2)).result(), int)
        assert_type(await program.start(command), ms.Handle[Any])
        assert_type(program.start_sync(order, 2).result_sync(), list[str])
        assert_type(program.start_sync(sync).result_sync(1), int)
        assert_type(program.handle("r_1"), ms.Handle[Any])
        assert_type([info.id for info in await program.runs.list(state="failed")], list[str])
        assert_type(await program.handle("r_1").published(), Any)
        assert_type(await program.handle("r_1").published(list[int]), list[int] | None)
        assert_type(await program.start("order", number=2), ms.Handle[Any])
        assert_type(await program.options(key="k").start(order, 2), ms.Handle[list[str]])

    await program.start(3)  # type: ignore[call-overload]
    await program.start(plain, 1)  # type: ignore[call-overload]
    await program.start(order)  # type: ignore[call-overload]
    await program.start(order, "two")  # type: ignore[call-overload]
    await program.start(order, 2, "red")  # type: ignore[call-overload]
    await program.start(order, 2, size=3)  # type: ignore[call-arg]
    await program.start(asynchronous)  # type: ignore[call-overload]
    await program.start(task_in_database, "two")  # type: ignore[call-overload]
    await program.start(command, 1)  # type: ignore[call-overload]
    await program.options(key="k").start(order)  # type: ignore[call-overload]
    await program.options(colour="k").start(order, 2)  # type: ignore[call-arg]
    await handle.result(timeout="3s")  # type: ignore[arg-type]


def blocking() -> None:
    """Starting and waiting in one call."""
    program = ms.App()
    assert_type(program.run(order, 2), list[str])
    assert_type(program.run(sync, account="x"), int)
    assert_type(program.run(asynchronous, "x"), int)
    assert_type(program.run(task_in_database, 2), int)
    assert_type(program.run(command), Any)
    assert_type(program.run("order", number=2), Any)

    program.run(order)  # type: ignore[call-overload]
    program.run(order, number="two")  # type: ignore[call-overload]
    program.run(sync, 1, 2)  # type: ignore[call-overload]
    program.run(command, 1)  # type: ignore[call-overload]
    program.run(plain, 1)  # type: ignore[call-overload]


async def effects() -> None:
    """An effect is a block, or has the result of its function."""
    assert_type(ms.once("k", plain, 3, "x"), float)
    assert_type(await ms.once("k", waiting, 3, within="1h", keyed=True), str)
    assert_type(ms.once("k", lambda: 3, check=lambda: None, identity=[1]), int)
    with ms.once("k", within="1h", conflict="error", wait=5) as effect:
        assert_type(effect.needed, bool)
        assert_type(effect.idempotency_key, str)
        assert_type(effect.result, Any)
        effect.done({"id": 1})
    async with ms.once("k", check=waiting) as later:
        assert_type(later.is_suppressed, bool)

    ms.once()  # type: ignore[call-overload]
    ms.once(7)  # type: ignore[call-overload]
    ms.once("k", 7)  # type: ignore[call-overload]
    ms.once("k", plain, 3, conflict="maybe")  # type: ignore[call-overload]
    ms.once("k", plain, 3, window="1h")  # type: ignore[call-overload]
    ms.once("k", check=3)  # type: ignore[call-overload]
    await ms.once("k", plain, 3)  # type: ignore[misc]


def sends() -> None:
    """What a step sends has an id."""
    assert_type(ms.publish("paid", {"order": 1}, key="order-1"), str)
    assert_type(ms.send("orders/created", b"raw", headers={"x-kind": "order"}), str)
