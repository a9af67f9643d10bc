"""Runs in flight meet edited code: free edits stop none, a renamed step always stops, and a person or the code says what it is.

Each release is a file of its own, as people deploy it.
"""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.definitions.module_loader import load_module
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs import run_recovery
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import Engine, World
from tests.acceptance.step_record import DONE
from tests.service_calls import call_service

pytestmark = pytest.mark.asyncio

HEAD = """
import asyncio
import mainspring as ms
from tests.acceptance.step_record import note

async def reserve(n: int) -> str:
    return note("did reserve")

async def charge(n: int) -> str:
    return note("did charge")

async def ship(n: int) -> str:
    return note("did ship")
"""
CHECK = """
async def check(n: int) -> str:
    return note("did check")
"""
PLAIN = """
@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    await run.step(reserve, 1)
    await run.step(charge, 1)
    await run.receive("go")
    await run.step(ship, 1)
    return "done"
"""
LOOP = """
@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    for n in range(2):
        await run.step(charge, n)
    await run.receive("go")
    for n in range(2, 4):
        await run.step(charge, n)
    return "done"
"""
GATHER = """
@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    await asyncio.gather(run.step(reserve, 1), run.step(charge, 1))
    await run.receive("go")
    await asyncio.gather(run.step(ship, 1))
    return "done"
"""
BRANCH = """
@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    async def pay() -> None:
        await run.step(reserve, 1)
        await run.step(charge, 1)

    async with asyncio.TaskGroup() as group:
        group.create_task(pay())
    await run.receive("go")
    await run.step(ship, 1)
    return "done"
"""
HELPER = """
async def pay(run: ms.Run) -> None:
    await run.step(reserve, 1)
    await run.step(charge, 1)

@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    await pay(run)
    await run.receive("go")
    await run.step(ship, 1)
    return "done"
"""
KEYED = """
@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    await run.options(key="a/1").step(charge, 1)
    await run.receive("go")
    await run.options(key="b").step(ship, 1)
    return "done"
"""
MAPPED = """
@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    await run.map(charge, [1, 2])
    await run.receive("go")
    await run.step(ship, 1)
    return "done"
"""
BODIES = {
    "plain": PLAIN,
    "loop": LOOP,
    "gather": GATHER,
    "branch": BRANCH,
    "helper": HELPER,
    "key": KEYED,
    "map": MAPPED,
}
RENAMED = re.compile(r"(?<!did )\bcharge\b")
RESERVE, CHARGE, SHIP = (f"    await run.step({name}, 1)\n" for name in ("reserve", "charge", "ship"))
CHECKS = "    await run.step(check, 1)\n"

FREE = {
    "add first": HEAD + CHECK + PLAIN.replace(RESERVE, CHECKS + RESERVE),
    "add in the middle": HEAD + CHECK + PLAIN.replace(CHARGE, CHECKS + CHARGE),
    "add last": HEAD + CHECK + PLAIN.replace(SHIP, SHIP + CHECKS),
    "remove": HEAD + PLAIN.replace(RESERVE, ""),
    "remove and add": HEAD + CHECK + PLAIN.replace(RESERVE, "").replace(SHIP, CHECKS + SHIP),
    "reorder": HEAD + PLAIN.replace(RESERVE, "").replace(CHARGE, CHARGE + RESERVE),
    "no edit": HEAD + PLAIN,
}


class Shop:
    """One run of the first release, waiting for its signal, and the releases after it."""

    def __init__(self, place: Path) -> None:
        self.world = World(place)
        self.place = place
        self.releases = 0
        self.run = ""
        self.name = "order"

    def release(self, text: str) -> tuple[Registry, Any]:
        """Load a release as a worker does."""
        self.releases += 1
        file = self.place / f"release_{self.releases}.py"
        file.write_text(text, encoding="utf-8")
        with Registry() as registry:
            load_module(str(file))
        return registry, registry.get(self.name)

    async def begin(self, text: str) -> None:
        DONE.clear()
        registry, order = self.release(text)
        async with self.world.engine(registry) as engine:
            run = await engine.start(order)
            await engine.until(run, RunState.WAITING)
        self.run = run.id

    async def continue_in(self, engine: Engine) -> Any:
        await engine.app.signal(self.run, "go", 1)
        return await engine.until(self.run, RunState.SUCCEEDED, RunState.NEEDS_ATTENTION, RunState.FAILED)


