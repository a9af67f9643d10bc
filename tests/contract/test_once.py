"""One suite for `ms.once` in every place where a step can run: the engine's loop, a thread, a child process."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.effects.effect import CallOutcome, EffectRecord
from mainspring.domain.errors import ConflictError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.states import EffectState, FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.service.effect import confirm_effect, forget_effect
from mainspring.service.runs import run_recovery
from mainspring.service.runs.run import retry
from mainspring.store.read import effects
from tests.acceptance.engine_world import Engine, World
from tests.contract import once_steps as steps
from tests.service_calls import call_service

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]

KEY = "invoice:7"
S = EffectState


@pytest.fixture(params=["loop", "thread", "process"])
def isolate(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The target."""
    return tmp_path / "requests"


def working(isolate: str, retry: ms.Retry | None = None, **options: Any) -> tuple[Registry, Any]:
    """Return a workflow of one step, which runs there: the step is named, and found in its form for that place."""
    place: Any = None if isolate == "loop" else isolate

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run, name: str, args: list[Any]) -> Any:
            fn: Callable[..., Any] = getattr(steps, f"{name}_async" if isolate == "loop" else name)
            chosen = run.options(isolate=place, retry=retry or ms.Retry(attempts=1), **options)
            return await chosen.step(fn, *args)

    return registry, work


class Scene:
    """An engine, and steps of that workflow; each `run` is a run of its own."""

    def __init__(self, engine: Engine, work: Any, file: Path) -> None:
        self.engine = engine
        self.work = work
        self.file = file

    async def start(self, name: str, *args: Any) -> ms.Handle:
        return await self.engine.start(self.work, name, [str(self.file), *args])

    async def result(self, name: str, *args: Any) -> Any:
        return await (await self.start(name, *args)).result(30)

    async def failure(self, name: str, *args: Any) -> Failure:
        failure = (await self.engine.until(await self.start(name, *args), RunState.FAILED)).failure
        assert failure is not None
        return failure

    async def doubt(self, name: str, *args: Any) -> ms.Handle:
        """Return a run that needs attention because of a doubt."""
        run = await self.start(name, *args)
        view = await self.engine.until(run, RunState.NEEDS_ATTENTION)
        assert view.reason == FailureReason.IN_DOUBT
        assert view.failure is not None
        assert view.failure.code == "effect_in_doubt"
        assert KEY in view.failure.message
        return run

    @property
    def reader(self) -> Any:
        return self.engine.working.store.reader

    @property
    def saved(self) -> EffectRecord:
        """What is on record of the key."""
        found = effects.read_effect(self.reader, KEY)
        assert found is not None
        return found

    @property
    def state(self) -> EffectState | None:
        found = effects.read_effect(self.reader, KEY)
        return None if found is None else found.state

    async def until_state(self, *states: EffectState | None) -> None:
        """Wait for an outcome: that of an abandoned attempt comes after its end."""
        await self.engine.when(lambda: self.state, lambda found: found in states)

    @property
    def requests(self) -> list[str]:
        """What the target got."""
        return self.file.read_text().splitlines() if self.file.exists() else []

    @property
    def keys(self) -> list[str]:
        """The idempotency keys that the target got."""
        return [line.split()[1] for line in self.requests]

    def calls(self, run: ms.Handle) -> list[CallOutcome]:
        return [call.outcome for call in effects.list_calls_of_run(self.reader, run.id)]


def scene(tmp_path: Path, isolate: str, file: Path, **options: Any) -> Any:
    """Open an engine with a scene."""

    @contextlib.asynccontextmanager
    async def opened() -> Any:
        registry, work = working(isolate, **options)
        async with World(tmp_path).engine(registry) as engine:
            yield Scene(engine, work, file)

    return opened()


async def test_second_call_gets_the_saved_result(tmp_path: Path, isolate: str, file: Path) -> None:
    """The target gets one request, under the idempotency key on record; both runs have the call on record."""
    async with scene(tmp_path, isolate, file) as world:
        first, second = [await world.start("call", KEY, "x", "well", {}) for _ in range(2)]
        assert [await run.result(30) for run in (first, second)] == ["x", "x"]
        saved = world.saved
        assert world.keys == [saved.id]
        outcomes = sorted((*world.calls(first), *world.calls(second)))
        assert outcomes == [CallOutcome.DONE, CallOutcome.SKIPPED]
        assert (saved.automation, saved.state, saved.intent) == ("work", S.DONE, 1)


