"""What is not a run, by the API: read, and acted upon once."""

import pytest

from mainspring.domain.effects.effect import CallOutcome, EffectCall, EffectHolder
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.fixed_monitors import FIXED_MONITORS
from mainspring.domain.monitors.registry import MONITORS
from mainspring.domain.states import IncidentState
from mainspring.store.commands.automations import AcquireLock, SetQueue
from mainspring.store.commands.effects import BeginEffect, SettleEffect
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from tests.api_world import BACKUP


@pytest.mark.asyncio
async def test_automation_is_paused_resumed_and_retired(world):
    """By whom and why it is paused stands there; what is retired is listed when it is asked for."""
    await world.post("/automations/pay/pause", who="olga", reason="mending", until="2100-01-01T00:00:00Z")
    found = (await world.get("/automations/pay"))["automation"]
    assert (found["paused_by"], found["pause_reason"]) == ("api:olga", "mending")
    assert (found["paused_until"], found["definition"]["name"]) == ("2100-01-01T00:00:00.000Z", "pay")
    await world.post("/automations/pay/resume")
    assert (await world.ask("POST", "/automations/pay/resume", json={})).status_code == 409
    await world.post("/automations/pay/retire")
    assert [automation["name"] for automation in (await world.get("/automations"))["items"]] == ["backup"]
    assert [
        automation["name"] for automation in (await world.get("/automations", retired=True, name="pa"))["items"]
    ] == ["pay"]
    assert (await world.ask("GET", "/automations/nope")).status_code == 404
    assert (
        await world.ask("POST", "/automations/pay/backfill", json={"from": "2026-01-01T00:00:00Z"})
    ).status_code == 404


@pytest.mark.asyncio
async def test_definition_reports_no_value_of_the_environment(world):
    """A secret may stand there: names alone are reported, in the list too."""
    item = (await world.get("/automations/backup"))["automation"]
    listed = (await world.get("/automations", name="backup"))["items"][0]
    assert item["definition"]["env"] == listed["definition"]["env"] == {"PORT": "***"}
    assert item["definition"]["command"] == ["true"]
    run = world.begin(BACKUP, b"{}")
    assert "8080" not in str(await world.get(f"/runs/{run}/blocker"))


@pytest.mark.asyncio
async def test_incident_is_acknowledged_once(world):
    """Acknowledged, snoozed, resolved; who sees some automations only sees none of another."""
    world.open_incident()
    world.open_incident("backup", "i_02")
    (incident,) = (await world.get("/incidents", who="payer"))["items"]
    assert (incident["id"], incident["state"], incident["subject"]["kind"]) == ("i_01", "open", "silence")
    assert (await world.ask("GET", "/incidents/i_02", who="payer")).status_code == 404
    assert (await world.ask("POST", "/incidents/i_02/acknowledge", who="payer", json={})).status_code == 404
    (alert,) = (await world.get("/alerts", who="payer", channel="ops"))["items"]
    assert (alert["incident"], alert["state"]) == ("i_01", "unsent")
    await world.post("/incidents/i_01/acknowledge", who="payer", reason="mine")
    assert (await world.ask("POST", "/incidents/i_01/acknowledge", json={})).status_code == 409
    await world.post("/incidents/i_01/snooze", until="2027-01-16T00:00:00Z")
    assert (await world.get("/incidents/i_01"))["incident"]["snoozed_until"] == "2027-01-16T00:00:00.000Z"
    far = await world.ask("POST", "/incidents/i_01/snooze", json={"until": "2100-01-01T00:00:00Z"})
    assert (far.status_code, far.json()["code"]) == (422, "bad_argument")
    await world.post("/incidents/i_01/resolve")
    page = await world.get("/incidents/i_01")
    assert page["incident"]["state"] == IncidentState.RESOLVED
    assert [move["by"] for move in page["moves"]][1:] == ["api:payer", "api:ann", "api:ann"]
    assert [incident["id"] for incident in (await world.get("/incidents"))["items"]] == ["i_02"]
    assert [incident["id"] for incident in (await world.get("/incidents", state="resolved"))["items"]] == ["i_01"]


