"""Examples of the reference: programs elsewhere, which call the API of a project."""

import asyncio
import io

import pytest

import mainspring as ms
from tests.reference.documented import documents


@documents("connect")
@pytest.mark.asyncio
async def test_connect():
    """Return a client of a project. An admin of the project makes the token."""
    client = ms.connect("https://ops.example.com", token="mst_example")
    assert client.url == "https://ops.example.com"
    await client.close()


@documents(
    "Client",
    "Client.start",
    "Client.options",
    "Client.run",
    "Client.close",
    "RemoteStarter",
    "RemoteStarter.start",
    "RemoteHandle",
    "RemoteHandle.result",
    "RemoteHandle.status",
    "RemoteHandle.view",
)
@pytest.mark.asyncio
async def test_client_start(app, client):
    """Start a run by the name of its automation, and wait for its result."""

    @ms.task
    def double(n: int) -> int:
        return 2 * n

    async with app.running():
        handle = await client.start("double", n=21)
        assert await handle.result(timeout=60, type=int) == 42
        again = await client.options(key="half:21").start("double", n=21)
        assert await client.run(again.id).result() == 42
        assert await handle.status() is ms.RunState.SUCCEEDED
        assert (await handle.view()).result == 42
    await client.close()


@documents(
    "Client.signal",
    "Client.publish",
    "Client.answer",
    "Client.start_with_update",
    "RemoteStarter.start_with_update",
    "RemoteHandle.signal",
    "RemoteHandle.update",
    "RemoteHandle.query",
)
@pytest.mark.asyncio
async def test_client_messages(app, client):
    """Send a run messages, events, answers and requests."""

    @ms.workflow
    async def cart(run: ms.Run) -> list[str]:
        items: list[str] = []

        @run.on_update("add")
        def add(item: str) -> int:
            items.append(item)
            return len(items)

        @run.on_query("items")
        def list_items() -> list[str]:
            return items

        await run.receive("check out")
        address = await run.receive("address", str)
        await run.event("payment.settled", where={"cart": run.key})
        return [*items, address, await run.ask("Ship it?", choices=["ship", "refuse"])]

    async with app.running():
        handle, count = await client.options(key="ana").start_with_update(ms.Update("add", "tea"), "cart")
        assert count == 1
        assert await handle.update("add", "milk") == 2
        assert await handle.query("items") == ["tea", "milk"]
        await handle.signal("check out")
        await client.signal(handle.id, "address", "Main Street 7")
        await client.publish("payment.settled", {"cart": "ana"})
        while not (await client.read("questions"))["items"]:
            await asyncio.sleep(0.01)
        await client.answer(handle.id, "ship")
        assert await handle.result() == ["tea", "milk", "Main Street 7", "ship"]
        _, count = await client.start_with_update(ms.Update("add", "salt"), "cart")  # without a key: another cart
        assert count == 1


@documents(
    "Client.pause",
    "Client.resume",
    "Client.cancel",
    "Client.retry",
    "Client.fork",
    "Client.read",
    "Client.act",
    "Client.read_run",
)
@pytest.mark.asyncio
async def test_client_operations(app, client):
    """Steer runs. `read` and `act` reach every route of the API."""

    @ms.workflow
    async def order(run: ms.Run) -> str:
        return await run.receive("address", str)

    async with app.running():
        handle = await client.start("order")
        await client.pause(handle.id, "the warehouse is closed")
        await client.resume(handle.id)
        await client.signal(handle.id, "address", "Main Street 7")
        assert await handle.result() == "Main Street 7"
        fork = await client.fork(handle.id, None, "read its state again")
        assert await fork.result() == "Main Street 7"
        other = await client.start("order")
        await client.cancel(other.id, "no longer needed")
        with pytest.raises(ms.RunFailed, match="cancelled"):
            await other.result()
        with pytest.raises(ms.MainspringError):
            await client.retry(other.id)  # only failed and halted runs can continue
        page = await client.read("runs", name="order", state="succeeded")
        assert len(page["items"]) == 2
        await client.act("queues/default/pause", {"reason": "the warehouse is closed"})
        assert (await client.read_run(handle.id)).automation == "order"


@documents(
    "Client.schedules",
    "Client.schedules.create",
    "Client.schedules.change",
    "Client.schedules.pause",
    "Client.schedules.resume",
    "Client.schedules.delete",
    "Client.schedules.get",
    "Client.schedules.list",
)
@pytest.mark.asyncio
async def test_client_schedules(app, client):
    """Create a schedule of another project, change it, and delete it."""

    @ms.task
    def report(customer: str) -> None: ...

    async with app.running():
        created = await client.schedules.create("acme", "report", every="1h", input={"customer": "acme"})
        changed = await client.schedules.change("acme", every="2h", expected=created.version)
        assert (changed.version, changed.when) == (2, "every 2h")
        await client.schedules.pause("acme", "unpaid")
        await client.schedules.resume("acme")
        assert (await client.schedules.get("acme")).state == "active"
        assert [info.name for info in await client.schedules.list("report")] == ["acme"]
        await client.schedules.delete("acme")
    await client.close()


@documents("RemoteHandle.stream")
@pytest.mark.asyncio
async def test_remote_stream(app, client):
    """Follow a stream of a run that works elsewhere."""

    @ms.task
    def answer(question: str) -> None:
        for word in question.split():
            ms.stream("tokens").write(word)

    async with app.running():
        handle = await client.start("answer", question="how are you")
        assert [record.value async for record in handle.stream("tokens", type=str)] == ["how", "are", "you"]


@documents("RemoteHandle.files", "RemoteHandle.save_file")
@pytest.mark.asyncio
async def test_client_files(app, client, tmp_path):
    """List the files of a run, and download one."""

    @ms.task
    def report() -> ms.FileRef:
        return ms.FileRef.put(io.BytesIO(b"page"), name="report.txt")

    async with app.running():
        handle = client.run((await app.start(report)).id)
        await handle.result()
        assert [(file.number, file.name) for file in await handle.files()] == [(1, "report.txt")]
        path = await handle.save_file("report.txt", tmp_path / "copy.txt")
        assert path.read_text() == "page"
