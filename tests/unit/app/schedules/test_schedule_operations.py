"""`app.schedules`, `ms.schedules` and `client.schedules`: the operations on schedules from Python."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

import mainspring as ms
from mainspring.app import program_schedules
from mainspring.app.project import Project
from mainspring.app.remote.api_errors import DeniedError
from mainspring.app.remote.client import Client
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.errors import (
    AlreadyExistsError,
    ArgumentError,
    ConflictError,
    NotFoundError,
    OptionError,
    UnknownNameError,
    ValueRefusedError,
)
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.engine.definitions.registry import Registry
from mainspring.store.read.status.status import audit_rows
from tests.api_world import announce, sqlite_world

CONFIG = """
[project]
timezone = "Europe/Berlin"

[calendars.banks]
weekdays = ["MON-THU"]
"""


class Jobs:
    """The automations of the tests, in a registry of their own."""

    def __init__(self) -> None:
        with Registry() as self.registry:

            @ms.task(misfire="last")
            def report(customer: str = "none") -> str:
                return customer

            @ms.task(retry=ms.Retry(attempts=3, initial="1ms", max="1ms"), isolate="thread")
            def enrol(customer: str) -> int:
                """Create a schedule, and fail once after it."""
                info = ms.schedules.create(customer, "report", every="1h", input={"customer": customer}, reason="enrol")
                if ms.attempt() == 1:
                    raise ms.Transient("again")
                return info.version or 0

            @ms.task(retry=ms.Retry(attempts=3, initial="1ms", max="1ms"), isolate="thread")
            def catch_up(customer: str) -> int:
                """Read the version again after a refusal."""
                expected = (ms.schedules.get(customer).version or 0) - (ms.attempt() == 1)
                try:
                    return ms.schedules.change(customer, every="2h", expected=expected).version or 0
                except ConflictError as error:
                    raise ms.Transient("someone else was faster") from error

            @ms.workflow
            async def in_body(run: ms.Run) -> None:
                ms.schedules.create("acme", "report", every="1h")

        self.report, self.enrol, self.catch_up, self.in_body = report, enrol, catch_up, in_body


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def app(url: str, jobs: Jobs) -> Iterator[ms.App]:
    made = ms.App(url, registry=jobs.registry)
    yield made
    made.close()


@pytest.fixture
def program(app: ms.App, url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The project of this program."""
    (tmp_path / "mainspring.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAINSPRING_STORE_URL", url)
    monkeypatch.setattr(program_schedules, "_apps", {})
    Project.find()
    yield
    for made in program_schedules._apps.values():
        made.close()


def announced(app: ms.App) -> None:
    """Let a worker announce the automations, and end."""

    async def work() -> None:
        async with app.running(schedules=False):
            pass

    asyncio.run(work())


def test_schedule_created_in_a_program_starts_runs_of_a_worker_that_runs(app: ms.App, jobs: Jobs) -> None:
    """Within seconds, with its input and tags."""

    async def work() -> tuple[ms.ScheduleInfo, ms.RunInfo, Any]:
        async with app.running():
            info = await app.schedules.create("acme", jobs.report, every="1s", input={"customer": "acme"}, tags=["vip"])
            async with asyncio.timeout(60):
                while not (found := await app.runs.list(name="report", state="succeeded", tag={"vip": ""})):
                    await asyncio.sleep(0.05)
            return info, found[-1], await app.handle(found[-1].id).result()

    info, run, result = asyncio.run(work())
    assert (info.name, info.automation, info.origin, info.when, info.version) == (
        "acme", "report", "created", "every 1s; tags vip", 1,
    )  # fmt: skip
    assert isinstance(info.next_at, datetime)
    assert (run.trigger, result) == ("schedule acme", "acme")


def test_schedule_is_changed_paused_resumed_and_deleted(app: ms.App, jobs: Jobs) -> None:
    """From Python, each with its blocking twin; None clears an option."""
    announced(app)

    async def first() -> list[ms.ScheduleInfo]:
        made = await app.schedules.create(
            "acme", "report", cron="0 3 * * *", tz="Europe/Berlin", jitter=timedelta(minutes=5)
        )
        changed = await app.schedules.change("acme", every="2h", jitter=None, expected=1)
        return [made, changed, await app.schedules.pause("acme", "audit"), await app.schedules.get("acme")]

    made, changed, paused, known = asyncio.run(first())
    assert (made.when, changed.when) == ("every day at 03:00 (Europe/Berlin); jitter 5m", "every 2h")
    assert (paused.state, paused.next_at, paused.version) == ("paused", None, 3)
    assert known == paused
    assert app.schedules.resume_sync("acme", expected=3).state == "active"
    assert app.schedules.change_sync("acme", overlap="queue").when == "every 2h; overlap queue"
    assert app.schedules.pause_sync("acme").version == 6
    assert [info.name for info in app.schedules.list_sync(jobs.report)] == ["acme"]
    assert app.schedules.get_sync("acme").version == 6
    app.schedules.delete_sync("acme", "over")
    assert app.schedules.list_sync() == []
    assert app.schedules.create_sync("acme", "report", every="1h").version == 8
    rows = [row for row in audit_rows(app.open_store().reader) if row.subject == "schedule:acme"]
    assert [(row.verb, row.reason) for row in rows][1:4] == [("delete", "over"), ("pause", None), ("change", None)]
    assert all(row.actor.startswith("app:") for row in rows)


