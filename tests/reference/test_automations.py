"""Examples of the reference: declarations of automations and steps, and their triggers."""

import asyncio
from pathlib import Path

import pytest

import mainspring as ms
from tests.reference.documented import documents


@documents("__version__")
def test_version():
    """Read the version of Mainspring."""
    assert ms.__version__.count(".") == 2


@documents("task")
def test_task(app):
    """A task is one durable step: it can be started, scheduled and watched."""

    @ms.task(retry=ms.Retry(attempts=5), owner="ana")
    def double(n: int) -> int:
        return 2 * n

    assert app.run(double, 21) == 42
    assert double(21) == 42  # in a unit test: a plain call


@documents("workflow")
def test_workflow(app):
    """A workflow calls steps. Its first parameter is the run."""

    def charge(order: int) -> str:
        return f"payment {order}"

    @ms.workflow(deadline="30d", key="order:{order}")
    async def settle(run: ms.Run, order: int) -> str:
        return await run.step(charge, order)

    assert app.run(settle, 7) == "payment 7"


@documents("step")
def test_step(app):
    """A step is a plain function. The decorator only attaches options, which hold in each workflow."""

    @ms.step(retry=ms.Retry(attempts=8), isolate="thread", name="charge-card")
    def charge(order: int) -> str:
        return f"payment {order}"

    @ms.workflow
    async def settle(run: ms.Run, order: int) -> str:
        return await run.step(charge, order)

    assert app.run(settle, 7) == "payment 7"
    assert charge(8) == "payment 8"  # in a unit test: a plain call


@documents("script")
def test_script(app):
    """A command with a schedule, retries, and files that it has to produce."""
    report = ms.script("report", ["sh", "-c", "echo 3 orders"], cron="0 6 * * *", tz="Europe/Berlin", retry=3)

    assert app.run(report)["tail"] == "3 orders\n"


@documents("action")
def test_action(app):
    """An effect with a name happens once, also if another run or program requests it again."""
    sent = []

    @ms.action(once="invoice:{number}")
    def send_invoice(number: int) -> str:
        sent.append(number)
        return f"mail {number}"

    @ms.workflow
    async def bill(run: ms.Run, number: int) -> str:
        return await run.step(send_invoice, number)

    assert app.run(bill, 7) == "mail 7"
    assert app.run(bill, 7) == "mail 7"
    assert sent == [7]


@documents("on", "on.cron", "on.every")
def test_schedules():
    """Start at the times of a cron expression, and every 15 minutes."""

    @ms.on.cron("0 3 * * *", tz="Europe/Berlin")
    @ms.on.every("15m")
    @ms.task
    def synchronize() -> None: ...

    assert [schedule.tz for schedule in synchronize.definition.schedules] == ["UTC", "Europe/Berlin"]


@documents("on.event")
@pytest.mark.asyncio
async def test_on_event(app):
    """Start for each event of a name whose data has these values."""

    @ms.on.event("orders.paid", where={"country": "DE"})
    @ms.task
    def invoice(paid: ms.Event) -> int:
        return paid.data["order"]

    async with app.running():
        await app.publish("orders.paid", {"order": 7, "country": "DE"})
        await app.publish("orders.paid", {"order": 8, "country": "FR"})
        while not await app.runs.count(name="invoice", state="succeeded"):
            await asyncio.sleep(0.01)
        assert await app.runs.count(name="invoice") == 1


@documents("on.webhook", "verify", "verify.github")
def test_on_webhook():
    """Start for each signed request. The secret is named, never written."""

    @ms.on.webhook("/github", verify=ms.verify.github("GITHUB_HOOK"), key="{headers.x-github-delivery}")
    @ms.task
    def build(push: ms.Event) -> str:
        return push.data["after"]

    assert build.definition.triggers


@documents(
    "verify.bearer",
    "verify.gitlab",
    "verify.hmac",
    "verify.none",
    "verify.slack",
    "verify.standard",
    "verify.stripe",
)
def test_verifiers():
    """Each kind of sender has its verifier. With two secrets, the old and the new one are valid during a rotation."""
    verifiers = [
        ms.verify.bearer("TOKEN"),
        ms.verify.gitlab("GITLAB_HOOK"),
        ms.verify.hmac("OLD_HOOK", "NEW_HOOK", header="X-Signature"),
        ms.verify.none(),  # anyone may send: only for networks that you trust
        ms.verify.slack("SLACK_HOOK"),
        ms.verify.standard("STANDARD_HOOK"),
        ms.verify.stripe("STRIPE_HOOK"),
    ]

    assert [verifier.kind for verifier in verifiers][:3] == ["bearer", "gitlab", "hmac"]


@documents("on.queue")
def test_on_queue():
    """Start for each message of a broker's queue; messages of one customer in their order."""

    @ms.on.queue("nats://localhost:4222/ORDERS?subject=orders.new", partition="{body.customer}", max_deliveries=5)
    @ms.task
    def accept(order: ms.Event) -> int:
        return order.data["number"]

    assert accept.definition.triggers


@documents("on.files", "File", "File.name", "File.as_path")
@pytest.mark.asyncio
async def test_on_files(app):
    """Start for each file that appears in a folder, and move it when it is done."""
    inbox = Path("inbox").resolve()
    inbox.mkdir()

    @ms.on.files(str(inbox), pattern="*.csv", settle="0s", every="100ms", after_success="done")
    @ms.task
    def load(file: ms.File) -> tuple[str, int]:
        return file.name, len(file.as_path().read_text().splitlines())

    (inbox / "orders.csv").write_text("7\n8\n")
    async with app.running():
        while not (ended := await app.runs.list(name="load", state="succeeded")):
            await asyncio.sleep(0.01)
        assert await app.handle(ended[0].id).result() == ("orders.csv", 2)


@documents("on.run", "on.runs")
@pytest.mark.asyncio
async def test_on_runs(app):
    """Start when another automation ends, and when several have succeeded under one run key."""

    @ms.task
    def extract() -> int:
        return 3

    @ms.on.run("extract", state=["succeeded", "failed"])
    @ms.task
    def report(end: ms.Event) -> str:
        return end.data["state"]

    @ms.on.runs(["extract", "check"], per="key", within="2h")
    @ms.task
    def load(ends: ms.Event) -> None: ...

    @ms.task
    def check() -> None: ...

    async with app.running():
        await (await app.options(key="monday").start(extract)).result()
        await (await app.options(key="monday").start(check)).result()
        while await app.runs.count(name=["report", "load"], state="succeeded") < 2:
            await asyncio.sleep(0.01)


@documents("Event")
def test_event():
    """An event; its attributes are the fields of its data."""
    paid = ms.Event("orders.paid", {"order": 7, "cents": 12900})

    assert (paid.name, paid.order, paid.data["cents"]) == ("orders.paid", 7, 12900)
