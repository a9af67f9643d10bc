"""The workflows that are killed at every commit point: one for each way in which a run waits, ends, or touches the world."""

import asyncio
import contextlib
import io
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import mainspring as ms
from mainspring.domain.errors import MiddlewareError
from tests.crash.effects import effect, find_effect, send

QUICK_RETRY = ms.Retry(attempts=5, initial=timedelta(milliseconds=10))
ONCE_OPTIONS: dict[str, dict[str, Any]] = {"person": {}, "keyed": {"keyed": True}, "check": {"check": find_effect}}


class Surrounding:
    """Middleware that looks at each run and attempt, makes a request that is refused, and changes nothing."""

    async def around_run(self, run: ms.RunInvocation, proceed: Any) -> Any:
        """See the class."""
        with contextlib.suppress(MiddlewareError):
            await asyncio.sleep(1)
        result = await proceed()
        assert run.headers["tenant"] == "acme"
        return result

    async def around_step(self, step: ms.StepInvocation, proceed: Any) -> Any:
        """Note each attempt that it surrounds."""
        with Path(os.environ["CRASH_FOLDER"], "surrounded").open("a") as file:
            file.write(f"{step.name} {step.headers['tenant']}\n")
        return await proceed()


# -- steps -------------------------------------------------------------------------------------------------------------


def keyed(name: str) -> str:
    """One effect that the world applies once a key; in a thread."""
    effect(name)
    return name


async def keyed_in_loop(name: str) -> str:
    """The same in the worker's loop."""
    effect(name)
    return name


async def endless(name: str) -> str:
    """An effect, then no end: anyone who calls it must give it up."""
    effect(name)
    await asyncio.sleep(3600)
    return name


async def silent(name: str) -> str:
    """An effect that is refused at first; the answer never arrives, and no sign of life comes."""
    if effect(name, refuse=1)["status"] == 503:
        await asyncio.Event().wait()
    return name


async def refused(name: str) -> str:
    """An effect that fails for good."""
    effect(name, kind="raw")
    raise ms.Permanent(f"{name} cannot be")


async def loaded(n: int) -> int:
    """One item of fifty; two are bad."""
    if n in (7, 31):
        raise ms.Permanent(f"item {n} is bad")
    effect(f"item {n}")
    return n


def perform_once(recovery: str, name: str) -> str:
    """An effect in the ledger, whose unknown outcome is settled by a person, by its key, or by a check."""
    options = ONCE_OPTIONS[recovery]
    return str(ms.once(f"charge:{name}", send, name, "keyed" if recovery == "keyed" else "raw", **options))


async def perform_once_in_loop(recovery: str, name: str) -> str:
    """The same in the worker's loop."""
    options = ONCE_OPTIONS[recovery]

    async def send_now(name: str, kind: str) -> str:
        return send(name, kind)

    return await ms.once(f"charge:{name}", send_now, name, "keyed" if recovery == "keyed" else "raw", **options)


def take_back(name: str, result: str | None = None) -> None:
    """Undo of `keyed`."""
    effect(f"undo {name}")


def once(name: str) -> str:
    """An effect that has no key: only the delivery can keep it from happening twice."""
    effect(name, kind="raw")
    return name


def booked(tx: ms.Tx, name: str) -> int:
    """An effect in the user's own database."""
    tx.execute("insert into bookings (what) values (?)", (name,))
    return tx.last_rowid


def in_parts(parts: int) -> int:
    """A long step that tells how far it is; in a child process."""
    done: int = ms.last_checkpoint(int) or 0
    while done < parts:
        effect(f"part {done}", kind="part")
        done += 1
        ms.checkpoint(done)
    return done


async def busy(name: str) -> str:
    """A server that says "503, come back in 20 ms" twice."""
    answer = effect(name, refuse=2)
    if answer["status"] == 503:
        raise ms.Transient("503", retry_after=0.02)
    return name


# -- workflows ---------------------------------------------------------------------------------------------------------


@ms.task
async def one_task() -> str:
    """A run of one step, which goes straight to its end."""
    return await keyed_in_loop("alone")


