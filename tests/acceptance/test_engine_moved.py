"""Runs in flight meet edits that change the identity of a step, but not its name: no finished step runs twice without a decision."""

from typing import Any

import pytest

from mainspring.domain.states import FailureReason, RunState
from mainspring.service.runs import run_recovery
from tests.acceptance.step_record import DONE
from tests.acceptance.test_engine_renamed import CHARGE, HEAD, PLAIN, SHIP, Shop

pytestmark = pytest.mark.asyncio

DIRECT = """
@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    async def pay(n: int) -> None:
        await run.step(charge, n)

    await pay(1)
    await run.receive("go")
    await run.step(ship, 1)
    return "done"
"""
TASK = DIRECT.replace("await pay(1)", "await asyncio.create_task(pay(1))")
GROUP = DIRECT.replace(
    "    await pay(1)\n", "    async with asyncio.TaskGroup() as group:\n        group.create_task(pay(1))\n"
)
NESTED = DIRECT.replace("await pay(1)", "await asyncio.gather(pay(1), pay(2))")
MODULE = """
async def pay(run: ms.Run, n: int) -> None:
    await run.step(charge, n)

@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    await asyncio.gather(pay(run, 1), pay(run, 2))
    await run.receive("go")
    await run.step(ship, 1)
    return "done"
"""
LOOP = """
@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    for n in (1, 2):
        await run.step(charge, n)
    await run.receive("go")
    await run.step(ship, 1)
    return "done"
"""
LOOP_WITH_KEYS = LOOP.replace("run.step(charge", "run.options(key=str(n)).step(charge")
MAP = LOOP.replace("    for n in (1, 2):\n        await run.step(charge, n)\n", "    await run.map(charge, [1, 2])\n")
KEYED = PLAIN.replace("run.step(charge", 'run.options(key="a/1").step(charge')
CHILD = """
@ms.workflow(name="invoice")
async def invoice(run: ms.Run, n: int) -> str:
    return await run.step(charge, n)

@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    await run.child(invoice, 1)
    await run.receive("go")
    await run.step(ship, 1)
    return "done"
"""
CHILD_WITH_KEY = CHILD.replace("run.child(", 'run.options(key="a").child(')

EDITS = {
    "a key is added": (PLAIN, KEYED, ["charge#1=charge[a/1]"]),
    "a key is removed": (KEYED, PLAIN, ["charge[a/1]=charge#1"]),
    "a key is added to a loop": (LOOP, LOOP_WITH_KEYS, ["charge#1=charge[1]", "charge#2=charge[2]"]),
    "a loop becomes a map": (LOOP, MAP, ["charge#1=charge#1[0]", "charge#2=charge#1[1]"]),
    "a map becomes a loop": (MAP, LOOP, ["charge#1[0]=charge#1", "charge#1[1]=charge#2"]),
    "a call becomes a task": (DIRECT, TASK, ["charge#1=order.pay#1/charge#1"]),
    "a call becomes a task of a group": (DIRECT, GROUP, ["charge#1=order.pay#1/charge#1"]),
    "a task becomes a call": (TASK, DIRECT, ["order.pay#1/charge#1=charge#1"]),
    "a nested function moves to the module": (NESTED, MODULE, ["order.pay=pay"]),
    "a function moves into another one": (MODULE, NESTED, ["pay=order.pay"]),
    "a child gets a key": (CHILD, CHILD_WITH_KEY, ["invoice#1=invoice[a]"]),
}


@pytest.fixture
def shop(tmp_path):
    DONE.clear()
    return Shop(tmp_path)


async def stopped_by_edit(shop: Shop, edit: str) -> tuple[Any, list[str]]:
    """Begin a run, release the edit, continue the run, and return the new release and the pairs to map."""
    before, after, pairs = EDITS[edit]
    first, order = shop.release(HEAD + before)
    async with shop.world.engine(first) as engine:
        shop.run = (await engine.start(order)).id
        await engine.when(lambda: engine.history(shop.run), lambda history: history.outcomes)
        await engine.until(shop.run, RunState.WAITING)
    registry, _ = shop.release(HEAD + after)
    done = list(DONE)
    async with shop.world.engine(registry) as engine:
        view = await shop.continue_in(engine)
    assert (view.state, view.reason) == (RunState.NEEDS_ATTENTION, FailureReason.DRIFT)
    assert pairs[0] in view.failure.hint
    assert done == DONE
    return registry, pairs