async def test_result_has_the_type_of_the_annotation(tmp_path: Path, isolate: str, file: Path) -> None:
    """By the call that performed the effect, and by those that found it."""
    async with scene(tmp_path, isolate, file) as world:
        for _ in range(2):
            assert await world.result("typed", KEY) == ["Receipt", 1, "x"]


async def test_block_performs_if_needed_and_has_the_result(tmp_path: Path, isolate: str, file: Path) -> None:
    """After `done` it is not needed any more."""
    async with scene(tmp_path, isolate, file) as world:
        for _ in range(2):
            assert await world.result("block", KEY, "x", "well", {}) == ["x", False, False]
        assert len(world.requests) == 1


async def test_block_without_done_is_an_error_with_its_place(tmp_path: Path, isolate: str, file: Path) -> None:
    """Whether the effect happened is not known, so it is not repeated."""
    async with scene(tmp_path, isolate, file) as world:
        failure = await world.failure("block", KEY, "x", "forgets", {})
        assert failure.code == "effect_not_settled"
        assert f"{steps.__file__}:" in failure.message
        assert world.state is S.IN_DOUBT
        await world.doubt("block", KEY, "x", "well", {})
        assert len(world.requests) == 1


@pytest.mark.parametrize("method", ["not_sent", "permanent", "refused"])
@pytest.mark.parametrize("form", ["call", "block"])
async def test_error_that_proves_that_nothing_happened_releases(
    tmp_path: Path, isolate: str, file: Path, form: str, method: str
) -> None:
    """The step fails with its error, and the next call performs the effect under a new key."""
    async with scene(tmp_path, isolate, file) as world:
        run = await world.start(form, KEY, "x", method, {})
        view = await world.engine.until(run, RunState.FAILED)
        assert view.failure.code != "effect_in_doubt"
        assert (world.state, world.calls(run)) == (None, [CallOutcome.RELEASED])
        await world.result(form, KEY, "x", "well", {})
        assert len(set(world.keys)) == 2


@pytest.mark.parametrize("method", ["timeout", "bug"])
@pytest.mark.parametrize("form", ["call", "block"])
async def test_any_other_error_is_a_question_to_a_person(
    tmp_path: Path, isolate: str, file: Path, form: str, method: str
) -> None:
    """The run needs attention, with the error of the code; the effect is not repeated, by whichever run."""
    async with scene(tmp_path, isolate, file, retry=ms.Retry(attempts=3, initial="10ms")) as world:
        run = await world.doubt(form, KEY, "x", method, {})
        assert (world.state, world.calls(run)) == (S.IN_DOUBT, [CallOutcome.UNKNOWN])
        assert {"timeout": "TimeoutError: too slow", "bug": "KeyError: 'id'"}[method] in (world.saved.note or "")
        await world.doubt(form, KEY, "x", "well", {})
        assert len(world.requests) == 1


async def test_keyed_effect_is_repeated_under_its_key(tmp_path: Path, isolate: str, file: Path) -> None:
    """Its step fails as its error has it and is retried; the target drops the second request."""
    async with scene(tmp_path, isolate, file, retry=ms.Retry(attempts=2, initial="10ms")) as world:
        assert await world.result("call", KEY, "x", "first:timeout", {"keyed": True}) == "x"
        assert len(world.keys) == 2
        assert len(set(world.keys)) == 1
        assert world.state is S.DONE


@pytest.mark.parametrize("form", ["call", "block"])
@pytest.mark.parametrize("check", ["found", "true", "missing", "false"])
async def test_target_is_checked_before_an_unknown_effect_is_repeated(
    tmp_path: Path, isolate: str, file: Path, form: str, check: str
) -> None:
    """What it has is not repeated, and has the result of the check; what it does not have is performed."""
    async with scene(tmp_path, isolate, file) as world:
        failure = await world.failure(form, KEY, "x", "timeout", {"check": check})
        assert (failure.type, world.state) == ("TimeoutError", S.UNKNOWN)
        assert not Path(f"{file}.checks").exists(), "a first effect needs no check"
        found = await world.result(form, KEY, "x", "well", {"check": check})
        result = found[0] if form == "block" else found
        assert result == {"found": {"number": 7}, "true": None, "missing": "x", "false": "x"}[check]
        assert len(world.requests) == (1 if check in ("found", "true") else 2)
        assert len(set(world.keys)) == 1
        assert world.state is S.DONE