@ms.workflow
async def plain_sequence(run: ms.Run) -> list[str]:
    """Steps in threads and in the loop, one after the other."""
    first = await run.step(keyed, "first")
    second = await run.step(keyed_in_loop, first + " second")
    third = await run.step(keyed, second + " third")
    return [first, second, third]


@ms.workflow
async def paused_run(run: ms.Run) -> list[str]:
    """A step, an event that comes while the run is paused, and another step."""
    first = await run.step(keyed_in_loop, "first")
    await run.event("paid", within="1h")
    return [first, await run.step(keyed, "second")]


@ms.workflow
async def updated_run(run: ms.Run) -> list[int]:
    """Two accepted updates with a step each, one that its check rejects, and one that ends the run; and a query."""
    numbers: list[int] = []
    closed = asyncio.Event()

    def is_new(number: int) -> None:
        if number in numbers:
            raise ms.Permanent(f"{number} was added before")

    @run.on_update("add", validate=is_new)
    async def add(number: int) -> int:
        numbers.append(number)
        await run.step(keyed if number % 2 else keyed_in_loop, f"add {number}")
        return len(numbers)

    @run.on_query("numbers")
    def read_numbers() -> list[int]:
        return numbers

    @run.on_update("close")
    def close() -> str:
        closed.set()
        return f"{len(numbers)} numbers"

    await closed.wait()
    return numbers


@ms.workflow
async def forked_run(run: ms.Run, word: str = "source") -> list[str]:
    """Steps and a random value that a fork inherits, and steps of its own."""
    shared = await run.step(keyed, "shared")
    value = str(run.uuid())
    sides = await asyncio.gather(run.step(keyed_in_loop, "left"), run.step(keyed, "right"))
    return [
        shared,
        value,
        *sides,
        await run.step(keyed, f"{word} third"),
        await run.step(keyed_in_loop, f"{word} last"),
    ]


@ms.workflow
async def gather_with_race(run: ms.Run) -> list[str]:
    """Three at once: the first wins, the others are abandoned; two more are gathered."""

    async def race() -> str:
        racers = [
            asyncio.ensure_future(run.step(keyed, "left")),
            asyncio.ensure_future(run.step(keyed_in_loop, "right")),
            asyncio.ensure_future(run.step(endless, "never")),
        ]
        done, lost = await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
        for loser in lost:
            loser.cancel()
        winner = next(racer for racer in racers if racer in done).result()
        return await run.step(keyed, f"prize for {winner}")

    return list(await asyncio.gather(race(), run.step(keyed_in_loop, "beside"), run.step(keyed, "aside")))


