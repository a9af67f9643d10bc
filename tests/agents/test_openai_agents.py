"""Agents of the OpenAI Agents SDK: what Pydantic AI does not have."""

import agents
import pytest
from openai import AsyncOpenAI

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.integrations.openai_agents import DurableRunner
from tests.acceptance.engine_world import REPLAYING, World
from tests.agents.model_server import model_server

pytestmark = pytest.mark.asyncio


def make_model(url) -> agents.OpenAIChatCompletionsModel:
    return agents.OpenAIChatCompletionsModel("local", AsyncOpenAI(base_url=url, api_key="none", max_retries=0))


def make_workflow(registry, agent, **options):
    with registry:

        @ms.workflow
        async def support(run: ms.Run, question: str) -> str:
            result = await DurableRunner().run(agent, question, **options)
            return f"{result.last_agent.name}: {result.final_output}"

    return support


async def test_handoffs_and_guardrails(tmp_path):
    """The second agent's calls are steps too; a guardrail is called once, whatever is replayed."""
    registry, checked = Registry(), []

    @agents.input_guardrail
    async def polite(_context, _agent, value):
        checked.append(value)
        return agents.GuardrailFunctionOutput(output_info={"polite": True}, tripwire_triggered=False)

    @agents.function_tool
    def find_bill(number: int) -> agents.ToolOutputText:
        return agents.ToolOutputText(text=f"bill {number}")

    script = [[("transfer_to_billing", {})], [("find_bill", {"number": 7})], "it is paid"]
    with model_server(script) as server:
        billing = agents.Agent(name="billing", model=make_model(server.url), tools=[find_bill])
        triage = agents.Agent(
            name="triage", model=make_model(server.url), handoffs=[billing], input_guardrails=[polite]
        )
        support = make_workflow(registry, triage)
        async with World(tmp_path).engine(registry, REPLAYING) as engine:
            run = await engine.start(support, "My bill?")
            assert await run.result(60) == "billing: it is paid"
            steps = sorted(outcome.ident for outcome in engine.history(run).outcomes)
        assert server.paid() == {0: 1, 1: 1, 2: 1}
    assert checked == ["My bill?"]
    assert steps == [
        "triage#1/guardrail polite#1",
        "triage#1/model#1",
        "triage#1/model#2",
        "triage#1/model#3",
        "triage#1/tool find_bill#1",
    ]


async def test_a_tripwire_ends_the_run(tmp_path):
    """The SDK's own error is that of the run."""
    registry = Registry()

    @agents.input_guardrail(run_in_parallel=False)
    def refuse(_context, _agent, _value):
        return agents.GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    with model_server(["never"]) as server:
        agent = agents.Agent(name="helper", model=make_model(server.url), input_guardrails=[refuse])
        support = make_workflow(registry, agent)
        async with World(tmp_path).engine(registry) as engine:
            failed = await engine.until(await engine.start(support, "x"), RunState.FAILED)
        assert server.requests == []
    assert failed.failure.type.endswith("InputGuardrailTripwireTriggered")


async def test_what_cannot_be_a_step_is_refused(tmp_path):
    """A session, whose files are read in threads, and a tool of the machine: the run fails with what to do instead."""
    with model_server(["never"]) as server:
        plain = agents.Agent(name="helper", model=make_model(server.url))
        shell = agents.LocalShellTool(executor=lambda _request: "")
        session = agents.SQLiteSession("one")
        for agent, options, words in (
            (plain, {"session": session}, "got a session"),
            (plain.clone(tools=[shell]), {}, "LocalShellTool, which cannot be a step"),
        ):
            registry = Registry()
            support = make_workflow(registry, agent, **options)
            async with World(tmp_path / words[:3]).engine(registry) as engine:
                failed = await engine.until(await engine.start(support, "x"), RunState.FAILED)
            assert words in failed.failure.message
        session.close()
        assert server.requests == []


async def test_the_result_of_a_tool_that_is_no_text_is_its_text(tmp_path):
    """As the SDK gives it to the model."""
    registry = Registry()

    @agents.function_tool
    def count() -> dict[str, int]:
        return {"orders": 3}

    with model_server([[("count", {})], "three"]) as server:
        agent = agents.Agent(name="helper", model=make_model(server.url), tools=[count])
        support = make_workflow(registry, agent)
        async with World(tmp_path).engine(registry) as engine:
            assert await (await engine.start(support, "x")).result(60) == "helper: three"
        assert server.requests[-1]["messages"][-1]["content"] == "{'orders': 3}"
