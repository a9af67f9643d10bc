"""`/rollouts` and `/automations/{automation}/rollout`: reads for viewers, moves for operators, by the API."""

import pytest

from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.store.read.status.status import audit_rows
from tests import rollout_world
from tests.api_world import own
from tests.rollout_world import ALL, HALF

PATH = "/automations/pay/rollout"


@pytest.mark.asyncio
async def test_rollout_is_started_with_all_options(world):
    """As the command line does; what is left out has the same default."""
    rollout_world.announce_candidates(world, "pay", "backup")
    body = {"steps": [2.5, 100], "hold": "2h", "age": "10m", "margin_percent": 2, "in_flight": "stop"}
    started = await world.post(f"{PATH}/start", who="olga", key="s1", version=2, reason="release 7", **body)
    rollout = started["rollout"]
    assert (rollout["state"], rollout["old_version"], rollout["new_version"]) == ("running", 1, 2)
    assert (rollout["percent"], rollout["steps"], rollout["hold_ms"]) == (2.5, [2.5, 100.0], 7_200_000)
    assert (rollout["age_ms"], rollout["margin_percent"], rollout["in_flight"]) == (600_000, 2.0, "stop")
    assert await world.post(f"{PATH}/start", who="olga", key="s1", version=2, reason="release 7", **body) == started
    assert await world.get(f"/rollouts/{rollout['id']}", who="vic") == rollout
    (row,) = (row for row in audit_rows(world.store.reader) if row.subject == "automation:pay")
    assert (row.verb, row.actor, row.reason) == ("rollout start", "api:olga", "release 7")
    other = (await world.post("/automations/backup/rollout/start", version=2))["rollout"]
    assert (other["steps"], other["hold_ms"], other["margin_percent"]) == ([1.0, 5.0, 25.0, 100.0], 1_800_000, 5.0)
    assert (other["in_flight"], other["age_ms"]) == ("finish", 60_000)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, "version"),
        ({"version": 0}, "version"),
        ({"version": 2, "steps": [5, 2, 100]}, "do not grow"),
        ({"version": 2, "steps": []}, "do not grow"),
        ({"version": 2, "steps": [5]}, "do not end with 100 %"),
        ({"version": 2, "steps": [0.00001, 100]}, "too fine"),
        ({"version": 2, "steps": [250]}, "a share of 250"),
        ({"version": 2, "hold": "0s"}, "held for more than nothing"),
        ({"version": 2, "hold": "soon"}, "soon"),
        ({"version": 2, "age": "1ms"}, "at least 1 second"),
        ({"version": 2, "margin_percent": 100}, "below 100 %"),
        ({"version": 2, "in_flight": "kill"}, "in_flight"),
        ({"version": 2, "share": 5}, "share"),
    ],
)
async def test_bad_start_is_rejected(world, body, part):
    """No rollout starts."""
    rollout_world.announce_candidates(world, "pay")
    answer = await world.ask("POST", f"{PATH}/start", json=body)
    assert answer.status_code in (400, 422)
    assert part in answer.text
    assert (await world.get("/rollouts"))["items"] == []


@pytest.mark.asyncio
async def test_conflicts_name_their_fix(world):
    """One status for all of them: 409, and 404 for what does not exist."""
    assert (await world.ask("POST", f"{PATH}/pause", json={})).status_code == 404
    assert (await world.ask("POST", f"{PATH}/start", json={"version": 2})).status_code == 404
    rollout_world.start(world)
    for body, fix in (({"version": 1}, "nothing to do"), ({"version": 2}, "mainspring rollout abort NAME")):
        answer = await world.ask("POST", f"{PATH}/start", json=body)
        assert (answer.status_code, fix in answer.json()["hint"]) == (409, True), answer.text
    await world.post(f"{PATH}/abort")
    for path, body, fix in (
        ("pause", {}, "mainspring rollout status NAME"),
        ("start", {"version": 2}, "--again"),
    ):
        answer = await world.ask("POST", f"{PATH}/{path}", json=body)
        assert (answer.status_code, fix in answer.json()["hint"]) == (409, True), answer.text
    await world.post(f"{PATH}/start", version=2, again=True)