@pytest.fixture
def shop(tmp_path):
    DONE.clear()
    return Shop(tmp_path)


@pytest.mark.parametrize("edit", list(FREE))
async def test_a_free_edit_stops_no_run(shop, edit):
    """Steps may be added anywhere, removed, exchanged and moved while a run is in flight: what is saved is not done again."""
    await shop.begin(HEAD + PLAIN)
    assert DONE == ["reserve", "charge"]
    async with shop.world.engine(shop.release(FREE[edit])[0]) as engine:
        view = await shop.continue_in(engine)
    assert view.state is RunState.SUCCEEDED, view.failure
    assert sorted(DONE) == sorted(["reserve", "charge", "ship", *(["check"] if "add" in edit else [])])


@pytest.mark.parametrize("where", list(BODIES))
async def test_a_renamed_step_stops_the_run_before_it_is_done_again(shop, where):
    """Wherever it stands: the run needs a person who is notified both names, and nothing was charged twice."""
    await shop.begin(HEAD + BODIES[where])
    done = list(DONE)
    assert "charge" in done
    renamed = RENAMED.sub("charge_card", HEAD + BODIES[where])
    async with shop.world.engine(shop.release(renamed)[0]) as engine:
        view = await shop.continue_in(engine)
    assert (view.state, view.reason) == (RunState.NEEDS_ATTENTION, FailureReason.DRIFT)
    assert "'charge'" in view.failure.message
    assert "'charge_card'" in view.failure.message
    assert "--map charge=charge_card" in view.failure.hint
    assert done == DONE


BANK = """
import types

class Bank:
    def charge(self, n: int) -> str:
        return note("did charge")

    def post(self, charge: int) -> str:
        return note("did charge")

bank = Bank()
namespace = types.SimpleNamespace(charge=bank.charge)
"""


@pytest.mark.parametrize("called", ["bank.charge(n)", "bank.post(charge=n)", "namespace.charge(n)"])
async def test_a_step_that_has_the_name_of_what_it_calls_stops_the_run_once_renamed(shop, called):
    """The name occurs in its own code still, which requests no step."""
    head = HEAD.replace('return note("did charge")', f"return {called}") + BANK
    await shop.begin(head + PLAIN)
    renamed = (head + PLAIN).replace("def charge(n", "def charge_card(n").replace("step(charge,", "step(charge_card,")
    async with shop.world.engine(shop.release(renamed)[0]) as engine:
        view = await shop.continue_in(engine)
    assert (view.state, view.reason) == (RunState.NEEDS_ATTENTION, FailureReason.DRIFT)
    assert DONE == ["reserve", "charge"]


async def test_a_name_in_the_options_that_is_changed_stops_the_run(shop):
    """A constant of the code is a name as well."""
    named = PLAIN.replace("run.step(charge, 1)", 'run.options(name="pay").step(charge, 1)')
    await shop.begin(HEAD + named)
    async with shop.world.engine(shop.release(HEAD + named.replace('"pay"', '"pay_now"'))[0]) as engine:
        view = await shop.continue_in(engine)
    assert view.state is RunState.NEEDS_ATTENTION
    assert DONE == ["reserve", "charge"]


async def test_a_renamed_branch_stops_the_run(shop):
    """The steps of a task are known by its coroutine: under another one they would be done again."""
    await shop.begin(HEAD + BRANCH)
    async with shop.world.engine(shop.release(HEAD + BRANCH.replace("pay()", "settle()"))[0]) as engine:
        view = await shop.continue_in(engine)
        assert view.state is RunState.NEEDS_ATTENTION, DONE
        await engine.act(run_recovery.rename_step, shop.run, "pay=settle")
        await engine.until(shop.run, RunState.SUCCEEDED)
    assert DONE == ["reserve", "charge", "ship"]


