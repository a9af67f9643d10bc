"""Agents in the body of a workflow, with a real model server: their calls are steps, approvals are questions, tokens are passed on."""

import asyncio
import logging
import sys
from datetime import timedelta

import pytest

import mainspring as ms
from mainspring.domain.errors import ConfigError
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import REPLAYING, World
from tests.agents.agent_projects import SCRIPT
from tests.agents.local_agents import LIBRARIES
from tests.agents.model_server import model_server

pytestmark = pytest.mark.asyncio
BOTH_LIBRARIES = pytest.mark.parametrize("library", list(LIBRARIES))
BOTH = pytest.mark.parametrize("settings", [None, REPLAYING], ids=["in memory", "with replay"])
STEPS = {
    "pydantic_ai": [
        "helper#1/helper__function_toolset__<agent>.call_tool:pay#1",
        "helper#1/helper__function_toolset__<agent>.call_tool:weather#1",
        "helper#1/helper__function_toolset__<agent>.call_tool:weather#2",
        "helper#1/helper__model.request#1",
        "helper#1/helper__model.request#2",
        "helper#1/helper__model.request#3",
    ],
    "openai_agents": [
        "helper#1/model#1",
        "helper#1/model#2",
        "helper#1/model#3",
        "helper#1/tool pay#1",
        "helper#1/tool weather#1",
        "helper#1/tool weather#2",
    ],
}
"""They are in the journals of runs: never change them."""


def make_workflow(registry, ask):
    with registry:

        @ms.workflow
        async def support(run: ms.Run, question: str) -> str:
            return await ask(question)

    return support


@BOTH
@BOTH_LIBRARIES
async def test_calls_of_an_agent_are_steps_and_approvals_are_questions(tmp_path, caplog, library, settings):
    """Each turn is paid once, also if the body is called again at each wait; the journal has fixed identities, and the run no hint."""
    effects, registry = [], Registry()
    with model_server(SCRIPT) as server:
        support = make_workflow(registry, LIBRARIES[library](server.url, effects, approver="treasurer"))
        async with World(tmp_path).engine(registry, settings) as engine:
            run = await engine.start(support, "How is the weather?")
            await engine.when(lambda: engine.history(run).waits, lambda waits: any(w.kind == "ask" for w in waits))
            assert sorted(effects) == ["Oslo", "Rome"]
            (question,) = [wait for wait in engine.history(run).waits if wait.kind == "ask"]
            assert b'"evidence":{"arguments":{"amount":5},"tool":"pay"}' in question.question
            assert question.assignee == "treasurer"
            await engine.app.answer(run.id, "approve")
            assert await run.result(60) == SCRIPT[-1]
            history = engine.history(run)
        assert server.paid() == {0: 1, 1: 1, 2: 1}
    assert sorted(effects) == ["Oslo", "Rome", "pay 5"]
    assert sorted(o.ident for o in history.outcomes if o.kind is OutcomeKind.STEP) == STEPS[library]
    assert [o.ident for o in history.outcomes if o.kind is OutcomeKind.ANSWER] == ["helper#1/ask[call-1-0]"]
    assert history.run.detail is None
    assert not [record for record in caplog.records if record.levelno > logging.WARNING or "unloaded" in record.message]


@BOTH_LIBRARIES
async def test_a_denied_call_is_not_made(tmp_path, library):
    """The model is informed, and the agent continues."""
    effects, registry = [], Registry()
    with model_server(SCRIPT) as server:
        support = make_workflow(registry, LIBRARIES[library](server.url, effects))
        async with World(tmp_path).engine(registry) as engine:
            run = await engine.start(support, "How is the weather?")
            await engine.when(lambda: engine.history(run).waits, lambda waits: any(w.kind == "ask" for w in waits))
            await engine.app.answer(run.id, "deny")
            assert await run.result(60) == SCRIPT[-1]
        (reply,) = [m["content"] for m in server.requests[-1]["messages"] if m.get("tool_call_id") == "call-1-0"]
    assert sorted(effects) == ["Oslo", "Rome"]
    assert reply == "A person denied this call."


@BOTH_LIBRARIES
async def test_a_call_that_no_one_approves_in_time_is_denied(tmp_path, library):
    """The wait is durable and has an end."""
    effects, registry, clock = [], Registry(), FakeClock()
    with model_server([[("pay", {"amount": 5})], "not paid"]) as server:
        support = make_workflow(registry, LIBRARIES[library](server.url, effects, approval_within="2d"))
        async with World(tmp_path, clock).engine(registry) as engine:
            run = await engine.start(support, "Pay!")
            await engine.when(lambda: engine.history(run).waits, lambda waits: any(w.kind == "ask" for w in waits))
            await engine.pass_time(timedelta(days=3))
            await engine.until(run, RunState.SUCCEEDED)
        assert server.requests[-1]["messages"][-1]["content"] == "No one answered in time, so this call is denied."
    assert effects == []