async def test_check_that_raises_leaves_the_outcome_unknown(tmp_path: Path, isolate: str, file: Path) -> None:
    """The effect is not performed, the step fails with the error of the check, and the next call checks again."""
    async with scene(tmp_path, isolate, file) as world:
        await world.failure("call", KEY, "x", "timeout", {"check": "missing"})
        for _ in range(2):
            failure = await world.failure("call", KEY, "x", "well", {"check": "raises"})
            assert "the target does not answer" in failure.message
            assert world.state is S.UNKNOWN
        assert len(world.requests) == 1
        assert await world.result("call", KEY, "x", "well", {"check": "find"}) == {"found": 1}


async def test_repetition_that_was_not_sent_keeps_the_key(tmp_path: Path, isolate: str, file: Path) -> None:
    """The first request may have arrived, so its key must reach the target again."""
    async with scene(tmp_path, isolate, file) as world:
        for method in ("timeout", "not_sent", "well"):
            run = await world.start("call", KEY, "x", method, {"keyed": True})
            await world.engine.until(run, RunState.FAILED, RunState.SUCCEEDED)
        assert len(world.keys) == 3
        assert len(set(world.keys)) == 1


async def test_other_identity_is_an_error_with_both(tmp_path: Path, isolate: str, file: Path) -> None:
    """The error shows what is on record, by whom, and what this call is about."""
    async with scene(tmp_path, isolate, file) as world:
        await world.result("call", KEY, "first", "well", {})
        failure = await world.failure("call", KEY, "second", "well", {})
        assert failure.code == "effect_conflict"
        for text in ('on record: "first" (by ', 'this call: "second"'):
            assert text in failure.message
        assert len(world.requests) == 1


async def test_call_within_the_window_is_suppressed_or_an_error(tmp_path: Path, isolate: str, file: Path) -> None:
    """As it says itself."""
    async with scene(tmp_path, isolate, file) as world:
        await world.result("block", KEY, "first", "well", {"within": "1h"})
        assert await world.result("block", KEY, "second", "well", {"within": "1h"}) == ["first", False, True]
        options = {"within": "1h", "conflict": "error"}
        assert (await world.failure("block", KEY, "second", "well", options)).code == "effect_conflict"
        assert len(world.requests) == 1


async def test_wait_for_another_holder_has_an_end(tmp_path: Path, isolate: str, file: Path) -> None:
    """The error says who performs the effect; a retry policy takes it for passing."""
    async with scene(tmp_path, isolate, file) as world:
        holder = await world.start("hold", KEY)
        await world.engine.when(lambda: world.requests, bool)
        failure = await world.failure("call", KEY, "x", "well", {"wait": "0s", "identity": None})
        assert (failure.code, failure.kind) == ("busy", FailureKind.TRANSIENT)
        assert f"{holder.id}/hold" in failure.message
        assert world.state is S.PENDING
        await world.engine.app.cancel(holder.id)
        await world.engine.until(holder, RunState.CANCELLED)
        await world.until_state(S.IN_DOUBT)


async def test_holder_that_is_stopped_leaves_a_doubt(tmp_path: Path, isolate: str, file: Path) -> None:
    """A step that takes too long may have sent its request; its retry asks a person."""
    retry = ms.Retry(attempts=2, initial="10ms")
    overlap = isolate == "thread"  # otherwise the end of the attempt waits for its thread
    async with scene(tmp_path, isolate, file, timeout="2s", overlap_attempts=overlap, retry=retry) as world:
        await world.doubt("hold", KEY)
        await world.until_state(S.IN_DOUBT)
        assert world.requests == ["in"]


async def test_value_that_cannot_be_saved_is_an_error_and_no_reason_to_repeat(
    tmp_path: Path, isolate: str, file: Path
) -> None:
    """The effect is done: the next call gets the same error, and the target no second request."""
    async with scene(tmp_path, isolate, file) as world:
        texts = []
        for _ in range(2):
            run = await world.start("call", KEY, "x", "unsaveable", {})
            view = await world.engine.until(run, RunState.FAILED, RunState.NEEDS_ATTENTION)
            texts.append(view.failure.message)
            assert world.state is S.DONE
        assert all(f"result of effect {KEY!r}" in text for text in texts), texts
        assert len(world.requests) == 1