@pytest.mark.asyncio
async def test_incidents_are_listed_part_by_part(world):
    """Each once, whatever the size of the parts."""
    for place, name in enumerate(("pay", "backup", "c", "d", "e")):
        world.open_incident(name, f"i_{place}")
        world.clock.forward(place % 2)
    whole = [incident["id"] for incident in (await world.get("/incidents"))["items"]]
    page, seen = await world.get("/incidents", limit=2), []
    while True:
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        page = await world.get("/incidents", limit=2, cursor=page["next"])
    assert seen == whole
    assert len(whole) == 5
    assert (await world.ask("GET", "/incidents", params={"cursor": "x"})).status_code == 422


@pytest.mark.asyncio
async def test_queue_is_paused_and_continues(world):
    """With who and why; one that is not there is 404."""
    world.store.apply(SetQueue("mail", 2, None, None, None))
    await world.post("/queues/mail/pause", reason="full")
    found = await world.get("/queues/mail")
    assert (found["paused_by"], found["pause_reason"], found["concurrency"]) == ("api:ann", "full", 2)
    await world.post("/queues/mail/resume")
    assert (await world.get("/queues/mail"))["paused_at"] is None
    assert (await world.ask("POST", "/queues/nope/pause", json={})).status_code == 404
    assert "mail" in [queue["name"] for queue in (await world.get("/queues"))["items"]]


@pytest.mark.asyncio
async def test_worker_is_drained_and_supervisors_are_not_quarantined(world):
    """By the number of its session."""
    (worker,) = (await world.get("/workers"))["items"]
    await world.post(f"/workers/{worker['id']}/drain")
    assert (await world.get("/workers"))["items"][0]["state"] == "draining"
    assert (await world.ask("POST", "/workers/99/drain", json={})).status_code == 404
    assert (await world.ask("POST", "/workers/x/quarantine", json={})).status_code == 404
    assert (await world.ask("POST", f"/workers/{worker['id']}/quarantine", json={})).status_code == 409


@pytest.mark.asyncio
async def test_lock_is_broken_whatever_its_name(world):
    """A name may hold a slash."""
    world.store.apply(AcquireLock("a/b c", "r_1", None))
    (lock,) = (await world.get("/locks"))["items"]
    assert (lock["name"], lock["owner"]) == ("a/b c", "r_1")
    await world.post("/locks/a%2Fb%20c/break")
    assert (await world.get("/locks"))["items"] == []
    assert (await world.ask("POST", "/locks/a%2Fb%20c/break", json={})).status_code == 404


@pytest.mark.asyncio
async def test_waiters_of_a_lock_are_listed_page_by_page(world):
    """Holders by slot, then waiters in their order; one slot is broken for the first of them."""
    for owner in "abcd":
        world.store.apply(AcquireLock("crm", owner, None, 2, 60_000))
    first = await world.get("/locks", limit=3)
    second = await world.get("/locks", limit=3, cursor=first["next"])
    listed = [(row["owner"], row["slot"], row["place"]) for row in first["items"] + second["items"]]
    assert listed == [("a", 1, None), ("b", 2, None), ("c", None, 1), ("d", None, 2)]
    await world.post("/locks/crm/break", slot=2)
    assert [row["owner"] for row in (await world.get("/locks"))["items"]] == ["a", "c", "d"]


@pytest.mark.asyncio
async def test_event_counts_once_by_its_key(world):
    """And is listed with its data."""
    first = await world.post("/events", name="paid", data={"n": 1}, key="k")
    again = await world.post("/events", name="paid", data={"n": 2}, key="k")
    assert (first["woken"], again["woken"]) == (0, 0)
    (event,) = (await world.get("/events", name="paid"))["items"]
    assert (event["data"], event["id"]) == ({"n": 1}, first["event"])
    assert (await world.ask("POST", "/events", json={"name": ""})).status_code == 400


@pytest.mark.asyncio
async def test_outbox_names_messages_that_are_not_there(world):
    """A refusal by one of several is reported for that one."""
    assert (await world.get("/outbox"))["items"] == (await world.get("/outbox/messages"))["items"] == []
    answer = await world.post("/outbox/messages/send-again", messages=["m_1"])
    assert (answer["done"], list(answer["refused"])) == (0, ["m_1"])
    assert (await world.post("/outbox/messages/discard", all=True))["count"] == 0


