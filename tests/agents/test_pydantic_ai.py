"""Agents of Pydantic AI: what the OpenAI Agents SDK does not have."""

import asyncio
import sys

import pytest
from openai import AsyncOpenAI
from pydantic_ai import Agent, FunctionToolset, RunContext
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

import mainspring as ms
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.integrations.pydantic_ai import MainspringDurability
from tests.acceptance.engine_world import REPLAYING, World
from tests.agents.model_server import model_server

pytestmark = pytest.mark.asyncio
MCP_SERVER = """
from mcp.server import MCPServer

server = MCPServer("tools")

@server.tool()
def weather(city: str) -> str:
    with open({calls!r}, "a") as file:
        file.write(city)
    return f"sun in {{city}}"

server.run("stdio")
"""


def make_agent(url, toolsets=(), **options) -> Agent:
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    model = OpenAIChatModel("local", provider=OpenAIProvider(openai_client=client))
    return Agent(model, name="helper", toolsets=list(toolsets), capabilities=[MainspringDurability(**options)])


def make_workflow(registry, agent):
    with registry:

        @ms.workflow
        async def support(run: ms.Run, question: str) -> str:
            return (await agent.run(question)).output

    return support


async def test_tools_of_an_mcp_server_are_steps(tmp_path):
    """Each step has a connection of its own, outside of the body."""
    from fastmcp.client.transports import StdioTransport

    registry, program = Registry(), tmp_path / "server.py"
    program.write_text(MCP_SERVER.format(calls=str(tmp_path / "calls")))
    with model_server([[("weather", {"city": "Oslo"})], "sun"]) as server:
        toolset = MCPToolset(StdioTransport(sys.executable, [str(program)], keep_alive=False), id="tools")
        support = make_workflow(registry, make_agent(server.url, [toolset]))
        async with World(tmp_path).engine(registry, REPLAYING) as engine:
            run = await engine.start(support, "Weather?")
            assert await run.result(60) == "sun"
            steps = [outcome.ident for outcome in engine.history(run).outcomes]
        assert server.paid() == {0: 1, 1: 1}
    assert (tmp_path / "calls").read_text() == "Oslo"
    assert steps == [
        "helper#1/helper__mcp_server__tools.get_tools#1",
        "helper#1/helper__model.request#1",
        "helper#1/helper__mcp_server__tools.call_tool#1",
        "helper#1/helper__model.request#2",
    ]


async def test_a_tool_has_options_of_its_own_or_runs_in_the_body(tmp_path):
    """`metadata` of a tool overrides `tools=`; `False` makes no step, for a tool that only computes or that uses the run itself."""
    registry, toolset, attempts = Registry(), FunctionToolset(id="own"), []

    @toolset.tool_plain(metadata={"mainspring": {"retry": 3}})
    async def unsteady() -> str:
        attempts.append(1)
        if len(attempts) < 3:
            raise ConnectionError("again")
        return "done"

    @toolset.tool_plain(metadata={"mainspring": False})
    async def wait() -> str:
        await asyncio.sleep(0.01)
        return "waited"

    with model_server([[("unsteady", {}), ("wait", {})], "both"]) as server:
        support = make_workflow(registry, make_agent(server.url, [toolset], tools={"retry": 1}))
        async with World(tmp_path).engine(registry, REPLAYING) as engine:
            run = await engine.start(support, "Do both")
            assert await run.result(60) == "both"
            outcomes = engine.history(run).outcomes
    tools = [o.ident for o in outcomes if o.kind is OutcomeKind.STEP and "call_tool" in o.name]
    assert tools == ["helper#1/helper__function_toolset__own.call_tool:unsteady#1"]
    assert len(attempts) == 3
    assert [o.kind for o in outcomes if o.kind is OutcomeKind.TIMER] == [OutcomeKind.TIMER]


async def test_a_tool_that_changes_the_dependencies_is_refused(tmp_path):
    """A replay would not have the change. One that only reads them is a step as every other."""
    registry, toolset = Registry(), FunctionToolset(id="own")

    @toolset.tool
    def remember(context: RunContext[dict[str, int]], number: int) -> str:
        if number:
            context.deps["number"] = number
        return str(context.deps)

    with model_server([[("remember", {"number": 0})], [("remember", {"number": 7})], "never"]) as server:
        agent = make_agent(server.url, [toolset])
        with registry:

            @ms.workflow
            async def support(run: ms.Run) -> str:
                return str((await agent.run("x", deps={"number": 1})).output)

        async with World(tmp_path).engine(registry) as engine:
            failed = await engine.until(await engine.start(support), RunState.FAILED)
        assert server.paid() == {0: 1, 1: 1}
    assert "tool remember changed the dict that the agent got as its context" in failed.failure.message


async def test_events_reach_their_handler_once(tmp_path):
    """Those of the model in the step of its request, each of a tool in a step of its own: a replay repeats none."""
    registry, names, toolset = Registry(), [], FunctionToolset(id="own")

    @toolset.tool_plain
    def weather(city: str) -> str:
        return f"sun in {city}"

    async def handle(_context, events) -> None:
        async for event in events:
            names.append(type(event).__name__)

    with model_server([[("weather", {"city": "Oslo"})], "sun"]) as server:
        support = make_workflow(registry, make_agent(server.url, [toolset], event_stream_handler=handle))
        async with World(tmp_path).engine(registry, REPLAYING) as engine:
            assert await (await engine.start(support, "Weather?")).result(60) == "sun"
    assert names.count("FunctionToolCallEvent") == 1
    assert names.count("FunctionToolResultEvent") == 1
    assert names.count("FinalResultEvent") == 1


async def test_an_agent_in_a_handler_of_an_update_is_durable(tmp_path):
    """The handler's requests are in the branch of the update."""
    registry = Registry()
    with model_server(["hello"]) as server, registry:
        agent = make_agent(server.url)

        @ms.workflow
        async def chat(run: ms.Run) -> int:
            @run.on_update("say")
            async def answer(text: str) -> str:
                return (await agent.run(text)).output

            return len(await run.receive("end", str))

        async with World(tmp_path).engine(registry, REPLAYING) as engine:
            run = await engine.start(chat)
            assert await run.update("say", "hi") == "hello"
            await run.signal("end", "bye")
            assert await run.result(60) == 3
            steps = [o.ident for o in engine.history(run).outcomes if o.kind is OutcomeKind.STEP]
        assert server.paid() == {0: 1}
    assert len(steps) == 1
    assert steps[0].startswith("update:say")