@pytest.mark.parametrize("is_running", [False, True])
async def test_a_renamed_child_stops_the_run(shop, is_running):
    """A child that has begun is not started a second time under its new name; was= carries it over."""
    child = """
@ms.workflow(name="invoice")
async def invoice(run: ms.Run) -> str:
    return await run.step(charge, 1)

@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    await run.child(invoice)
    await run.receive("go")
    return "done"
"""
    if is_running:
        child = child.replace("    return await", '    await run.receive("pay")\n    return await')
    registry, order = shop.release(HEAD + child)
    async with shop.world.engine(registry) as engine:
        shop.run = (await engine.start(order)).id
        (kid,) = await engine.when(lambda: engine.history(shop.run).children, bool)
        await engine.until(kid.id, RunState.WAITING if is_running else RunState.SUCCEEDED)
        await engine.until(shop.run, RunState.WAITING)
    renamed = child.replace("invoice", "bill")
    async with shop.world.engine(shop.release(HEAD + renamed)[0]) as engine:
        view = await shop.continue_in(engine)
        assert view.state is RunState.NEEDS_ATTENTION
    carried = renamed.replace('name="bill"', 'name="bill", was="invoice"')
    async with shop.world.engine(shop.release(HEAD + carried)[0]) as engine:
        await engine.app.retry(shop.run)
        if is_running:
            await engine.app.signal(kid.id, "pay", 1)
        await engine.until(shop.run, RunState.SUCCEEDED)
        assert [child.id for child in engine.history(shop.run).children] == [kid.id]
    assert DONE == ["charge"]


async def stopped_by_rename(shop: Shop, body: str = PLAIN) -> Registry:
    await shop.begin(HEAD + body)
    registry, _ = shop.release(RENAMED.sub("charge_card", HEAD + body))
    async with shop.world.engine(registry) as engine:
        view = await shop.continue_in(engine)
        assert view.state is RunState.NEEDS_ATTENTION
    return registry


@pytest.mark.parametrize("where", list(BODIES))
async def test_a_step_that_a_person_maps_keeps_its_saved_result(shop, where):
    """The new name answers with what was saved under the old one, also in each later replay."""
    registry = await stopped_by_rename(shop, BODIES[where])
    done = list(DONE)
    async with shop.world.engine(registry) as engine:
        await engine.act(run_recovery.rename_step, shop.run, "charge=charge_card")
        view = await engine.until(shop.run, RunState.SUCCEEDED, RunState.NEEDS_ATTENTION)
    assert view.state is RunState.SUCCEEDED, view.failure
    assert done + (["charge"] * 2 if where == "loop" else ["ship"]) == DONE


async def test_a_step_that_a_person_accepts_as_gone_is_kept_and_the_new_one_runs(shop):
    """Accepting says that the two are not the same."""
    registry = await stopped_by_rename(shop)
    async with shop.world.engine(registry) as engine:
        await engine.act(run_recovery.accept_drift, shop.run, step="charge")
        await engine.until(shop.run, RunState.SUCCEEDED)
        stored = [o for o in engine.history(shop.run).outcomes if o.name == "charge"]
    assert [o.superseded for o in stored] == [None]
    assert DONE == ["reserve", "charge", "charge", "ship"]


async def test_a_renamed_step_can_be_run_again(shop):
    """It, and what was asked for after it, belongs to an older generation then."""
    registry = await stopped_by_rename(shop)
    async with shop.world.engine(registry) as engine:
        await engine.act(run_recovery.run_again, shop.run, step="charge")
        await engine.until(shop.run, RunState.SUCCEEDED)
        old = [o for o in engine.history(shop.run).outcomes if o.name == "charge"]
    assert [o.superseded for o in old] == [1]
    assert DONE == ["reserve", "charge", "charge", "ship"]


async def test_a_mapping_must_name_the_step_at_which_the_run_stopped(shop):
    """A wrong pair is refused with the right one; a run that did not stop for a renamed step is as well."""
    registry = await stopped_by_rename(shop)
    async with shop.world.engine(registry) as engine:
        with pytest.raises(ms.MainspringError, match="reserve=charge_card") as caught:
            await engine.act(run_recovery.rename_step, shop.run, "reserve=charge_card")
        assert "charge=charge_card" in (caught.value.hint or "")
        other = await engine.start(registry.get("order"))
        await engine.until(other, RunState.WAITING)
        with pytest.raises(ms.MainspringError, match="did not stop for a renamed step"):
            await engine.act(run_recovery.rename_step, other.id, "charge=charge_card")


