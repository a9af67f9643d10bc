"""Examples of the reference: what a workflow calls on its run."""

import asyncio
import io
from dataclasses import dataclass
from typing import Literal

import pytest

import mainspring as ms
from mainspring.domain.errors import ConflictError
from tests.reference.documented import documents


@documents("Run", "Run.step", "Run.options")
def test_run_step(app):
    """Request a durable step; options of one call stand before it."""

    def charge(order: int, cents: int) -> str:
        return f"payment {order}"

    def refund(order: int, cents: int, result: str | None = None) -> None: ...

    @ms.workflow
    async def settle(run: ms.Run, order: int) -> str:
        await run.step(charge, order, 100)
        return await run.options(undo=refund, timeout="30s", isolate="thread", key=f"rest:{order}").step(
            charge, order, 900
        )

    assert app.run(settle, 7) == "payment 7"


@documents("FileRef", "FileRef.put", "FileRef.open", "FileRef.save_to", "App.put_file_sync")
def test_file_ref(app, tmp_path):
    """Pass a file of any size. Its bytes are read only where code opens it."""

    def render(template: ms.FileRef, pages: int) -> ms.FileRef:
        path = tmp_path / "report.txt"
        with template.open() as file:
            path.write_bytes(file.read() * pages)
        return ms.FileRef.put(path)

    @ms.workflow
    async def report(run: ms.Run, template: ms.FileRef, pages: int) -> ms.FileRef:
        return await run.step(render, template, pages)

    template = tmp_path / "template.txt"
    template.write_text("page\n")
    made = app.run(report, app.put_file_sync(template), 3)
    assert (made.name, made.size, made.content_type) == ("report.txt", 15, "text/plain")
    assert made.save_to(tmp_path / "copy.txt").read_text() == "page\npage\npage\n"


@documents("Handle.files", "Handle.save_file", "RunFile")
@pytest.mark.asyncio
async def test_run_files(app, tmp_path):
    """List the files of a run, and save one by its number or its name."""

    @ms.task
    def report() -> ms.FileRef:
        return ms.FileRef.put(io.BytesIO(b"page"), name="report.txt")

    async with app.running():
        handle = await app.start(report)
        await handle.result()
        files: list[ms.RunFile] = await handle.files()
        assert [(file.number, file.name, file.size) for file in files] == [(1, "report.txt", 4)]
        path = await handle.save_file("report.txt", tmp_path / "copy.txt")
        assert path.read_text() == "page"


@documents("FileRef.put_async", "FileRef.save_to_async", "App.put_file")
@pytest.mark.asyncio
async def test_file_ref_in_coroutines(app, tmp_path):
    """In `async def` steps and programs: a thread reads and writes."""

    async def pack(source: ms.FileRef) -> ms.FileRef:
        path = await source.save_to_async(tmp_path / "copy")
        return await ms.FileRef.put_async(path, name="packed.bin")

    @ms.task
    async def packing(source: ms.FileRef) -> ms.FileRef:
        return await pack(source)

    async with app.running():
        source = await app.put_file(io.BytesIO(b"data"), name="source.bin")
        packed = await (await app.start(packing, source)).result()
        assert (packed.name, packed.sha256 == source.sha256) == ("packed.bin", True)


@documents("Run.stream", "Run.stream.write", "Handle.stream", "Handle.streams", "StreamRecord")
@pytest.mark.asyncio
async def test_run_stream(app):
    """Write records in the body; a program follows them until the run has ended."""

    @ms.workflow
    async def ship(run: ms.Run) -> None:
        status = run.stream("status")
        status.write("packed")
        await asyncio.sleep(0.001)
        status.write("sent")

    async with app.running():
        handle = await app.start(ship)
        records: list[ms.StreamRecord] = [record async for record in handle.stream("status", type=str)]
        assert [(record.seq, record.value) for record in records] == [(1, "packed"), (2, "sent")]
        assert [view.name for view in await handle.streams()] == ["status"]


@documents("Handle.stream_sync", "Truncated")
def test_stream_of_a_program_without_a_loop(app):
    """Read what is stored from a number on. `Truncated.at` is the first stored number if older ones were deleted."""

    @ms.task
    def count() -> None:
        for number in range(3):
            ms.stream("numbers").write(number)

    app.run(count)
    (run,) = asyncio.run(app.runs.list())
    handle = app.handle(run.id)
    try:
        values = [record.value for record in handle.stream_sync("numbers", since=1)]
    except ms.Truncated as error:
        values = [record.value for record in handle.stream_sync("numbers", since=error.at - 1)]
    assert values == [1, 2]


