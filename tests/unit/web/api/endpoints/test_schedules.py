"""`/schedules`: reads for viewers, operations for operators, each only on schedules of automations that they may see."""

import pytest

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ScheduleRow
from mainspring.store.read.status.status import audit_rows
from tests.api_world import announce, own

ACME = {"automation": "pay", "every": "15m", "input": {"amount": 5}}


def declare(world):
    """Give `backup` a schedule in its code."""
    row = ScheduleRow("backup", "backup", b'{"every":60000}', world.clock.now() + 60_000)
    world.store.apply(AnnounceDefinitions("code-2", (AutomationRow("backup", "script", 1, "f", b"{}"),), (row,)))


@pytest.mark.asyncio
async def test_schedule_is_created_changed_paused_and_deleted(world):
    """Each operation has the next version; null clears an option."""
    created = await world.post("/schedules/acme/create", who="olga", reason="contract", jitter="1m", **ACME)
    assert (created["schedule"]["version"], created["schedule"]["text"]) == (1, "every 15m; jitter 1m")
    changed = await world.post("/schedules/acme/change", who="olga", cron="0 3 * * *", tz="Europe/Berlin", jitter=None)
    assert (changed["schedule"]["before"], changed["schedule"]["text"]) == (
        "every 15m; jitter 1m",
        "every day at 03:00 (Europe/Berlin)",
    )
    await world.post("/schedules/acme/pause", who="olga", reason="audit")
    detail = await world.get("/schedules/acme", who="vic")
    assert (detail["line"]["state"], detail["line"]["origin"], detail["line"]["next_slot_at"]) == (
        "paused",
        "created",
        None,
    )
    assert (detail["paused_by"], detail["pause_reason"], detail["input"]) == ("api:olga", "audit", {"amount": 5})
    await world.post("/schedules/acme/resume", who="olga")
    for _ in range(2):
        deleted = await world.post("/schedules/acme/delete", who="olga", key="d1")
        assert (deleted["schedule"]["version"], deleted["schedule"]["next_slot_at"]) == (5, None)
    assert (await world.get("/schedules"))["items"] == []
    history = await world.get("/schedules/acme/history")
    assert [(entry["verb"], entry["version"]) for entry in history["items"]] == [
        ("delete", 5), ("resume", 4), ("pause", 3), ("change", 2), ("create", 1),
    ]  # fmt: skip
    assert history["items"][-1]["reason"] == "contract"
    assert [row.actor for row in audit_rows(world.store.reader) if row.subject == "schedule:acme"] == ["api:olga"] * 5


@pytest.mark.asyncio
async def test_repeated_request_counts_once(world):
    """Under one Idempotency-Key."""
    answers = [await world.post("/schedules/acme/create", key="k1", **ACME) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["command"] == own("k1")


@pytest.mark.asyncio
async def test_lost_update_is_a_conflict(world):
    """The answer has the version of now."""
    await world.post("/schedules/acme/create", **ACME)
    await world.post("/schedules/acme/change", every="20m", expected_version=1)
    for verb, body in (("change", {"every": "30m"}), ("pause", {}), ("delete", {})):
        answer = await world.ask("POST", f"/schedules/acme/{verb}", json={**body, "expected_version": 1})
        assert (answer.status_code, "has version 2 (expected 1)" in answer.text) == (409, True)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "status", "parts"),
    [
        ({"cron": "61 * * * *"}, 422, ["schedule 'acme'", "cron"]),
        ({"every": "15m", "tz": "Mars/Base"}, 422, ["schedule 'acme'", "Mars/Base"]),
        ({"every": "15m", "tz": "Europe/Berlin"}, 422, ["schedule 'acme'", "no time zone"]),
        ({"every": "15m", "calendar": "bank"}, 422, ["schedule 'acme'", "'bank'"]),
        ({"every": "15m", "jitter": "20m"}, 422, ["schedule 'acme'", "not shorter"]),
        ({"every": "15m", "misfire": "some"}, 422, ["misfire", "all:50"]),
        ({}, 422, ["states none of cron, every and at"]),
        ({"every": "15m", "cron": "0 * * * *"}, 422, ["states 2 of cron, every and at"]),
        ({"cron": "0 0 30 2 *"}, 422, ["schedule 'acme'"]),
        ({"every": "15m", "input": {}}, 422, ["amount", "pay"]),
        ({"every": "15m", "input": {"amount": "x"}}, 422, ["$.input.amount"]),
        ({"every": "15m", "automation": "pax"}, 404, ["schedule 'acme'", "pax", "Did you mean 'pay'?"]),
        ({"every": "15m", "colour": "red"}, 400, ["colour"]),
    ],
)
async def test_bad_schedule_is_rejected(world, body, status, parts):
    """The error names the schedule, the option and the fix, and nothing is created."""
    answer = await world.ask(
        "POST", "/schedules/acme/create", json={"automation": "pay", "input": {"amount": 1}, **body}
    )
    assert answer.status_code == status, answer.text
    assert [part for part in parts if part not in answer.text] == [], answer.text
    assert (await world.get("/schedules"))["items"] == []