async def test_the_code_itself_may_state_that_a_step_was_renamed_or_is_gone(shop):
    """`was=` keeps the saved result, `gone=` lets the run continue without it; neither stops it."""
    renamed = RENAMED.sub("charge_card", HEAD + PLAIN)
    for text, more in (
        (renamed.replace("async def charge_card", '@ms.step(was="charge")\nasync def charge_card'), []),
        (renamed.replace("run.step(charge_card, 1)", 'run.options(was="charge").step(charge_card, 1)'), []),
        (renamed.replace('name="order"', 'name="order", gone=["charge"]'), ["charge"]),
    ):
        await shop.begin(HEAD + PLAIN)
        async with shop.world.engine(shop.release(text)[0]) as engine:
            view = await shop.continue_in(engine)
        assert view.state is RunState.SUCCEEDED, view.failure
        assert ["reserve", "charge", *more, "ship"] == DONE


async def test_runs_that_stopped_for_one_pair_are_decided_together(shop):
    """A run that stopped for something else is refused, and the others continue."""
    registry, order = shop.release(HEAD + PLAIN)
    async with shop.world.engine(registry) as engine:
        runs = [(await engine.start(order)).id for _ in range(3)]
        for run in runs:
            await engine.until(run, RunState.WAITING)
    renamed, _ = shop.release(RENAMED.sub("charge_card", HEAD + PLAIN))
    async with shop.world.engine(renamed) as engine:
        for run in runs[:2]:
            await engine.app.signal(run, "go", 1)
            await engine.until(run, RunState.NEEDS_ATTENTION)
        answer = await call_service(
            engine.app,
            lambda store, act: run_recovery.decide_renamed_each(
                store, engine.reads, runs, "map", "charge=charge_card", act=act
            ),
        )
        assert (answer.done, list(answer.refused)) == (2, [runs[2]])
        for run in runs[:2]:
            await engine.until(run, RunState.SUCCEEDED)
    assert sorted(DONE) == ["charge"] * 3 + ["reserve"] * 3 + ["ship"] * 2


async def test_a_marked_step_of_an_old_name_stops_the_run_and_keeps_its_key_when_mapped(shop):
    """Its attempt failed and the next one is due: under its new name it continues with the same idempotency key."""
    keys = """
KEYS = []
TRIES = []

@ms.step(retry=ms.Retry(3, initial="1h", max="1h", jitter=False))
async def charge(n: int) -> str:
    from tests.acceptance.step_record import DONE
    DONE.append(ms.idempotency_key())
    if len(DONE) < 2:
        raise ms.Transient("busy")
    return "paid"

@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    return await run.step(charge, 1)
"""
    shop.world = World(shop.place, FakeClock(datetime(2026, 5, 1, tzinfo=UTC)))
    registry, order = shop.release(HEAD + keys)
    async with shop.world.engine(registry) as engine:
        run = await engine.start(order)
        await engine.until(run, RunState.RETRYING)
    renamed, _ = shop.release(RENAMED.sub("charge_card", HEAD + keys))
    shop.world.clock.advance(timedelta(hours=2))
    async with shop.world.engine(renamed) as engine:
        view = await engine.until(run.id, RunState.NEEDS_ATTENTION)
        assert "'charge'" in view.failure.message
        await engine.act(run_recovery.rename_step, run.id, "charge=charge_card")
        await engine.until(run.id, RunState.SUCCEEDED)
    assert len(DONE) == 2
    assert len(set(DONE)) == 1


async def test_computed_names_are_reached_through_tables_and_methods(shop):
    """Functions in a table of the module, in a class or behind a decorator are found; a run with them is not stopped."""
    text = """
import functools

class Steps:
    async def first(self, n: int) -> str:
        return note("did first")

def logged(fn):
    @functools.wraps(fn)
    async def call(n: int) -> str:
        return await fn(n)
    return call

@logged
async def second(n: int) -> str:
    return note("did second")

TABLE = {"a": Steps().first, "b": second, "c": ship}

@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    for which in "ab":
        await run.step(TABLE[which], 1)
    await run.receive("go")
    return await run.step(TABLE["c"], 1)
"""
    await shop.begin(HEAD + text)
    edited = text.replace('for which in "ab"', 'for which in ""')
    async with shop.world.engine(shop.release(HEAD + edited)[0]) as engine:
        view = await shop.continue_in(engine)
    assert view.state is RunState.SUCCEEDED, view.failure
    assert DONE == ["first", "second", "ship"]