@ms.workflow
async def group_with_error(run: ms.Run) -> str:
    """A TaskGroup in which one fails: the others are cancelled, then something else is done."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(run.step(keyed_in_loop, "member"))
            group.create_task(run.step(refused, "trouble"))
            group.create_task(run.step(endless, "cancelled member"))
    except* ms.StepFailed:
        pass
    return await run.step(keyed, "amends")


@ms.workflow
async def step_with_timeout(run: ms.Run) -> str:
    """asyncio.timeout around a step that does not end."""
    try:
        async with asyncio.timeout(0.05):
            await run.step(endless, "too slow")
    except TimeoutError:
        return await run.step(keyed, "in its place")
    return "no time-out"


@ms.workflow
async def silent_step(run: ms.Run) -> list[str]:
    """A step that falls silent in its first attempt, beside one that works."""
    quiet = run.options(heartbeat="100ms", retry=QUICK_RETRY).step(silent, "silent")
    return list(await asyncio.gather(quiet, run.step(keyed, "beside the silent one")))


@ms.workflow
async def map_with_bad_items(run: ms.Run) -> list[int | str]:
    """Fifty items, ten at a time; two cannot be done."""
    found = await run.map(loaded, range(50), concurrency=10, on_error="collect")
    return [f"bad {result.index}" if isinstance(result, ms.ItemFailed) else result for result in found]


@ms.workflow
async def ship(run: ms.Run, order: int) -> str:
    """The child of the next one."""
    await run.step(keyed, f"label {order}")
    return await run.step(keyed_in_loop, f"parcel {order}")


@ms.workflow
async def cancelled_run(run: ms.Run) -> None:
    """Cleans up with two steps and a wait after it was cancelled."""
    try:
        await run.step(keyed_in_loop, "work")
        await run.event("never")
    finally:
        await run.step(keyed, "tidied")
        await asyncio.sleep(0.01)
        await run.step(keyed_in_loop, "tidied again")


@ms.workflow
async def changed_code(run: ms.Run) -> str:
    """Asks for the version of a change between its steps, and in a branch beside one."""
    await run.step(keyed_in_loop, "before the change")
    version, _ = await asyncio.gather(run.version("by-card", 2), run.step(keyed, "beside it"))
    return await run.step(keyed_in_loop, f"side {version}")


@ms.workflow(concurrency=1, per="{key}")
async def limited(run: ms.Run, key: str, number: int) -> int:
    """The children of the next one: one at a time."""
    await run.step(keyed_in_loop, f"limited {number}")
    return number


@ms.workflow
async def limited_children(run: ms.Run) -> list[int]:
    """Waits for two children that share one slot."""
    return list(await asyncio.gather(*(run.child(limited, "one", number) for number in range(2))))


@ms.workflow(rate="1/100ms", per="{key}")
async def paced(run: ms.Run, key: str, number: int) -> str:
    """The children of the next one: one in 100 ms, with the headers of their parent."""
    await run.step(keyed_in_loop, f"paced {number}")
    return run.headers["tenant"]


@ms.workflow
async def paced_children(run: ms.Run) -> list[str]:
    """Waits for three children, each due 100 ms after the one before."""
    return list(await asyncio.gather(*(run.child(paced, "one", number) for number in range(3))))


@ms.task(debounce="200ms")
async def settled_page(text: str = "one") -> str:
    """Waits for later starts, which replace its input."""
    return await keyed_in_loop(text)


@ms.task(throttle="2/1h")
async def throttled_task(text: str = "first") -> str:
    """May be started twice."""
    return await keyed_in_loop(text)


@ms.workflow(concurrency=1, cancel_in_progress=True)
async def newest_run(run: ms.Run) -> str:
    """Is replaced while it waits."""
    await run.step(keyed_in_loop, f"begun {run.id}")
    return (await run.event("paid", within="30s")).name


async def large_page(name: str, before: str = "") -> str:
    """One effect, and a value that is stored by reference."""
    effect(name)
    return before + name * 1_000


@ms.workflow
async def reverse_page(run: ms.Run, page: str) -> str:
    """The child of the next one."""
    return page[::-1]


@ms.workflow
async def large_values(run: ms.Run) -> int:
    """Passes large values from step to step, to a child and back."""
    page = await run.step(large_page, "one")
    pages = await run.step(large_page, "two", page)
    return len(await run.child("reverse_page", pages))


def file_page(name: str, before: ms.FileRef | None = None) -> ms.FileRef:
    """One effect, and a file of two chunks."""
    effect(name)
    first = b"" if before is None else before.open().read(1_000)
    return ms.FileRef.put(io.BytesIO(first + name.encode() * 1_500_000), name=name)


@ms.workflow
async def read_file(run: ms.Run, file: ms.FileRef) -> int:
    """The child of the next one."""
    return await run.step(file_size, file)


def file_size(file: ms.FileRef) -> int:
    """Read all of a file."""
    effect("size")
    return len(file.open().read())


@ms.workflow
async def large_files(run: ms.Run) -> int:
    """Passes files from step to step, and to a child."""
    page = await run.step(file_page, "one")
    pages = await run.step(file_page, "two", page)
    return await run.child("read_file", pages)


async def spoken(words: list[str]) -> int:
    """Words in a stream, committed one after the other."""
    effect("spoken")
    out = ms.stream("words")
    for word in words:
        out.write(word)
        await out.flush()
    return len(words)


@ms.workflow
async def streamed(run: ms.Run) -> int:
    """Records of steps and of the body, with a wait between them."""
    status = run.stream("status")
    status.write("begin")
    first = await run.step(spoken, ["a", "b"])
    status.write(first)
    await asyncio.sleep(0.01)
    second = await run.options(isolate="process").step(spoken_by_child, ["c", "d"])
    status.write("end")
    return first + second


def spoken_by_child(words: list[str]) -> int:
    """The same in a child process."""
    effect("spoken by a child")
    out = ms.stream("words")
    for word in words:
        out.write(word)
    out.flush()
    return len(words)


@ms.workflow
async def spread_steps(run: ms.Run) -> list[str]:
    """A step in a queue of its own, and items that any worker may take: each is a run."""
    first = await run.options(queue="other").step(keyed, "elsewhere")
    return [first, *await run.map(keyed_in_loop, ["item 1", "item 2"], spread=True)]


@ms.workflow
async def failing_child(run: ms.Run) -> str:
    """The child of the next one: its only attempt is refused twice, so that the run itself is retried."""
    await run.step(keyed_in_loop, "before the failure")
    return await run.options(retry=1).step(busy, "crowd")


@ms.workflow
async def retried_child(run: ms.Run) -> str:
    """Waits for a child that fails twice and continues by itself."""
    return await run.options(retry=ms.Retry(3, initial="10ms", max="10ms")).child(failing_child)


@ms.workflow
async def booked_leg(run: ms.Run, name: str) -> str:
    """The child of the next one."""
    await run.options(undo=take_back).step(keyed, name)
    return name


@ms.workflow
async def rollback_over_children(run: ms.Run) -> None:
    """A step, two children, one with an undo function, and a rollback of all."""
    await run.options(undo=take_back).step(keyed, "one")
    await run.options(name="own leg").child(booked_leg, "two")
    await run.options(undo=take_back).child(booked_leg, "three")
    await run.rollback("enough")


@ms.workflow(key="the only one")
async def replaced_run(run: ms.Run) -> str:
    """Waits; when it is replaced, it cleans up. The run that replaces it receives the event."""
    try:
        await run.event("paid", within="1h")
        return await run.step(keyed, "paid")
    except asyncio.CancelledError:
        await run.step(keyed, "tidied")
        raise


@ms.workflow
async def parcel_service(run: ms.Run, order: int) -> None:
    """A run with its own life, which outlives the one that started it."""
    await run.event("delivered", where={"order": order})


@ms.workflow
async def started_runs(run: ms.Run) -> str:
    """A run of its own between two steps, and another one in a task that no one awaits, as the last act."""
    await run.step(keyed_in_loop, "before the start")
    parcel = await run.start(parcel_service, 8)
    await run.step(keyed, "after the start")
    last = asyncio.create_task(run.start(parcel_service, 9))
    return f"parcel {'new' if parcel.created and not last.done() else 'old'}"


@ms.workflow
async def child_with_key(run: ms.Run) -> str:
    """A child that is known by a key."""
    await run.step(keyed_in_loop, "before the child")
    parcel = await run.options(run_key="ship:7").child(ship, 7)
    return await run.step(keyed_in_loop, f"after {parcel}")


@ms.workflow
async def sleep_and_event(run: ms.Run) -> str:
    """A durable sleep, an event, another step."""
    await run.step(keyed_in_loop, "before the sleep")
    await asyncio.sleep(0.03)
    paid = await run.event("paid", where={"id": 7}, within="1h")
    return await run.step(keyed, f"paid {paid.amount}")


@ms.workflow
async def ask_and_answer(run: ms.Run) -> str:
    """A question to a person between two steps."""
    await run.step(keyed_in_loop, "before the question")
    answer = await run.ask("Go on?", choices=["yes", "no"], within="1h")
    return await run.step(keyed, f"they said {answer}")


@dataclass
class Approval:
    """What a person fills in."""

    amount: int
    comment: str = ""


@ms.workflow
async def fill_in_form(run: ms.Run) -> str:
    """Two named questions at once, one of them a form; the note is read after both."""
    form = run.ask("How much?", form=Approval, name="approval", assignee="finance", remind="1h", within="1h")
    approval, word = await asyncio.gather(form, run.ask("Go on?", name="word", within="1h"))
    return await run.step(keyed, f"{word} {approval.amount} {run.answers['approval'].note}")


@ms.workflow
async def rollback(run: ms.Run) -> str:
    """Three steps that are undone, newest first."""
    for name in ("one", "two", "three"):
        await run.options(undo=take_back).step(keyed, name)
    return await run.rollback("not wanted any more")


async def unsure(name: str) -> str:
    """An effect, then an error that leaves open whether it happened."""
    effect(name, kind="raw")
    raise ConnectionResetError(name)


@ms.workflow(on_cancel="undo")
async def undone_run(run: ms.Run) -> str:
    """Two steps, one in doubt that stops the run; cancelled there, what it did is undone."""
    for name in ("one", "two"):
        await run.options(undo=take_back).step(keyed, name)
    return await run.options(delivery="at_most_once", undo=take_back).step(unsure, "three")


@ms.workflow
async def at_most_once(run: ms.Run) -> str:
    """An effect without a key, between two with one."""
    await run.step(keyed_in_loop, "before the bet")
    bet = await run.options(delivery="at_most_once").step(once, "bet")
    return await run.step(keyed_in_loop, f"after the {bet}")


@ms.workflow
async def transactional(run: ms.Run) -> list[int]:
    """Two effects in the user's own database."""
    first = await run.options(delivery="transactional").step(booked, "room")
    await run.step(keyed_in_loop, "between the bookings")
    second = await run.options(delivery="transactional").step(booked, "flight")
    return [first, second]