@pytest.mark.asyncio
async def test_monitors_state_what_they_evaluate(world):
    """Each of the table, with its settings; one that is not there is 404."""
    assert [monitor["name"] for monitor in (await world.get("/monitors"))["items"]] == [
        *map(str, MONITORS),
        *map(str, FIXED_MONITORS),
    ]
    page = await world.get("/monitors/silence", automation="pay")
    assert page["settings"]["learning"] == "2d"
    (store,) = (await world.get("/monitors/store_lost"))["judged"]
    assert store["finding"] is None
    assert (await world.ask("GET", "/monitors/nope")).status_code == 404


@pytest.mark.asyncio
async def test_status_counts_what_there_is(world):
    """Automations, runs, incidents by severity, processes by role."""
    world.open_incident()
    found = await world.get("/status")
    assert (found["automations"], found["incidents"], found["processes"]) == (2, {"page": 1}, {"worker": 1})
    part = Finding(subject=Subject("pay", IncidentKind.LATE_START), severity=Severity.PAGE, text="late", since_at=1)
    grouped = EvaluatedFinding(id="i_02", finding=part, parent=Subject("pay", IncidentKind.SILENCE))
    world.store.apply(RecordEvaluation(started_at=world.clock.now(), found=(grouped,)))
    assert (await world.get("/status"))["incidents"] == {"page": 1}  # as the one sentence says
    assert found["held"] is False


@pytest.mark.asyncio
async def test_audit_log_is_listed_and_walked(world):
    """Newest first, part by part; whole as long as no one changed it."""
    for _ in range(3):
        world.begin()
    page = await world.get("/audit-log", limit=2)
    rest = await world.get("/audit-log", limit=2, cursor=page["next"])
    assert [item["seq"] for item in page["items"] + rest["items"]] == [3, 2, 1]
    assert rest["next"] is None
    found = await world.get("/audit-log/check")
    assert (found["broken_at"], found["rows"]) == (None, 3)


@pytest.mark.asyncio
async def test_audit_log_is_filtered(world):
    """By whom, what, with which, by which way and when; what no filter can mean is refused."""
    run = world.begin()
    await world.post(f"/runs/{run}/cancel")

    async def verbs(**query):
        return [entry["verb"] for entry in (await world.get("/audit-log", **query))["items"]]

    assert await verbs(subject=run) == await verbs(subject=f"run:{run}") == await verbs(way="api") == ["cancel"]
    assert await verbs(automation="pay") == ["cancel", "start"]
    assert await verbs(act="start", who="ann") == ["start"]
    assert await verbs(act="start", until="2001-01-01T00:00:00Z") == []
    assert (await world.ask("GET", "/audit-log?way=door")).status_code == 400
    assert (await world.ask("GET", "/audit-log?since=yesterday")).status_code == 400