@pytest.mark.asyncio
async def test_name_of_an_automation_or_with_a_hash_is_rejected(world):
    """Those are names of schedules in code."""
    refused = await world.ask("POST", "/schedules/backup/create", json=ACME)
    assert (refused.status_code, "name of an automation" in refused.text) == (409, True)
    assert (await world.ask("POST", "/schedules/pay%232/create", json=ACME)).status_code == 422


@pytest.mark.asyncio
async def test_schedule_in_code_is_listed_and_not_changed(world):
    """The refusal names the automation to pause."""
    declare(world)
    await world.post("/schedules/acme/create", **ACME)
    lines = (await world.get("/schedules", who="vic"))["items"]
    assert [(line["name"], line["origin"], line["version"]) for line in lines] == [
        ("acme", "created", 1), ("backup", "code", None),
    ]  # fmt: skip
    assert [line["name"] for line in (await world.get("/schedules", automation="backup"))["items"]] == ["backup"]
    assert (await world.get("/schedules/backup"))["line"]["text"] == "every 1m"
    answer = await world.ask("POST", "/schedules/backup/pause", json={})
    assert (answer.status_code, "mainspring auto pause" in answer.text) == (409, True)
    assert (await world.ask("POST", "/schedules/backup/change", json={"every": "1h"})).status_code == 404


@pytest.mark.asyncio
async def test_roles_are_those_of_pausing_an_automation(world):
    """Viewers read only, and a visitor for some automations sees and steers only their schedules."""
    declare(world)
    assert (await world.ask("POST", "/schedules/acme/create", who="vic", json=ACME)).status_code == 403
    announce(world.store, Definition(kind=DefinitionKind.TASK, name="report"))
    await world.post("/schedules/acme/create", who="olga", automation="report", every="1h", reason="not for payer")
    await world.post("/schedules/acme/delete", who="olga")
    world.clock.forward(1_000)
    await world.post("/schedules/acme/create", who="payer", **ACME)
    for verb, body in (("change", {"every": "1h"}), ("pause", {}), ("resume", {}), ("delete", {})):
        refused = await world.ask("POST", f"/schedules/acme/{verb}", who="vic", json=body)
        assert refused.status_code == 403, verb
        hidden = await world.ask("POST", f"/schedules/backup/{verb}", who="payer", json=body)
        assert hidden.status_code == 404, verb
    assert (await world.ask("GET", "/schedules/acme/history", who="vic")).status_code == 403
    other = {"automation": "backup", "every": "1h"}
    assert (await world.ask("POST", "/schedules/mine/create", who="payer", json=other)).status_code == 404
    assert [line["name"] for line in (await world.get("/schedules", who="payer"))["items"]] == ["acme"]
    assert (await world.ask("GET", "/schedules/backup", who="payer")).status_code == 404
    seen = (await world.get("/schedules/acme/history", who="payer"))["items"]
    assert [(entry["verb"], entry["actor"]) for entry in seen] == [("create", "api:payer")]
    assert len((await world.get("/schedules/acme/history", who="olga"))["items"]) == 3


@pytest.mark.asyncio
async def test_unknown_schedule_is_missing(world):
    """For each route on one schedule, except the one that creates it."""
    for method, path in (
        ("GET", ""),
        ("GET", "/history"),
        ("POST", "/change"),
        ("POST", "/pause"),
        ("POST", "/delete"),
    ):
        answer = await world.ask(method, f"/schedules/acme{path}", json=None if method == "GET" else {})
        assert answer.status_code == 404, path


@pytest.mark.asyncio
async def test_automation_lists_the_due_times_of_its_created_schedules(world):
    """Its health says what starts it, and the agenda has its starts."""
    await world.post("/schedules/acme/create", **ACME)
    due = await world.get("/automations/pay/due")
    assert {time["schedule"] for time in due["next"]} == {"acme"}
    (line,) = (await world.get("/automations/health", name="pay"))["items"]
    assert line["starts"] == ["acme: every 15m"]
    (line,) = (await world.get("/schedule"))["agenda"]["lines"]
    assert (line["automation"], line["words"]) == ("pay", ["every 15m"])
    await world.post("/schedules/acme/pause")
    assert (await world.get("/automations/pay/due"))["next"] == []
    assert (await world.get("/schedule"))["agenda"]["lines"] == []
