"""Runs by the API: started, listed, looked at, steered; each act once, for whom it is."""

import pytest

from mainspring.domain.ids import make_id
from mainspring.domain.states import RunState
from tests.api_world import BACKUP, own


@pytest.mark.asyncio
async def test_start_is_typed_and_counts_once(world):
    """The same Idempotency-Key is one run and one answer; another is another run; who asked is on record."""
    path = "/automations/pay/runs"
    first = await world.post(path, who="olga", key="k1", input={"amount": 3}, tags={"for": "x"}, reason="monthly")
    again = await world.post(path, who="olga", key="k1", input={"amount": 3})
    other = await world.post(path, who="olga", input={"amount": 3})
    assert first == again == {"command": own("k1", "olga"), "run": first["run"], "created": True, "state": "queued"}
    assert other["run"] != first["run"]
    run = await world.get(f"/runs/{first['run']}")
    assert (run["input"], run["tags"], run["trigger"]) == ({"amount": 3}, {"for": "x"}, "api:olga")
    assert run["created_at"].endswith("Z")
    (_, act) = (await world.get("/audit-log"))["items"]
    assert (act["actor"], act["verb"], act["reason"]) == ("api:olga", "start", "monthly")


MISFITS = [
    ({"input": {"amount": "3"}}, 422, "bad_argument", "$.input.amount"),
    ({"input": {}}, 422, "bad_argument", "$.input"),
    ({"input": {"amount": 3, "amuont": 3}}, 422, "bad_argument", "$.input.amuont"),
    ({"input": {"amount": 3}, "queue": "a b\n"}, 422, "bad_option", None),
    ({"input": {"amount": 3}, "nope": 1}, 400, "bad_body", None),
    ({"input": {"amount": 3}, "at": "2026-01-05T03:00:00"}, 400, "bad_body", "$.at"),
    ({"input": {"amount": 3}, "key_policy": "newest"}, 400, "bad_body", "$.key_policy"),
]


@pytest.mark.asyncio
async def test_start_that_does_not_fit_names_the_place(world):
    """Nothing is started, and the problem says where it is wrong."""
    for body, status, code, at in MISFITS:
        answer = await world.ask("POST", "/automations/pay/runs", json=body)
        found = answer.json()
        assert (answer.status_code, found["code"], found.get("at")) == (status, code, at), found
    assert (await world.get("/runs"))["items"] == []


@pytest.mark.asyncio
async def test_instant_beyond_all_calendars_is_refused(world):
    """Kept, it would keep every list in which it stands from being shown, to everyone."""
    far = "9999-12-31T23:59:59-23:59"
    for path, body in (
        ("/automations/pay/runs", {"input": {"amount": 1}, "at": far}),
        ("/automations/pay/pause", {"until": far}),
        ("/automations/pay/backfill", {"from": far}),
    ):
        answer = await world.ask("POST", path, json=body)
        assert (answer.status_code, "too far in the future" in answer.text) == (422, True), path
    failed = [world.begin(), world.begin()]
    answer = await world.ask("POST", "/runs/retry", json={"runs": failed, "rate": "1/9999999d"})
    assert (answer.status_code, "higher rate" in answer.json()["hint"]) == (422, True)
    for at in ("0001-01-01T00:00:00+23:59", "9998-12-31T23:59:59Z"):
        await world.post("/automations/pay/runs", input={"amount": 1}, at=at)
    assert len((await world.get("/runs", since="0001-01-01T00:00:00Z"))["items"]) == 4


@pytest.mark.asyncio
async def test_start_of_what_is_not_there_or_takes_nothing(world):
    """An automation that no one announced is 404; a script takes no arguments."""
    assert (await world.ask("POST", "/automations/nope/runs", json={})).status_code == 404
    found = await world.ask("POST", "/automations/backup/runs", json={"input": {"a": 1}})
    assert (found.status_code, found.json()["code"]) == (422, "bad_argument")
    assert (await world.post("/automations/backup/runs"))["created"]


@pytest.mark.asyncio
async def test_lists_continue_where_they_ended(world):
    """Pages by key, newest first; a run that is started meanwhile moves none of them."""
    ids = [world.begin() for _ in range(7)]
    page = await world.get("/runs", limit=3)
    world.begin()
    seen = [row["id"] for row in page["items"]]
    while page["next"]:
        page = await world.get("/runs", limit=3, cursor=page["next"])
        seen += [row["id"] for row in page["items"]]
    assert seen == ids[::-1]