async def test_result_of_a_check_that_cannot_be_saved_is_an_error(tmp_path: Path, file: Path) -> None:
    """As that of the function."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run, check: bool) -> Any:
            return await run.options(retry=ms.Retry(attempts=1)).step(unsaveable_check, check)

    async def fails() -> None:
        raise TimeoutError("too slow")

    async def unsaveable_check(check: bool) -> Any:
        return await ms.once(KEY, fails, check=object)

    async with World(file.parent).engine(registry) as engine:
        await engine.until(await engine.start(work, False), RunState.FAILED)
        for _ in range(2):
            view = await engine.until(await engine.start(work, True), RunState.FAILED, RunState.NEEDS_ATTENTION)
            assert f"result of effect {KEY!r}" in str(view.failure)


@pytest.mark.parametrize("decision", ["give", "again"])
async def test_person_continues_a_run_in_doubt(tmp_path: Path, isolate: str, file: Path, decision: str) -> None:
    """With the result of the step, so that the effect is done; or by its repetition, so that it is performed."""
    async with scene(tmp_path, isolate, file) as world:
        run = await world.doubt("call", KEY, "x", "first:timeout", {})
        if decision == "give":
            await world.engine.give(run, b'"by hand"')
        else:
            await world.engine.act(run_recovery.run_again, run.id)
        assert await run.result(30) == ("by hand" if decision == "give" else "x")
        assert len(world.requests) == (1 if decision == "give" else 2)
        assert len(set(world.keys)) == 1
        await world.until_state(S.DONE)


@pytest.mark.parametrize("decision", ["confirm", "forget"])
async def test_person_settles_a_doubt_in_the_ledger(tmp_path: Path, isolate: str, file: Path, decision: str) -> None:
    """The stopped run can be continued, and it and the next run get the confirmed result, or perform the effect."""
    async with scene(tmp_path, isolate, file) as world:
        app = world.engine.app
        run = await world.doubt("call", KEY, "x", "first:timeout", {})
        with pytest.raises(ConflictError, match="is in doubt"):
            await call_service(app, lambda store, *, act: retry(store, run.id, act=act))
        if decision == "confirm":
            await call_service(
                app, lambda store, *, act: confirm_effect(store, KEY, "seen", sealing=app.sealing, act=act)
            )
        else:
            await call_service(app, lambda store, *, act: forget_effect(store, KEY, act=act))
        await call_service(app, lambda store, *, act: retry(store, run.id, act=act))
        assert await run.result(30) == ("seen" if decision == "confirm" else "x")
        result = await world.result("call", KEY, "x", "first:timeout", {})
        assert result == ("seen" if decision == "confirm" else "x")
        assert len(world.requests) == (1 if decision == "confirm" else 2)


async def test_one_object_is_entered_again(tmp_path: Path, isolate: str, file: Path) -> None:
    """Each entry is a call of its own, and reports its own outcome."""
    async with scene(tmp_path, isolate, file) as world:
        assert await world.result("twice", KEY) == [False, 1]
        assert (world.state, len(world.requests)) == (S.DONE, 1)


async def test_effect_inside_of_itself_is_an_error(tmp_path: Path, isolate: str, file: Path) -> None:
    """It would wait for itself; what was begun outside is unknown, for its code raised."""
    async with scene(tmp_path, isolate, file) as world:
        run = await world.doubt("nested", KEY)
        assert "is performing effect" in world.engine.view(run).failure.message
        assert world.requests == []


async def test_generator_function_is_refused(tmp_path: Path, isolate: str, file: Path) -> None:
    """Its code would not run when it is called."""
    async with scene(tmp_path, isolate, file) as world:
        messages = await world.result("generators", KEY)
        assert messages == [f"ms.once({KEY!r}) cannot call a generator function"] * 3
        assert world.state is None


@pytest.mark.parametrize("method", ["coroutine", "generator"])
@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
async def test_result_that_no_code_runs_is_not_an_effect(tmp_path: Path, isolate: str, file: Path, method: str) -> None:
    """A function that returns a coroutine has not performed anything that anyone could know of."""
    async with scene(tmp_path, isolate, file) as world:
        await world.doubt("unfinished", KEY, method)
        assert "that no code runs" in (world.saved.note or "")
        assert world.requests == []


async def test_many_effects_of_one_attempt(tmp_path: Path, isolate: str, file: Path) -> None:
    """Side by side in the loop, one after the other elsewhere; each is settled."""
    async with scene(tmp_path, isolate, file) as world:
        assert await world.result("many", KEY, 60) == 60
        listed = effects.list_effects(world.reader, effects.EffectFilter(), 100).effects
        assert {effect.state for effect in listed} == {S.DONE}
        assert len(world.requests) == len(listed) == 60


async def test_cancelled_waiter_leaves_no_pending_effect(tmp_path: Path, file: Path) -> None:
    """A step that stopped to wait gets no intent later."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.step(steps.stop_waiting, KEY)

        @ms.workflow
        async def holding(run: ms.Run) -> None:
            await run.step(steps.hold_async, str(file), KEY)

    async with World(tmp_path).engine(registry) as engine:
        holder = await engine.start(holding)
        await engine.when(lambda: file.exists(), bool)
        assert await (await engine.start(work)).result(30) == "stopped"
        await engine.app.cancel(holder.id)
        await engine.until(holder, RunState.CANCELLED)
        await engine.when(lambda: effects.read_effect(engine.working.store.reader, KEY).state, S.IN_DOUBT.__eq__)  # type: ignore[union-attr]
        assert effects.read_effect(engine.working.store.reader, KEY).owner.startswith(holder.id)  # type: ignore[union-attr]


