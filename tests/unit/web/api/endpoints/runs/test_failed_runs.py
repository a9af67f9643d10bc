"""Dead letters by the API: by error, with the runs that are stuck by each, as far as a visitor sees."""

import pytest

from mainspring.alerting.inputs.failure_groups import group_failures
from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.states import RunState
from mainspring.store.commands.incidents import RecordEvaluation
from mainspring.store.read.incidents import ungrouped_failures
from tests.api_world import BACKUP
from tests.contract.store.process import fail, finish, halt


def group(world):
    """Group what failed, as a watcher does."""
    found = group_failures(ungrouped_failures(world.store.reader), lambda text: text)
    world.store.apply(RecordEvaluation(started_at=world.clock.now(), groups=found.groups))


def fall(world, number=1, definition=None, finish=fail):
    """Let runs fail; return their ids."""
    runs = []
    for _ in range(number):
        runs.append(world.begin() if definition is None else world.begin(definition, b"{}"))
        (run,) = world.claim()
        world.store.apply(finish(run))
    return runs


@pytest.mark.asyncio
async def test_errors_are_listed_with_their_stuck_runs(world):
    """What watchers grouped and what is too new count together, each run once; what continues again counts no more."""
    runs = fall(world, 3)
    group(world)
    runs += fall(world, 2)
    world.open_incident("pay", kind=IncidentKind.SILENCE)
    (failed_run,) = (await world.get("/failed"))["items"]
    assert (failed_run["standing"], failed_run["failures"]) == ({"number": 5, "more": False}, 5)
    assert (failed_run["automations"], failed_run["text"], failed_run["incident"]) == (
        ["pay"],
        "ValueError: it broke",
        None,
    )
    listed = await world.get(f"/failed/{failed_run['fingerprint'][:6]}/runs")
    assert [row["id"] for row in listed["items"]] == runs[::-1]
    for run in runs[2:4]:
        await world.post(f"/runs/{run}/retry")
    (failed_run,) = (await world.get("/failed"))["items"]
    assert (failed_run["standing"]["number"], failed_run["failures"]) == (3, 5)


@pytest.mark.asyncio
async def test_run_that_failed_again_counts_once(world):
    """By its newest failure."""
    (run,) = fall(world)
    group(world)
    await world.post(f"/runs/{run}/retry")
    (again,) = world.claim()
    world.store.apply(fail(again))
    group(world)
    (failed_run,) = (await world.get("/failed"))["items"]
    assert (failed_run["standing"]["number"], failed_run["failures"]) == (1, 2)


@pytest.mark.asyncio
async def test_error_without_open_runs_is_omitted(world):
    """Unless it is asked for."""
    (run,) = fall(world)
    group(world)
    await world.post(f"/runs/{run}/retry")
    assert (await world.get("/failed"))["items"] == []
    (gone,) = (await world.get("/failed", gone=True))["items"]
    assert gone["standing"]["number"] == 0


@pytest.mark.asyncio
async def test_filters_and_pages(world):
    """By automation, state, time and the beginning of a fingerprint; runs page by page."""
    runs = fall(world, 3)
    fall(world, 1, BACKUP, halt)
    group(world)
    (both,) = (await world.get("/failed"))["items"]
    assert (both["standing"]["number"], sorted(both["automations"])) == (4, ["backup", "pay"])
    (run,) = (await world.get("/failed", name="pay"))["items"]
    assert run["standing"]["number"] == 3
    (other,) = (await world.get("/failed", state="needs_attention"))["items"]
    assert other["automations"] == ["backup"]
    assert (await world.get("/failed", error="ffff"))["items"] == []
    assert (await world.get("/failed", since="2099-01-01T00:00:00Z"))["items"] == []
    fall(world, 1, finish=lambda run: finish(run, RunState.FAILED, failure=Failure("KeyError", "gone", "'x'")))
    first = await world.get("/failed", limit=1)
    second = await world.get("/failed", limit=1, cursor=first["next"])
    texts = {each["text"] for page in (first, second) for each in page["items"]}
    assert (texts, second["next"]) == ({"ValueError: it broke", "KeyError: 'x'"}, None)
    assert (await world.ask("GET", "/failed", params={"state": "running"})).status_code == 422
    assert (await world.ask("GET", "/failed", params={"cursor": "x"})).status_code == 422
    seen, cursor = [], {}
    for _ in range(2):
        page = await world.get(f"/failed/{run['fingerprint']}/runs", name="pay", limit=2, **cursor)
        seen += [row["id"] for row in page["items"]]
        cursor = {"cursor": page["next"]}
    assert (seen, page["next"]) == (runs[::-1], None)


@pytest.mark.asyncio
async def test_visitor_of_some_automations_hears_of_no_others(world):
    """Neither their errors, nor their part in the counts, nor their runs."""
    own = fall(world, 2)
    fall(world, 3, BACKUP)
    group(world)
    fall(world, 1, BACKUP)
    (run,) = (await world.get("/failed", who="payer"))["items"]
    assert (run["standing"]["number"], run["failures"], run["automations"]) == (2, 2, ["pay"])
    rows = (await world.get(f"/failed/{run['fingerprint']}/runs", who="payer"))["items"]
    assert [row["id"] for row in rows] == own[::-1]
    assert (await world.get("/failed", who="payer", name="backup"))["items"] == []