@pytest.mark.asyncio
async def test_lists_take_their_filters_and_no_others(world):
    """By state, name, queue and time; a parameter that is not known is an error that names those that are."""
    ids = [world.begin(), world.begin(BACKUP, b"{}")]
    assert [row["id"] for row in (await world.get("/runs", name="pay"))["items"]] == ids[:1]
    assert [row["id"] for row in (await world.get("/runs", state=["queued", "failed"]))["items"]] == ids[::-1]
    assert (await world.get("/runs", queue="other"))["items"] == []
    assert (await world.get("/runs", since="2100-01-01T00:00:00Z"))["items"] == []
    assert (await world.get("/runs", until="2001-01-01T00:00:00Z"))["items"] == []
    assert len((await world.get("/runs", until="2100-01-01T00:00:00Z"))["items"]) > 0
    for query in ({"sate": "queued"}, {"state": "quequed"}, {"limit": 501}, {"limit": [1, 2]}, {"cursor": "x"}):
        answer = await world.ask("GET", "/runs", params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_query"), query
    assert "state" in answer.json()["hint"]


@pytest.mark.asyncio
async def test_runs_are_listed_by_tags(world):
    """All of them must be there; a text that is no tag, and too many, are refused."""
    run = (await world.post("/automations/pay/runs", input={"amount": 1}, tags={"a": "1", "b": "x=y"}))["run"]
    world.begin()
    assert [row["id"] for row in (await world.get("/runs", tag=["a=1", "b=x=y"]))["items"]] == [run]
    assert (await world.get("/runs", tag=["a=1", "b=z"]))["items"] == []
    for tags in (["a"], [f"a={n}" for n in range(6)]):
        assert (await world.ask("GET", "/runs", params={"tag": tags})).status_code == 422


@pytest.mark.asyncio
async def test_null_is_no_filter_that_means_all(world):
    """Where a word is taken it is that word; elsewhere it is refused at its place, and never left out."""
    world.begin()
    assert (await world.get("/runs", name="null"))["items"] == []
    for path, name in (("/runs", "cursor"), ("/runs", "since"), ("/audit-log", "way"), ("/deliveries", "state")):
        answer = await world.ask("GET", path, params={name: "null"})
        assert (answer.status_code, answer.json()["at"]) == (400, f"$.{name}"), path
    assert "cli" in (await world.ask("GET", "/audit-log", params={"way": "Null"})).json()["hint"]


@pytest.mark.asyncio
async def test_visitor_of_some_automations_sees_no_others(world):
    """In lists, by id, in acts and in bulk: what is not theirs is not there."""
    own, other = world.begin(), world.begin(BACKUP, b"{}")
    assert [row["id"] for row in (await world.get("/runs", who="payer"))["items"]] == [own]
    assert [automation["name"] for automation in (await world.get("/automations", who="payer"))["items"]] == ["pay"]
    paths = [
        f"/runs/{other}",
        f"/runs/{other}/story",
        f"/runs/{other}/logs",
        f"/runs/{other}/blocker",
        f"/runs/{other}/explanation",
        f"/runs/{other}/journal",
        "/automations/backup",
    ]
    for path in [*paths, f"/runs/{own}/diff?other={other}"]:
        assert (await world.ask("GET", path, who="payer")).status_code == 404, path
    operations = {f"/runs/{other}/cancel": {}, "/automations/backup/runs": {}, "/runs/cancel": {"runs": [own, other]}}
    for path, body in {**operations, "/runs/retry": {"name": "backup"}}.items():
        assert (await world.ask("POST", path, who="payer", json=body)).status_code == 404, path
    found = await world.ask("POST", "/runs/cancel", who="payer", json={"state": ["queued"]})
    assert (found.status_code, found.json()["code"]) == (422, "bad_argument")
    assert await world.post("/runs/cancel", who="payer", name="pay", dry_run=True)
    assert len(world.site.reads.audit_rows()) == 2


@pytest.mark.asyncio
async def test_hidden_run_is_answered_as_missing(world):
    """To the letter: else one could find out which ids and names there are. Lists have no place to continue from either."""
    other, none = world.begin(BACKUP, b"{}"), "r_" + "0" * 26
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/story", None),
        ("GET", "/logs", None),
        ("POST", "/cancel", {}),
        ("POST", "/signal", {"name": "go"}),
    ):
        answers = [
            await world.ask(method, f"/runs/{run}{path}", who="payer", **({} if body is None else {"json": body}))
            for run in (other, none)
        ]
        assert answers[0].status_code == 404
        assert answers[0].text.replace(other, none) == answers[1].text, path
    world.open_incident("backup", "i_02")
    for query in ({"automation": "backup"}, {"automation": "nothing"}):
        assert await world.get("/incidents", who="payer", **query) == {"items": [], "next": None}