async def test_wait_that_is_cancelled_at_any_moment_leaves_no_doubt(tmp_path: Path, file: Path) -> None:
    """The intent may have been committed, or be on its way to the code: code that has not begun has done nothing."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run, turn: int) -> str:
            return await run.step(steps.cancelled_in_turn, str(file), f"{KEY}:{turn}", turn)

    async with World(tmp_path).engine(registry) as engine:
        runs = [await engine.start(work, turn) for turn in range(40)]
        were_cancelled = [json.loads(await run.result(30)) for run in runs]

        def states() -> list[EffectState]:
            page = effects.list_effects(engine.working.store.reader, effects.EffectFilter(), 100)
            return [effect.state for effect in page.effects]

        requests = len(file.read_text().splitlines()) if file.exists() else 0
        await engine.when(states, lambda found: found == [S.DONE] * requests)
        assert sum(were_cancelled) > 0


async def test_plain_block_in_the_loop_is_refused(tmp_path: Path) -> None:
    """It would hold up all other steps; the hint says what to write."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(retry=ms.Retry(attempts=1)).step(steps.block_the_loop, KEY)

    async with World(tmp_path).engine(registry) as engine:
        failure = (await engine.until(await engine.start(work), RunState.FAILED)).failure
        assert failure is not None
        assert "would block the event loop" in failure.message
        assert "async with" in (failure.hint or "")
        assert effects.read_effect(engine.working.store.reader, KEY) is None


@pytest.mark.parametrize("isolate", ["thread", "process"])
async def test_async_check_of_a_plain_block_is_refused(tmp_path: Path, isolate: str, file: Path) -> None:
    """No code would run it; the outcome stays unknown."""
    async with scene(tmp_path, isolate, file) as world:
        await world.failure("block", KEY, "x", "timeout", {"check": "missing"})
        assert "is async" in (await world.failure("check_in_thread", KEY)).message
        assert (world.state, len(world.requests)) == (S.UNKNOWN, 1)


async def test_body_of_a_workflow_cannot_have_an_effect(tmp_path: Path) -> None:
    """It may be replayed; the error says where to call it."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await ms.once(KEY, asyncio.sleep, 0)

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(work), RunState.FAILED, RunState.NEEDS_ATTENTION)
        assert view.failure is not None
        assert "ms.once() was called outside a step\nin the body of a workflow" in view.failure.message
        assert effects.read_effect(engine.working.store.reader, KEY) is None


async def test_effect_of_a_dead_worker_is_decided_by_its_recovery(tmp_path: Path, file: Path) -> None:
    """Its session is declared dead, and its step continues elsewhere: in doubt, or with a check."""
    world = World(tmp_path)
    registry, work = working("loop")
    async with world.engine(registry) as engine:
        run = await engine.start(work, "hold", [str(file), KEY])
        await engine.when(lambda: file.exists(), bool)
        session = engine.working.store.session
        await engine.die()
    assert session is not None
    async with world.engine(registry) as engine:
        saved = effects.read_effect(engine.working.store.reader, KEY)
        assert saved is not None
        assert saved.state is S.PENDING
        await world.declare_dead(engine, session)
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
        assert view.reason == FailureReason.IN_DOUBT
        assert file.read_text() == "in\n"