@BOTH_LIBRARIES
async def test_tokens_are_passed_on_while_the_model_writes(tmp_path, library):
    """The request is streamed in its step."""
    tokens, registry = [], Registry()
    with model_server(["three little words"]) as server:
        support = make_workflow(registry, LIBRARIES[library](server.url, [], tokens=tokens.append))
        async with World(tmp_path).engine(registry) as engine:
            assert await (await engine.start(support, "Say it")).result(60) == "three little words"
        assert server.requests[0]["stream"] is True
    assert tokens == ["three", " little", " words"]


@BOTH_LIBRARIES
async def test_tokens_are_records_of_a_stream(tmp_path, library):
    """A name instead of a function: readers of the stream follow the answer."""
    registry = Registry()
    with model_server(["three little words"]) as server:
        support = make_workflow(registry, LIBRARIES[library](server.url, [], tokens="answer"))
        async with World(tmp_path).engine(registry) as engine:
            run = await engine.start(support, "Say it")
            assert [record.value async for record in run.stream("answer")] == ["three", " little", " words"]
            assert await run.result(60) == "three little words"


@BOTH_LIBRARIES
async def test_a_request_that_a_server_rejects_for_now_is_retried(tmp_path, library):
    """The policy is that of any step: `model=` sets it."""
    registry = Registry()
    with model_server(["done"]) as server:
        policy = ms.Retry(attempts=3, initial="10ms", max="10ms")
        support = make_workflow(registry, LIBRARIES[library](server.url, [], model={"retry": policy}))
        async with World(tmp_path).engine(registry) as engine:
            server.statuses = [503, 429]
            assert await (await engine.start(support, "Now")).result(60) == "done"
            assert len(server.requests) == 3


@BOTH_LIBRARIES
async def test_a_bad_request_is_not_retried(tmp_path, library):
    """The status of the error decides, as in any step; the run fails after one request."""
    registry = Registry()
    with model_server(["done"]) as server:
        support = make_workflow(registry, LIBRARIES[library](server.url, []))
        async with World(tmp_path).engine(registry) as engine:
            server.statuses = [400]
            failed = await engine.until(await engine.start(support, "Again"), RunState.FAILED)
        assert len(server.requests) == 1
    assert failed.failure.code == "http_400"


@BOTH_LIBRARIES
async def test_agents_run_side_by_side(tmp_path, library):
    """Each run of an agent has a branch of its own, in the order in which they start."""
    effects, registry = [], Registry()
    with model_server([[("weather", {"city": "Oslo"})], "sun"]) as server, registry:
        ask = LIBRARIES[library](server.url, effects)

        @ms.workflow
        async def many(run: ms.Run) -> list[str]:
            return await asyncio.gather(ask("first"), ask("second"))

        async with World(tmp_path).engine(registry, REPLAYING) as engine:
            run = await engine.start(many)
            assert await run.result(60) == ["sun", "sun"]
            branches = {outcome.ident.rpartition("/")[0] for outcome in engine.history(run).outcomes}
    assert len(effects) == 2
    assert {branch.rpartition("/")[2] for branch in branches} == {"helper#1"}
    assert len(branches) == 2


@BOTH_LIBRARIES
async def test_another_conversation_is_drift(tmp_path, library):
    """If the code asks the model something else than what is saved, a person decides; nothing is paid again."""
    world, effects, registry, suffix = World(tmp_path), [], Registry(), [""]
    with model_server(SCRIPT) as server, registry:
        ask = LIBRARIES[library](server.url, effects)

        @ms.workflow
        async def support(run: ms.Run, question: str) -> str:
            return await ask(question + suffix[0])

        async with world.engine(registry, REPLAYING) as engine:
            run = await engine.start(support, "How is the weather?")
            await engine.when(lambda: engine.history(run).waits, lambda waits: any(w.kind == "ask" for w in waits))
            suffix[0] = " Quick!"
            await engine.app.answer(run.id, "approve")
            view = await engine.until(run, RunState.NEEDS_ATTENTION)
        assert server.paid() == {0: 1, 1: 1}
    assert "drift" in str(view.reason)


@BOTH_LIBRARIES
async def test_an_agent_is_itself_outside_of_a_workflow(library):
    """The library's own run, with its own tokens."""
    with model_server(["done"]) as server:
        assert await LIBRARIES[library](server.url, [])("Now") == "done"


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [("pydantic_ai", "pydantic_ai", "pydantic-ai"), ("openai_agents", "agents", "openai-agents")],
)
async def test_an_absent_library_names_the_line_that_installs_it(monkeypatch, module, package, extra):
    """The integration is an extra."""
    gone = (package, f"mainspring.integrations.{module}")
    for name in [name for name in sys.modules if name in gone or name.startswith(tuple(f"{start}." for start in gone))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match="is not installed") as raised:
        __import__(f"mainspring.integrations.{module}")
    assert f"[{extra}]" in raised.value.hint