@pytest.mark.asyncio
async def test_run_is_cancelled_once(world):
    """Asked twice under one key it is done once; without, the state is in the way."""
    run = world.begin()
    assert await world.post(f"/runs/{run}/cancel", key="c1", reason="wrong one") == {"command": own("c1")}
    assert await world.post(f"/runs/{run}/cancel", key="c1") == {"command": own("c1")}
    answer = await world.ask("POST", f"/runs/{run}/cancel", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.json()["type"] == "docs/reference/errors.md#conflict"
    assert (await world.get(f"/runs/{run}"))["state"] == RunState.CANCELLED


@pytest.mark.asyncio
async def test_run_is_paused_and_resumed(world):
    """Once each; the state is in the way of another one. Many at once, too."""
    run = world.begin()
    for _ in range(2):
        assert await world.post(f"/runs/{run}/pause", key="p1", reason="look") == {"command": own("p1")}
    paused = await world.get(f"/runs/{run}")
    assert paused["state"] == RunState.PAUSED
    assert (await world.post("/runs/resume", state=["paused"]))["runs"] == [run]
    answer = await world.ask("POST", f"/runs/{run}/resume", json={})
    assert (answer.status_code, "is not paused: it is queued" in answer.text) == (409, True)
    assert (await world.post("/runs/pause", runs=[run]))["done"] == 1
    assert (await world.post(f"/runs/{run}/resume", key="r1")) == {"command": own("r1")}


@pytest.mark.asyncio
async def test_command_id_of_another_operation_is_refused(world):
    """One key is one act."""
    first, second = world.begin(), world.begin()
    await world.post(f"/runs/{first}/cancel", key="c1")
    answer = await world.ask("POST", f"/runs/{second}/cancel", json={}, headers={"Idempotency-Key": "c1"})
    assert (answer.status_code, first in answer.text) == (409, False)
    assert (await world.get(f"/runs/{second}"))["state"] == RunState.QUEUED
    answer = await world.ask("POST", f"/runs/{second}/cancel", json={}, headers={"Idempotency-Key": "not one"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_option")
    key = "x" * 200  # the longest: what makes it the caller's own has room behind it
    assert await world.post(f"/runs/{second}/cancel", key=key) == {"command": own(key)}
    answer = await world.ask("POST", f"/runs/{second}/cancel", json={}, headers={"Idempotency-Key": key + "x"})
    assert (answer.status_code, "up to 200 letters" in answer.text) == (422, True)


@pytest.mark.asyncio
async def test_signal_is_taken_into_the_inbox(world):
    """With its value, as JSON."""
    run = world.begin()
    await world.post(f"/runs/{run}/signal", name="go", value={"a": [1]})
    (fact,) = (await world.get(f"/runs/{run}/story"))["facts"]
    assert (fact["kind"], fact["name"], fact["payload"]) == ("signal", "go", {"a": [1]})


@pytest.mark.asyncio
async def test_many_runs_are_counted_then_changed(world):
    """A dry run changes nothing; the act is one for each run, and repeated under its key none."""
    ids = [world.begin() for _ in range(3)]
    tried = await world.post("/runs/cancel", name="pay", dry_run=True)
    assert (tried["count"], tried["runs"], tried["done"]) == (3, ids, 0)
    done = await world.post("/runs/cancel", runs=ids, key="b1")
    assert (done["count"], done["done"], done["refused"]) == (3, 3, {})
    assert (await world.post("/runs/cancel", runs=ids, key="b1"))["done"] == 3
    later = await world.post("/runs/cancel", runs=ids)
    assert (later["done"], list(later["refused"])) == (0, ids)
    for body in ({}, {"runs": ids, "name": "pay"}):
        assert (await world.ask("POST", "/runs/cancel", json=body)).status_code == 422


@pytest.mark.asyncio
async def test_runs_are_compared(world):
    """What differs is named by its place; without a good one before it there is nothing to compare with."""
    first, second = world.begin(), world.begin(data=b'{"amount":2}')
    difference = await world.get(f"/runs/{second}/diff", other=first)
    assert difference["differences"] == [{"path": "input.amount", "other": "1", "this": "2"}]
    assert (await world.ask("GET", f"/runs/{second}/diff")).status_code == 404


@pytest.mark.asyncio
async def test_run_that_waits_is_declared_done(world):
    """With a result for anyone who waits for it."""
    run = world.begin()
    await world.post(f"/runs/{run}/mark-done", result={"paid": True})
    found = await world.get(f"/runs/{run}")
    assert (found["state"], found["result"]) == (RunState.SUCCEEDED, {"paid": True})


@pytest.mark.asyncio
async def test_recovery_options_exclude_each_other(world):
    """From a step, again, a drift accepted: one of them, and not later; a step that is not there is named."""
    run = world.begin()
    for body in (
        {"from_step": "a", "again": "a"},
        {"accept": "a", "at": "2100-01-01T00:00:00Z"},
        {"map": "a=b", "again": "a"},
    ):
        answer = await world.ask("POST", f"/runs/{run}/retry", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_argument")
    answer = await world.ask("POST", f"/runs/{run}/retry", json={"from_step": "a"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_name")
    assert (await world.ask("POST", f"/runs/{run}/retry", json={})).status_code == 409
    assert (await world.ask("POST", f"/runs/{run}/retry", json={"map": "a=b"})).status_code == 409


@pytest.mark.asyncio
async def test_blocker_reports_why_a_run_waits(world):
    """Its place, its queue, and who could take it."""
    world.begin()
    run = world.begin()
    found = await world.get(f"/runs/{run}/blocker")
    assert (found["place"], found["held"], found["workers"][0]["role"]) == (
        {"number": 2, "more": False},
        False,
        "worker",
    )
    assert found["run"]["input"] == {"amount": 1}


@pytest.mark.asyncio
async def test_displayed_tail_of_an_id_is_accepted(world):
    """By what is looked at and by what acts; what could be two is refused with both, and what may not be seen is no candidate."""
    run = world.begin()
    assert (await world.get(f"/runs/{run[-6:]}"))["id"] == run
    assert (await world.get(f"/runs/{run[-8:]}/explanation"))["run"] == run
    assert (await world.get("/search", q=run[-6:]))["items"][0]["id"] == run
    await world.post(f"/runs/{run[-6:]}/cancel")
    incident = make_id("i", 1, 5)
    world.open_incident("pay", incident)
    await world.post(f"/incidents/{incident[-6:]}/acknowledge")
    assert (await world.get(f"/incidents/{incident[-6:]}"))["incident"]["state"] == "acknowledged"


@pytest.mark.asyncio
async def test_ambiguous_tail_is_refused_with_its_candidates(world):
    """And one that only a run of another automation has is not there for anyone who may not see that."""
    twins = [make_id("i", at, 7 | high) for at, high in ((1, 0), (2, 1 << 60))]
    for place, id in enumerate(twins):
        world.open_incident(("pay", "backup")[place], id)
    answer = await world.ask("GET", f"/incidents/{twins[0][-6:]}")
    assert answer.status_code == 409
    assert all(id in answer.text for id in twins)
    assert (await world.get(f"/incidents/{twins[0][-6:]}", who="payer"))["incident"]["id"] == twins[0]
    hidden = world.begin(BACKUP, b"{}")
    answer = await world.ask("GET", f"/runs/{hidden[-6:]}", who="payer")
    assert (answer.status_code, hidden in answer.text) == (404, False)


@pytest.mark.asyncio
async def test_idempotency_keys_are_of_their_actor(world):
    """The key of another visitor is another act: it neither answers for it nor stands in its way. What is answered may be sent as a key."""
    path = "/automations/pay/runs"
    first = await world.post(path, who="olga", key="k1", input={"amount": 3})
    other = await world.post(path, who="ann", key="k1", input={"amount": 4})
    assert first["run"] != other["run"]
    for key in ("k1", first["command"]):
        assert (await world.post(path, who="olga", key=key, input={"amount": 3}))["run"] == first["run"]
    stolen = await world.post(path, who="ann", key=first["command"], input={"amount": 3})
    assert stolen["run"] not in (first["run"], other["run"])
    made = await world.post(path, who="olga", input={"amount": 3})
    assert (await world.post(path, who="olga", key=made["command"], input={"amount": 3}))["run"] == made["run"]


@pytest.mark.asyncio
async def test_run_is_read_and_cancelled_by_its_key(world):
    """AUTOMATION/KEY stands for its id in each route, for those who see the automation."""
    body = {"input": {"amount": 1}, "key": "o/7"}
    made = (await world.ask("POST", "/automations/pay/runs", json=body, who="olga")).json()
    backup = (await world.ask("POST", "/automations/backup/runs", json={"key": "o/7"}, who="olga")).json()
    assert (await world.get("/runs/pay%2Fo%2F7"))["id"] == made["run"]
    assert (await world.get("/runs/pay%2Fo%2F7", newest=True, wait=0.01, who="payer"))["id"] == made["run"]
    hidden = await world.ask("GET", "/runs/backup%2Fo%2F7", who="payer")
    assert (hidden.status_code, backup["run"] in hidden.text) == (404, False)
    await world.post("/runs/pay%2Fo%2F7/cancel", who="olga")
    assert (await world.get("/runs/pay%2Fo%2F7"))["state"] == "cancelled"
    assert (await world.ask("GET", "/runs/pay%2Fnone")).status_code == 404