@pytest.mark.parametrize("edit", list(EDITS))
async def test_a_moved_step_that_a_person_maps_keeps_its_saved_result(shop, edit):
    """The run stops before the step runs again; with `--map` for each pair the new identity returns the saved result."""
    registry, pairs = await stopped_by_edit(shop, edit)
    done = list(DONE)
    async with shop.world.engine(registry) as engine:
        for pair in pairs:
            view = await engine.until(shop.run, RunState.NEEDS_ATTENTION)
            assert pair in view.failure.hint
            await engine.act(run_recovery.rename_step, shop.run, pair)
        view = await engine.until(shop.run, RunState.SUCCEEDED, RunState.FAILED)
    assert view.state is RunState.SUCCEEDED, view.failure
    assert [*done, "ship"] == DONE


async def test_the_failure_names_both_identities(shop):
    """The message and `runs diff` show the saved identity and the requested one."""
    await stopped_by_edit(shop, "a key is added")
    async with shop.world.engine(shop.release(HEAD + KEYED)[0]) as engine:
        failure = engine.view(shop.run).failure
    assert "'charge#1'" in failure.message
    assert "'charge[a/1]'" in failure.message
    assert failure.data == [{"path": "identity of a step", "was": "charge#1", "now": "charge[a/1]"}]


async def test_a_moved_step_that_a_person_accepts_stays_and_the_new_one_runs(shop):
    """Accepting says that the two are not the same step."""
    registry, _ = await stopped_by_edit(shop, "a key is added")
    async with shop.world.engine(registry) as engine:
        await engine.act(run_recovery.accept_drift, shop.run, step="charge#1")
        await engine.until(shop.run, RunState.SUCCEEDED)
    assert DONE == ["reserve", "charge", "charge", "ship"]


@pytest.mark.parametrize("decide", [run_recovery.run_again, run_recovery.retry_from])
async def test_a_moved_step_can_be_run_again(shop, decide):
    """It runs under its new identity, and the saved outcome belongs to an older generation."""
    registry, _ = await stopped_by_edit(shop, "a call becomes a task")
    async with shop.world.engine(registry) as engine:
        await engine.act(decide, shop.run, step="charge#1")
        await engine.until(shop.run, RunState.SUCCEEDED)
    assert DONE == ["charge", "charge", "ship"]


async def test_a_run_continues_after_the_edit_is_undone(shop):
    """The saved identities are requested again, so no decision is needed."""
    await stopped_by_edit(shop, "a loop becomes a map")
    async with shop.world.engine(shop.release(HEAD + LOOP)[0]) as engine:
        await engine.app.retry(shop.run)
        await engine.until(shop.run, RunState.SUCCEEDED)
    assert DONE == ["charge", "charge", "ship"]


async def test_a_key_that_differs_in_each_replay_stops_the_run(shop):
    """The saved step has the key of the first call, so the key of the next one would run the step again."""
    text = "import time\n" + HEAD + PLAIN.replace("run.step(charge", "run.options(key=str(time.time_ns())).step(charge")
    await shop.begin(text)
    async with shop.world.engine(shop.release(text)[0]) as engine:
        view = await shop.continue_in(engine)
    assert (view.state, view.reason) == (RunState.NEEDS_ATTENTION, FailureReason.DRIFT)
    assert DONE == ["reserve", "charge"]