@documents("Run.child")
def test_run_child(app):
    """Start another automation as a child, wait for its result."""

    @ms.workflow
    async def pack(run: ms.Run, order: int) -> str:
        return f"parcel {order}"

    @ms.workflow
    async def ship(run: ms.Run, order: int) -> str:
        return await run.options(run_key=f"pack:{order}").child(pack, order)

    assert app.run(ship, 7) == "parcel 7"


@documents("Run.start", "StartedRun")
@pytest.mark.asyncio
async def test_run_start(app):
    """Start a run of its own, and do not wait for its end."""

    @ms.workflow
    async def review(run: ms.Run, order: int) -> str:
        return f"review of {order}"

    @ms.workflow
    async def ship(run: ms.Run, order: int) -> str:
        started: ms.StartedRun = await run.start(review, order)
        return started.id

    async with app.running():
        review_id = await (await app.start(ship, 7)).result()
        assert await app.handle(review_id).result() == "review of 7"


@documents("Run.map", "ItemFailed")
def test_run_map(app):
    """One step for each item, 20 at a time. With `collect`, a failed item does not stop the others."""

    def load(number: int) -> int:
        if number == 2:
            raise ms.Permanent("the file is empty")
        return number * 10

    @ms.workflow
    async def load_all(run: ms.Run) -> list[str]:
        results = await run.map(load, [1, 2, 3], concurrency=20, on_error="collect")
        return [f"{row.item}: {row.reason}" if isinstance(row, ms.ItemFailed) else f"{row}" for row in results]

    assert app.run(load_all) == ["10", "2: the file is empty", "30"]


@documents("Run.receive", "App.signal", "Handle.signal")
@pytest.mark.asyncio
async def test_run_receive(app):
    """Wait for a message to this run; its type is checked when it is sent."""

    @ms.workflow
    async def add_up(run: ms.Run) -> int:
        return await run.receive("number", int, within="1h") + await run.receive("number", int)

    async with app.running():
        handle = await app.start(add_up)
        await handle.signal("number", 40)
        await app.signal(handle.id, "number", 2)
        assert await handle.result() == 42


@documents("Run.receive_any", "Run.signal")
@pytest.mark.asyncio
async def test_run_receive_any(app):
    """Wait for the next of several messages; send one to another run, here by its automation and run key."""

    @ms.workflow
    async def parcel_box(run: ms.Run) -> str:
        name, value = await run.receive_any({"open": str, "close": str})
        return f"{name}: {value}"

    @ms.workflow
    async def visitor(run: ms.Run) -> None:
        await run.signal(("parcel_box", "front"), "open", "ana")

    async with app.running():
        handle = await app.options(key="front").start(parcel_box)
        await app.start(visitor)
        assert await handle.result() == "open: ana"


@documents("Run.event", "App.publish")
@pytest.mark.asyncio
async def test_run_event(app):
    """Wait for an event with these values. It may arrive before the run waits for it."""

    @ms.workflow
    async def order(run: ms.Run, number: int) -> int:
        paid = await run.event("payment.settled", where={"order": number}, within="5d")
        return paid.cents

    async with app.running():
        handle = await app.start(order, 7)
        await app.publish("payment.settled", {"order": 8, "cents": 1})
        await app.publish("payment.settled", {"order": 7, "cents": 900}, key="payment-31")
        assert await handle.result() == 900


@documents("Run.ask", "App.answer")
@pytest.mark.asyncio
async def test_run_ask(app):
    """Ask people. Without an answer within the time, the default counts."""

    @ms.workflow
    async def order(run: ms.Run, number: int) -> str:
        return await run.ask(
            f"Ship order {number}?",
            choices=["ship", "refuse"],
            within="24h",
            otherwise="refuse",
            evidence={"cents": 12900},
        )

    async with app.running():
        handle = await app.start(order, 7)
        while await handle.status() is not ms.RunState.WAITING:
            await asyncio.sleep(0.01)
        await app.answer(handle.id, "ship", note="regular customer")
        assert await handle.result() == "ship"