@pytest.mark.asyncio
async def test_unchanged_answer_is_not_sent_again(world):
    """An answer has a tag; with it the same answer is empty, and another one whole."""
    first = await world.ask("GET", "/runs")
    tag = first.headers["etag"]
    again = await world.ask("GET", "/runs", headers={"If-None-Match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    world.begin()
    assert (await world.ask("GET", "/runs", headers={"If-None-Match": tag})).status_code == 200


@pytest.mark.asyncio
async def test_body_is_read_strictly_and_within_bounds(world):
    """JSON of one meaning, of our type, not larger than a value may be."""
    large = world.sealing.limit + 64 * 1024 + 1
    kinds = {
        "doubled": (b'{"name": "a", "name": "b"}', {}, 400),
        "broken": (b'{"name": ', {}, 400),
        "list": (b"[1]", {}, 400),
        "deep": (b'{"name": "a", "data": ' + b"[" * 200 + b"]" * 200 + b"}", {}, 400),
        "other": (b"name=a", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        "packed": (b"{}", {"Content-Encoding": "gzip"}, 415),
        "large": (b'"' + b"a" * large + b'"', {}, 413),
    }
    for kind, (body, headers, status) in kinds.items():
        answer = await world.ask(
            "POST", "/events", content=body, headers={"Content-Type": "application/json", **headers}
        )
        assert answer.status_code == status, (kind, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert world.site.reads.audit_rows() == []


@pytest.mark.asyncio
async def test_store_that_is_not_open_is_reported_as_away(world, tmp_path):
    """With the time after which to ask again."""
    world.store.close()
    answer = await world.ask("GET", "/runs")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) > 0


def begin_effect(world, key: str, outcome: CallOutcome | None = CallOutcome.UNKNOWN, run: str | None = None) -> None:
    """Ask for an effect and settle it; with a run it is one of its step."""
    step = () if run is None else ("pay", run, "charge", "key", 1)
    call = EffectCall(key, EffectHolder("bill.py of ann@box", f"call {key}", *step), "hash", b'["a"]')
    world.store.apply(BeginEffect(call, f"e_{key}"))
    if outcome is not None:
        world.store.apply(SettleEffect(key, f"e_{key}", 1, outcome))


@pytest.mark.asyncio
async def test_effects_are_listed_part_by_part_and_filtered(world):
    """Each once, the last change first; a key may have any printable characters."""
    run = world.begin()
    begin_effect(world, "invoice:1", CallOutcome.DONE)
    begin_effect(world, "invoice:2.5/a b\u00e9?", run=run)
    begin_effect(world, "ticket", None)
    page, keys = await world.get("/effects", limit=1), []
    while True:
        keys += [item["key"] for item in page["items"]]
        if page["next"] is None:
            break
        page = await world.get("/effects", limit=1, cursor=page["next"])
    assert sorted(keys) == ["invoice:1", "invoice:2.5/a b\u00e9?", "ticket"]
    for query, expected in (
        ({"state": "in_doubt"}, 1),
        ({"prefix": "invoice:"}, 2),
        ({"run": run}, 1),
        ({"automation": "pay"}, 1),
        ({"automation": "backup"}, 0),
        ({"since": "2100-01-01T00:00:00Z"}, 0),
    ):
        assert len((await world.get("/effects", **query))["items"]) == expected, query
    for cursor in ("x", "1", ".x", f"{10**30}.x"):
        assert (await world.ask("GET", f"/effects?cursor={cursor}")).status_code == 422, cursor


@pytest.mark.asyncio
async def test_effect_in_doubt_is_confirmed_or_forgotten_once(world):
    """By its key as one part of the path; the decision is audited."""
    key, run = "invoice/7 ?", world.begin()
    path = "/effects/invoice%2F7%20%3F"
    begin_effect(world, key, run=run)
    detail = await world.get(path)
    assert (detail["state"], detail["identity"], detail["calls"][0]["run"]) == ("in_doubt", ["a"], run)
    assert [command["command"] for command in detail["can"]][-1] == "mainspring effects forget 'invoice/7 ?'"
    (call,) = (await world.get(f"/runs/{run}/effects", who="payer"))["items"]
    assert (call["key"], call["outcome"], call["state"]) == (key, "unknown", "in_doubt")
    assert (await world.ask("GET", path, who="payer")).status_code == 404
    await world.post(f"{path}/confirm", result={"id": 7}, reason="it is there")
    detail = await world.get(path)
    assert (detail["state"], detail["result"], detail["decided_by"]) == ("done", {"id": 7}, "api:ann")
    assert (await world.ask("POST", f"{path}/confirm", json={})).status_code == 409
    await world.post(f"{path}/forget", reason="again")
    assert (await world.ask("GET", path)).status_code == 404
    assert (await world.ask("POST", f"{path}/forget", json={})).status_code == 404
    verbs = [row["verb"] for row in (await world.get("/audit-log"))["items"] if row["subject"] == f"effect:{key}"]
    assert verbs == ["forget", "forget", "confirm", "confirm"]


@pytest.mark.asyncio
async def test_effect_of_a_live_holder_is_not_forgotten(world):
    """It may happen at this moment."""
    begin_effect(world, "ticket", None)
    assert (await world.get("/effects/ticket"))["is_held"]
    assert (await world.ask("POST", "/effects/ticket/forget", json={})).status_code == 409