async def test_a_call_without_a_key_after_a_mapped_one_is_another_step(shop):
    """The identity of the mapped step is in use, so the next call of this name takes the free one."""
    before = PLAIN.replace(SHIP, CHARGE.replace("1)", "2)"))
    after = before.replace(CHARGE, CHARGE.replace("run.step", 'run.options(key="a").step'))
    await shop.begin(HEAD + before)
    async with shop.world.engine(shop.release(HEAD + after)[0]) as engine:
        await shop.continue_in(engine)
        await engine.act(run_recovery.rename_step, shop.run, "charge#1=charge[a]")
        view = await engine.until(shop.run, RunState.SUCCEEDED, RunState.NEEDS_ATTENTION, RunState.FAILED)
        assert view.state is RunState.SUCCEEDED, view.failure
        saved = [outcome.ident for outcome in engine.history(shop.run).outcomes if outcome.name == "charge"]
    assert saved == ["charge#1", "charge[a]"]
    assert DONE == ["reserve", "charge", "charge"]


async def test_a_renamed_workflow_keeps_the_branches_of_its_nested_functions(shop):
    """`was=` of the workflow names its earlier function too, so that its nested functions are the same branches."""
    renamed = NESTED.replace(
        '@ms.workflow(name="order")\nasync def order', '@ms.workflow(was="order")\nasync def purchase'
    )
    plain = NESTED.replace('@ms.workflow(name="order")', "@ms.workflow")
    await shop.begin(HEAD + plain)
    shop.name = "purchase"
    async with shop.world.engine(shop.release(HEAD + renamed)[0]) as engine:
        view = await shop.continue_in(engine)
    assert view.state is RunState.SUCCEEDED, view.failure
    assert DONE == ["charge", "charge", "ship"]


OTHER_INPUT = CHARGE.replace("1)", "7)")
WITH_KEY = CHARGE.replace("run.step", 'run.options(key="x").step')
PAYING = """
async def paying(run: ms.Run) -> None:
    await run.step(charge, 1)
"""
FREE = {
    "another input and a key, before": PLAIN.replace(CHARGE, WITH_KEY.replace("1)", "7)") + CHARGE),
    "another input, after": PLAIN.replace(SHIP, OTHER_INPUT + SHIP),
    "the same input, after": PLAIN.replace(SHIP, CHARGE + SHIP),
    "the same input and a key, after": PLAIN.replace(SHIP, WITH_KEY + SHIP),
    "the same input, in a task": PAYING + PLAIN.replace(SHIP, "    await asyncio.gather(paying(run))\n" + SHIP),
}


@pytest.mark.parametrize("edit", list(FREE))
async def test_a_step_that_is_added_stops_no_run(shop, edit):
    """Each saved step is requested, or has another input, so the added one is another step."""
    await shop.begin(HEAD + PLAIN)
    async with shop.world.engine(shop.release(HEAD + FREE[edit])[0]) as engine:
        view = await shop.continue_in(engine)
    assert view.state is RunState.SUCCEEDED, view.failure
    assert sorted(DONE) == ["charge", "charge", "reserve", "ship"]


async def test_unchanged_code_that_takes_another_path_after_a_retry_is_not_stopped(shop):
    """The alert of the first life is not requested again; the same alert of another branch is another step."""
    text = """
BROKEN = {"first"}

async def work(name: str) -> str:
    if name in BROKEN:
        raise ms.Permanent(name)
    return name

@ms.workflow(name="order")
async def order(run: ms.Run) -> str:
    async def guarded(name: str) -> None:
        try:
            await run.step(work, name)
        except ms.StepFailed:
            await run.step(charge, 1)
            raise

    await asyncio.gather(guarded("first"))
    await asyncio.gather(guarded("second"), return_exceptions=True)
    await run.step(ship, 1)
    return "done"
"""
    registry, order = shop.release(HEAD + text)
    async with shop.world.engine(registry) as engine:
        run = await engine.start(order)
        await engine.until(run, RunState.FAILED)
        order.fn.__globals__["BROKEN"] = {"second"}
        await engine.app.retry(run.id)
        view = await engine.until(run, RunState.SUCCEEDED, RunState.NEEDS_ATTENTION)
    assert view.state is RunState.SUCCEEDED, view.failure
    assert DONE == ["charge", "charge", "ship"]