@documents("Run.answers")
@pytest.mark.asyncio
async def test_run_answers(app):
    """A form, and what the person wrote with it."""

    @dataclass
    class Refund:
        """How the customer gets the money back."""

        cents: int
        method: Literal["card", "cash"] = "card"

    @ms.workflow
    async def order(run: ms.Run, number: int) -> str:
        refund = await run.ask(f"Refund order {number}?", form=Refund, name="refund", assignee="finance", remind="4h")
        return f"{refund.cents} by {refund.method}: {run.answers['refund'].note}"

    async with app.running():
        handle = await app.start(order, 7)
        while await handle.status() is not ms.RunState.WAITING:
            await asyncio.sleep(0.01)
        await app.answer(handle.id, {"cents": 500}, "the parcel was late", question="refund")
        assert await handle.result() == "500 by card: the parcel was late"


@documents("App.questions", "App.questions.list", "App.questions.list_sync", "QuestionInfo")
@pytest.mark.asyncio
async def test_app_questions(app):
    """Answer what waits for a team. Without a loop: `app.questions.list_sync(assignee="finance")`."""

    @ms.workflow
    async def buy(run: ms.Run, cents: int) -> str:
        return await run.ask(
            f"Spend {cents}?",
            choices=["yes", "no"],
            name="budget",
            assignee="finance",
            otherwise="no",
            evidence={"team": "it"},
        )

    async with app.running():
        handle = await app.start(buy, 900)
        while not (questions := await app.questions.list(buy, assignee="finance")):
            await asyncio.sleep(0.01)
        (info,) = questions
        assert (info.run_id, info.name, info.text) == (handle.id, "budget", "Spend 900?")
        assert (info.choices, info.otherwise, info.evidence) == (["yes", "no"], "no", {"team": "it"})
        assert await asyncio.to_thread(app.questions.list_sync, "buy") == questions
        await app.answer(info.run_id, "yes", question=info.name)
        assert await handle.result() == "yes"
        assert await app.questions.list() == []


@documents(
    "Run.on_update",
    "Run.updates_done",
    "Run.restart",
    "Handle.update",
    "UpdateFailed",
    "UpdateRejected",
)
@pytest.mark.asyncio
async def test_run_on_update(app):
    """Answer requests from outside; the cart restarts after two changes, so that its journal stays short."""

    @ms.workflow
    async def cart(run: ms.Run, items: list[str]) -> list[str]:
        def require_name(item: str) -> None:
            if not item:
                raise ms.Permanent("an item needs a name")

        @run.on_update("add", validate=require_name)
        def add(item: str) -> int:
            if item == "sold out":
                raise ms.Permanent("no more of this")
            items.append(item)
            return len(items)

        await run.receive("check out")
        await run.updates_done()
        if len(items) < 2:
            run.restart(items)
        return items

    async with app.running():
        handle = await app.start(cart, [])
        assert await handle.update("add", "tea", type=int) == 1
        with pytest.raises(ms.UpdateRejected, match="needs a name"):
            await handle.update("add", "")
        with pytest.raises(ms.UpdateFailed, match="no more of this"):
            await handle.update("add", "sold out")
        await handle.signal("check out")
        assert await handle.update("add", "milk", id="request-9") == 2
        assert await handle.update("add", "milk", id="request-9") == 2  # the same request: the first reply
        await handle.signal("check out")
        assert await handle.result() == ["tea", "milk"]


@documents("RunEnded")
@pytest.mark.asyncio
async def test_run_ended(app):
    """A run that ends before it has accepted an update replies with `RunEnded`."""

    @ms.workflow
    async def account(run: ms.Run) -> None:
        await run.receive("stop")

    async with app.running():
        handle = await app.start(account)
        closing = asyncio.create_task(handle.update("close"))
        await handle.signal("stop")
        with pytest.raises((ms.RunEnded, ConflictError)):  # it arrived before the end, or after it
            await closing


@documents("Run.on_query", "Handle.query", "QueryFailed")
@pytest.mark.asyncio
async def test_run_on_query(app):
    """Answer questions about the state of the workflow, also after its end."""

    @ms.workflow
    async def order(run: ms.Run) -> None:
        @run.on_query("total")
        def total(currency: str) -> str:
            if currency != "EUR":
                raise ms.Permanent("only EUR")
            return f"12.90 {currency}"

    async with app.running():
        handle = await app.start(order)
        await handle.result()
        assert await handle.query("total", "EUR", type=str, within="10s") == "12.90 EUR"
        with pytest.raises(ms.QueryFailed, match="only EUR"):
            await handle.query("total", "XYZ")