@ms.workflow
async def child_process(run: ms.Run) -> int:
    """A plain function in a child process that keeps checkpoints."""
    parts = await run.options(isolate="process").step(in_parts, 4)
    await run.step(keyed_in_loop, "all parts")
    return parts


@ms.workflow
async def retry_after(run: ms.Run) -> str:
    """A step that is refused twice and told when to come back."""
    await run.step(keyed_in_loop, "before the rush")
    return await run.options(retry=QUICK_RETRY).step(busy, "rush")


ms.script(
    "script_with_children",
    ["sh", str(Path(__file__).with_name("with_children.sh"))],
)


def send_by_flag(n: int) -> str:
    """An effect on the side that the flag gives to this run."""
    side = "new" if ms.flag("mailer", by="ann") else "old"
    effect(f"mail {n} {side}")
    return side


async def send_by_flag_in_loop(n: int) -> str:
    """The same in the worker's loop."""
    side = "new" if await ms.flag_async("mailer", by="ann") else "old"
    effect(f"mail {n} {side}")
    return side


@ms.workflow
async def flagged(run: ms.Run) -> list[str]:
    """Asks for a flag in the body, in a thread, in the loop, in a child process, and again."""
    sides = ["new" if await run.flag("mailer", by="ann") else "old"]
    sides.append(await run.step(send_by_flag, 1))
    sides.append(await run.step(send_by_flag_in_loop, 2))
    sides.append(await run.options(isolate="process").step(send_by_flag, 3))
    return [*sides, "new" if await run.flag("mailer", by="ann") else "old"]


@ms.workflow
async def ledger_person(run: ms.Run) -> list[str]:
    """Two steps that want the same effect; a person settles its doubts."""
    return await charge_twice(run, "person")


@ms.workflow
async def ledger_keyed(run: ms.Run) -> list[str]:
    """The same, with a target that drops duplicate keys."""
    return await charge_twice(run, "keyed")


@ms.workflow
async def ledger_check(run: ms.Run) -> list[str]:
    """The same, with a target that can be asked."""
    return await charge_twice(run, "check")


async def charge_twice(run: ms.Run, recovery: str) -> list[str]:
    """Ask for the effect in a thread and in the loop."""
    quick = run.options(retry=QUICK_RETRY)
    return [await quick.step(perform_once, recovery, "x"), await quick.step(perform_once_in_loop, recovery, "x")]