async def test_names_that_the_code_computes_stop_no_run(shop):
    """A name made of a variable fits its pattern; only what no pattern and no name can give is missing."""
    text = """
TABLES = ["users", "orders"]

@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    for table in TABLES:
        await run.options(name=f"load_{table}").step(charge, 1)
    await run.receive("go")
    return await run.step(ship, 1)
"""
    await shop.begin(HEAD + text)
    async with shop.world.engine(shop.release(HEAD + text.replace('"users", ', ""))[0]) as engine:
        view = await shop.continue_in(engine)
    assert view.state is RunState.SUCCEEDED, view.failure
    assert DONE == ["charge", "charge", "ship"]
    await shop.begin(HEAD + text)
    async with shop.world.engine(shop.release(HEAD + text.replace("load_", "copy_"))[0]) as engine:
        view = await shop.continue_in(engine)
    assert view.state is RunState.NEEDS_ATTENTION
    assert DONE == ["charge", "charge"]


async def test_a_removed_step_whose_function_is_gone_too_stops_only_before_a_new_one(shop):
    """Without a new name nothing can be done twice: the run ends and lists the step."""
    body = PLAIN.replace(SHIP, "")
    await shop.begin(HEAD + body)
    text = (
        (HEAD + body)
        .replace(CHARGE, "")
        .replace('async def charge(n: int) -> str:\n    return note("did charge")\n', "")
    )
    assert "charge" not in text
    async with shop.world.engine(shop.release(text)[0]) as engine:
        view = await shop.continue_in(engine)
    assert view.state is RunState.SUCCEEDED
    assert b'"unasked":["charge#1"]' in view.detail
    await asyncio.sleep(0)


async def stopped_by_given_result(shop: Shop, error: str) -> Registry:
    """Let the step fail, rename it, and give its result by hand: nothing of it is saved, and no one has asked for it."""
    text = PLAIN.replace("run.step(charge", 'run.options(delivery="at_most_once").step(charge').replace(
        'await run.receive("go")', "pass"
    )
    DONE.clear()
    registry, order = shop.release(
        HEAD.replace('return note("did charge")', f'note("did charge"); raise {error}') + text
    )
    async with shop.world.engine(registry) as engine:
        shop.run = (await engine.start(order)).id
        await engine.until(shop.run, RunState.NEEDS_ATTENTION, RunState.FAILED)
    done = list(DONE)
    registry, _ = shop.release(RENAMED.sub("charge_card", HEAD + text))
    async with shop.world.engine(registry) as engine:
        await engine.give(shop.run, b'"by hand"')
        view = await engine.until(shop.run, RunState.NEEDS_ATTENTION, RunState.SUCCEEDED)
        assert (view.state, view.reason) == (RunState.NEEDS_ATTENTION, FailureReason.DRIFT)
    assert done == DONE
    return registry


@pytest.mark.parametrize("error", ['RuntimeError("in doubt")', 'ms.Permanent("failed")'])
async def test_a_renamed_step_whose_result_a_person_gave_stops_the_run(shop, error):
    """It was done: the new name must not do it once more. Mapped, it answers with what was given."""
    registry = await stopped_by_given_result(shop, error)
    done = list(DONE)
    async with shop.world.engine(registry) as engine:
        await engine.act(run_recovery.rename_step, shop.run, "charge=charge_card")
        await engine.until(shop.run, RunState.SUCCEEDED)
        (given,) = [o for o in engine.history(shop.run).outcomes if o.ident == "charge#1" and o.superseded is None]
    assert given.output == b'"by hand"'
    assert [*done, "ship"] == DONE


@pytest.mark.parametrize("act", [run_recovery.accept_drift, run_recovery.run_again, run_recovery.retry_from])
async def test_a_renamed_step_with_a_given_result_runs_on_request(shop, act):
    """Each act that is suggested works."""
    registry = await stopped_by_given_result(shop, 'RuntimeError("in doubt")')
    done = list(DONE)
    async with shop.world.engine(registry) as engine:
        await engine.act(act, shop.run, step="charge")
        await engine.until(shop.run, RunState.SUCCEEDED)
    assert [*done, "charge", "ship"] == DONE