@documents("Run.flag")
def test_run_flag(app):
    """Read a flag once for the whole run. Without such a flag the default counts."""

    @ms.workflow
    async def order(run: ms.Run, customer: str) -> str:
        return "new cart" if await run.flag("new-cart", by=customer, default=False) else "old cart"

    assert app.run(order, "ana") == "old cart"


@documents("Run.version")
def test_run_version(app):
    """Change a workflow that has runs in flight: they keep the side on which they began."""

    def check_credit(order: int) -> None: ...

    @ms.workflow
    async def order(run: ms.Run, number: int) -> str:
        if await run.version("credit-check", 2) == 2:
            await run.step(check_credit, number)
            return "checked"
        return "as before"

    assert app.run(order, 7) == "checked"


@documents("Run.rollback", "RunFailed")
def test_run_rollback(app):
    """Undo the steps, newest first, and end the run as failed."""
    ledger = []

    def reserve(order: int) -> None:
        ledger.append("reserve")

    def release(order: int, result: None = None) -> None:
        ledger.append("release")

    @ms.workflow
    async def order(run: ms.Run, number: int) -> None:
        await run.options(undo=release).step(reserve, number)
        await run.rollback("the customer refused")

    with pytest.raises(ms.RunFailed, match="the customer refused"):
        app.run(order, 7)
    assert ledger == ["reserve", "release"]


@documents("Run.shield", "App.cancel")
@pytest.mark.asyncio
async def test_run_shield(app):
    """Clean up although the run is cancelled."""
    ledger = []

    def log_out() -> None:
        ledger.append("logged out")

    @ms.workflow
    async def session(run: ms.Run) -> None:
        try:
            await run.receive("stop")
        finally:
            async with run.shield():
                await run.step(log_out)

    async with app.running():
        handle = await app.start(session)
        while await handle.status() is not ms.RunState.WAITING:
            await asyncio.sleep(0.01)
        await app.cancel(handle.id, "no longer needed")
        with pytest.raises(ms.RunFailed, match="cancelled"):
            await handle.result()
    assert ledger == ["logged out"]


@documents("Run.as_completed")
def test_run_as_completed(app):
    """Use results in the order in which they arrive; each replay gets the same order."""

    def price(shop: str) -> int:
        return len(shop)

    @ms.workflow
    async def compare(run: ms.Run) -> list[int]:
        calls = [run.step(price, shop) for shop in ("north", "south-west")]
        return [cents async for cents in run.as_completed(calls)]

    assert sorted(app.run(compare)) == [5, 10]


@documents("Run.now", "Run.uuid", "Run.random")
def test_run_values(app):
    """Time, ids and random numbers that are the same in each replay."""

    @ms.workflow
    async def draw(run: ms.Run) -> tuple[str, str, bool]:
        return run.now().isoformat(), str(run.uuid()), run.random() < 1

    now, ticket, is_below_one = app.run(draw)
    assert now.endswith("+00:00")
    assert len(ticket) == 36
    assert is_below_one


@documents("Run.id", "Run.automation", "Run.key", "Run.slot", "Run.deadline")
@pytest.mark.asyncio
async def test_run_facts(app):
    """What a run knows of itself. `slot` is the due time of its schedule, None for other runs."""

    @ms.workflow(deadline="1h")
    async def order(run: ms.Run) -> list[str | None]:
        assert run.deadline is not None
        assert run.deadline > run.now()
        assert run.slot is None
        return [run.id, run.automation, run.key]

    async with app.running():
        handle = await app.options(key="order:7").start(order)
        assert await handle.result() == [handle.id, "order", "order:7"]


@documents(
    "Run.tag",
    "Run.publish_state",
    "Run.progress",
    "Run.log",
    "Run.log.debug",
    "Run.log.info",
    "Run.log.warning",
    "Run.log.error",
    "Handle.published",
)
@pytest.mark.asyncio
async def test_run_notes(app):
    """Tags to find a run by, a state to read from outside, progress, and a log."""

    @dataclass
    class Stage:
        name: str
        files: int

    @ms.workflow
    async def load(run: ms.Run, customer: str) -> None:
        run.tag(customer=customer)
        run.progress(1, 3)
        run.log.info("the import begins", customer=customer)
        run.log.debug("the folder has 3 files")
        run.log.warning("one file is empty")
        run.log.error("one file is damaged")
        run.publish_state(Stage("reading", 3))

    async with app.running():
        handle = await app.start(load, "acme")
        await handle.result()
        assert await handle.published(Stage) == Stage("reading", 3)
        assert await app.runs.count(tag={"customer": "acme"}) == 1