def test_refusals_are_errors_that_name_the_fix(app: ms.App, jobs: Jobs) -> None:
    """Each kind has its class."""
    announced(app)
    create = app.schedules.create_sync
    with pytest.raises(NotFoundError, match="unknown automation 'reprot'"):
        create("acme", "reprot", every="1h")
    with pytest.raises(OptionError, match="61"):
        create("acme", "report", cron="61 * * * *")
    with pytest.raises(OptionError, match="unknown time zone"):
        create("acme", "report", cron="0 3 * * *", tz="Mars/Base")
    with pytest.raises(UnknownNameError, match="option of schedule 'acme': 'crom'"):
        create("acme", "report", crom="0 3 * * *")  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match="client"):
        create("acme", "report", every="1h", input={"client": "acme"})
    with pytest.raises(ValueRefusedError, match=r"262,144|256 KiB"):
        create("acme", "report", every="1h", input={"customer": "x" * 300_000})
    with pytest.raises(AlreadyExistsError, match="name of an automation"):
        create("enrol", "report", every="1h")
    create("acme", "report", every="1h")
    with pytest.raises(AlreadyExistsError, match="there is a schedule 'acme' already"):
        create("acme", "report", every="1h")
    with pytest.raises(ConflictError, match=r"version 1 \(expected 7\)"):
        app.schedules.change_sync("acme", every="2h", expected=7)
    with pytest.raises(NotFoundError, match="no schedule 'best'"):
        app.schedules.get_sync("best")
    with pytest.raises(NotFoundError, match="no schedule 'best'"):
        app.schedules.delete_sync("best")

    async def blocked() -> None:
        app.schedules.get_sync("acme")

    with pytest.raises(ConflictError, match=r"app\.schedules\.get_sync blocks") as refused:
        asyncio.run(blocked())
    assert refused.value.hint == "Write instead: await app.schedules.get(...)"


def test_command_id_of_the_caller_counts_once(app: ms.App, jobs: Jobs) -> None:
    """A repeated call gets the first answer."""
    announced(app)
    for _ in range(2):
        assert app.schedules.create_sync("acme", "report", every="1h", command="c1").version == 1


def test_program_uses_its_project(app: ms.App, jobs: Jobs, program: None) -> None:
    """Its store, its time zone and its calendars."""
    announced(app)
    info = ms.schedules.create("acme", jobs.report, cron="0 3 * * *", calendar="banks", reason="contract")
    assert info.when == "every day at 03:00 (Europe/Berlin), on days of banks"
    assert (
        ms.schedules.change("acme", at="06:00", expected=1).when
        == "every day at 06:00 (Europe/Berlin), on days of banks"
    )
    assert ms.schedules.pause("acme").state == "paused"
    assert ms.schedules.resume("acme").state == "active"
    assert ms.schedules.get("acme").version == 4
    ms.schedules.delete("acme")
    assert ms.schedules.list() == []
    with pytest.raises(OptionError, match="unknown calendar 'bank'"):
        ms.schedules.create("acme", "report", cron="0 3 * * *", calendar="bank")


def test_creation_in_a_step_counts_once_for_all_attempts(app: ms.App, jobs: Jobs, program: None) -> None:
    """The second attempt gets the schedule that the first one created."""

    async def work() -> int:
        async with app.running(schedules=False):
            return await (await app.start(jobs.enrol, "acme")).result()

    assert asyncio.run(work()) == 1
    rows = [row for row in audit_rows(app.open_store().reader) if row.subject == "schedule:acme"]
    assert [(row.verb, row.reason) for row in rows] == [("create", "enrol")]


def test_refusal_in_a_step_does_not_count_for_the_next_attempt(app: ms.App, jobs: Jobs, program: None) -> None:
    """It reads the schedule again, and its operation is a new one."""
    announced(app)
    ms.schedules.create("acme", "report", every="1h")

    async def work() -> int:
        async with app.running(schedules=False):
            return await (await app.start(jobs.catch_up, "acme")).result()

    assert asyncio.run(work()) == 2
    assert ms.schedules.get("acme").when == "every 2h"


def test_body_of_a_workflow_may_not_call_it(app: ms.App, jobs: Jobs, program: None) -> None:
    """The error shows the form that is right."""

    async def work() -> None:
        async with app.running(schedules=False):
            await (await app.start(jobs.in_body)).result()

    with pytest.raises(RunFailed, match=r"schedules\.create\(\)"):
        asyncio.run(work())


def test_client_of_another_project_has_the_same_operations(tmp_path: Any) -> None:
    """By the rights of its token."""
    world = sqlite_world(tmp_path)
    announce(world.store, Definition(kind=DefinitionKind.TASK, name="report"))

    async def work() -> list[Any]:
        async with Client("http://here", token="olga", transport=httpx2.ASGITransport(world.api)) as client:
            made = await client.schedules.create(
                "a/b", "report", every=timedelta(minutes=15), tags=["vip"], reason="new"
            )
            changed = await client.schedules.change("a/b", at=datetime(2990, 1, 1, tzinfo=UTC), tags=None, expected=1)
            paused = await client.schedules.pause("a/b")
            resumed = await client.schedules.resume("a/b", expected=3)
            listed = await client.schedules.list("report")
            with pytest.raises(ConflictError, match="expected 1"):
                await client.schedules.delete("a/b", expected=1)
            await client.schedules.delete("a/b")
            with pytest.raises(NotFoundError):
                await client.schedules.get("a/b")
        async with Client("http://here", token="vic", transport=httpx2.ASGITransport(world.api)) as client:
            with pytest.raises(DeniedError):
                await client.schedules.create("a/b", "report", every="1h", input={})
        return [made, changed, paused, resumed, listed]

    made, changed, paused, resumed, listed = asyncio.run(work())
    assert (made.when, made.version) == ("every 15m; tags vip", 1)
    assert changed.when.startswith("once at 2990-01-01 00:00:00+00:00")
    assert (paused.state, resumed.state, listed) == ("paused", "active", [resumed])
    assert isinstance(resumed.next_at, datetime)
    world.api.close()
    world.store.close()