@pytest.mark.asyncio
async def test_rollout_is_paused_resumed_and_finished(world):
    """A repeated request does nothing again."""
    id = rollout_world.start(world)
    for verb, state in (("pause", "paused"), ("resume", "running"), ("finish", "finished")):
        for _ in range(2):
            moved = await world.post(f"{PATH}/{verb}", who="olga", key=f"k-{verb}", rollout=id, reason="checked")
            assert (moved["rollout"]["state"], moved["bulk"]) == (state, None)
    assert (await world.get("/automations/pay"))["automation"]["version"] == 2
    verbs = [row.verb for row in audit_rows(world.store.reader) if row.subject == "automation:pay"]
    assert verbs == ["rollout finish", "rollout resume", "rollout pause", "rollout start"]


@pytest.mark.asyncio
async def test_abort_cancels_the_runs_of_the_new_version(world):
    """By a bulk operation, if the start said so; a repeated request returns the same one."""
    rollout_world.start(world, steps=(ALL,), in_flight=InFlightPolicy.STOP)
    world.begin()
    for _ in range(2):
        aborted = await world.post(f"{PATH}/abort", key="a1")
        assert (aborted["rollout"]["state"], aborted["bulk"]) == ("aborted", own("a1"))
    assert (await world.get(f"/bulk/{aborted['bulk']}"))["total"] == 1


@pytest.mark.asyncio
async def test_move_of_an_earlier_rollout_is_refused(world):
    """A sender that saw another rollout moves nothing."""
    first = rollout_world.start(world)
    await world.post(f"{PATH}/abort", rollout=first)
    second = (await world.post(f"{PATH}/start", version=2, again=True))["rollout"]["id"]
    assert (await world.ask("POST", f"{PATH}/finish", json={"rollout": first})).status_code == 409
    other = rollout_world.start(world, "backup")
    assert (await world.ask("POST", f"{PATH}/finish", json={"rollout": other})).status_code == 404
    assert (await world.ask("POST", f"{PATH}/finish", json={"rollout": 99})).status_code == 404
    assert (await world.get(f"/rollouts/{second}"))["state"] == "running"


@pytest.mark.asyncio
async def test_rollouts_are_listed_newest_first(world):
    """In pages, of one automation, and those that divide new runs."""
    first, second = rollout_world.start(world), rollout_world.start(world, "backup")
    rollout_world.move(world, "abort")
    page = await world.get("/rollouts", who="vic", limit=1)
    assert [item["id"] for item in page["items"]] == [second]
    rest = await world.get("/rollouts", limit=1, cursor=page["next"])
    assert ([item["id"] for item in rest["items"]], rest["next"]) == ([first], None)
    assert [item["id"] for item in (await world.get("/rollouts", automation="pay"))["items"]] == [first]
    assert [item["id"] for item in (await world.get("/rollouts", active=True))["items"]] == [second]


@pytest.mark.asyncio
async def test_rollout_counts_the_runs_of_both_versions(world):
    """Those that the step assigned."""
    id = rollout_world.start(world, steps=(HALF, ALL))
    counts = rollout_world.end_runs(world, 20)
    sides = (await world.get(f"/rollouts/{id}"))["sides"]
    assert {side["version"]: side["assigned"] for side in sides} == counts


@pytest.mark.asyncio
async def test_visitor_reads_and_moves_rollouts_of_its_automations_only(world):
    """A viewer moves none; others are missing for a visitor of some automations."""
    own_rollout, other = rollout_world.start(world), rollout_world.start(world, "backup")
    assert [item["id"] for item in (await world.get("/rollouts", who="payer"))["items"]] == [own_rollout]
    assert (await world.get("/rollouts", who="payer", automation="backup"))["items"] == []
    assert (await world.ask("GET", f"/rollouts/{other}", who="payer")).status_code == 404
    for verb, body in (("start", {"version": 2}), ("pause", {}), ("resume", {}), ("abort", {}), ("finish", {})):
        path = f"/automations/backup/rollout/{verb}"
        assert (await world.ask("POST", path, who="payer", json=body)).status_code == 404
        assert (await world.ask("POST", f"{PATH}/{verb}", who="vic", json=body)).status_code == 403
    assert (await world.post(f"{PATH}/pause", who="payer", rollout=own_rollout))["rollout"]["state"] == "paused"
    hidden = await world.ask("POST", f"{PATH}/pause", who="payer", json={"rollout": other})
    unknown = await world.ask("POST", f"{PATH}/pause", who="payer", json={"rollout": 99})
    assert hidden.status_code == unknown.status_code == 404


@pytest.mark.asyncio
@pytest.mark.parametrize("id", ["x", "0", "99", "-1", "1e3", "٣", "9" * 19, "%00"])
async def test_unknown_rollout_is_missing(world, id):
    """Whatever stands in the path."""
    assert (await world.ask("GET", f"/rollouts/{id}")).status_code == 404