async def test_a_renamed_step_that_a_person_restarted_keeps_its_key(shop):
    """It may have had its effect, so the new name must not run under another key unless a person says so."""
    text = PLAIN.replace("run.step(charge", 'run.options(delivery="at_most_once").step(charge')
    head = HEAD.replace('note("did charge")', 'note("did charge " + ms.idempotency_key())')
    DONE.clear()
    broken = head.replace('return note("did charge', 'raise RuntimeError(note("did charge').replace("key())", "key()))")
    registry, order = shop.release(broken + text)
    async with shop.world.engine(registry) as engine:
        shop.run = (await engine.start(order)).id
        await engine.until(shop.run, RunState.NEEDS_ATTENTION)
    registry, _ = shop.release(RENAMED.sub("charge_card", head + text))
    async with shop.world.engine(registry) as engine:
        await engine.act(run_recovery.run_again, shop.run, step="charge")
        view = await engine.when(lambda: engine.view(shop.run), lambda view: view.reason == FailureReason.DRIFT)
        assert (view.state, len(DONE)) == (RunState.NEEDS_ATTENTION, 2)
        await engine.act(run_recovery.rename_step, shop.run, "charge=charge_card")
        await engine.app.signal(shop.run, "go", 1)
        await engine.until(shop.run, RunState.SUCCEEDED)
    assert [name for name in DONE if name.startswith("charge ")] == [DONE[1]] * 2


@pytest.mark.parametrize("act", [run_recovery.accept_drift, run_recovery.run_again, run_recovery.retry_from])
@pytest.mark.parametrize("is_started", ["marked step", "child under way", "branch"])
async def test_each_operation_that_is_suggested_works_where_nothing_is_saved(shop, act, is_started):
    """The step has a start mark alone, or the child has not ended; a branch is named by its coroutine."""
    body, old = {
        "marked step": ("    await run.step(charge, 1)\n", "charge"),
        "child under way": ("    await run.child(charging)\n", "charging"),
        "branch": ("    await asyncio.gather(paying(run))\n", "paying"),
    }[is_started]
    text = (
        HEAD.replace(
            "async def charge", '@ms.step(retry=ms.Retry(3, initial="1h", max="1h", jitter=False))\nasync def charge'
        ).replace('return note("did charge")', 'note("did charge"); raise ms.Transient("busy")')
        + f"""
@ms.workflow(name="charging")
async def charging(run: ms.Run) -> str:
    return await run.receive("pay")

async def paying(run: ms.Run) -> str:
    return await run.step(reserve, 1)

@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
{body}    await run.receive("go")
    return "done"
"""
    )
    DONE.clear()
    shop.world = World(shop.place, FakeClock(datetime(2026, 5, 1, tzinfo=UTC)))
    registry, order = shop.release(text)
    async with shop.world.engine(registry) as engine:
        shop.run = (await engine.start(order)).id
        await engine.until(shop.run, RunState.RETRYING if old == "charge" else RunState.WAITING)
        if is_started == "child under way":
            await engine.when(lambda: engine.history(shop.run).children, bool)
    renamed = re.sub(rf"(?<!did )\b{old}\b", f"{old}_card", text).replace('raise ms.Transient("busy")', "return 'paid'")
    shop.world.clock.advance(timedelta(hours=2))
    registry, _ = shop.release(renamed)
    async with shop.world.engine(registry) as engine:
        await engine.app.signal(shop.run, "go", 1)
        assert (await engine.until(shop.run, RunState.NEEDS_ATTENTION)).reason == FailureReason.DRIFT
        await engine.act(act, shop.run, step=old)
        if is_started == "child under way":
            await engine.when(lambda: [c.automation for c in engine.history(shop.run).children], lambda c: len(c) == 2)
        else:
            await engine.until(shop.run, RunState.SUCCEEDED)
    assert {"marked step": ["charge", "charge"], "child under way": [], "branch": ["reserve"] * 2}[is_started] == DONE
