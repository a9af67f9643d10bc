"""Agents of the OpenAI Agents SDK: what Pydantic AI does not have."""

import agents
import pytest
from openai import AsyncOpenAI
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseError,
    ResponseErrorEvent,
    ResponseFailedEvent,
    ResponseIncompleteEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
)

import mainspring as ms
from mainspring.domain.errors import OptionError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.integrations.openai_agents import DurableRunner
from mainspring.integrations.pydantic_ai import MainspringDurability
from tests.acceptance.engine_world import REPLAYING, World
from tests.agents.model_server import model_server

pytestmark = pytest.mark.asyncio


def make_model(url) -> agents.OpenAIChatCompletionsModel:
    return agents.OpenAIChatCompletionsModel("local", AsyncOpenAI(base_url=url, api_key="none", max_retries=0))


class ScriptedModel(agents.Model):
    """A model in this process. Each request takes the next list of events of its script."""

    def __init__(self, script) -> None:
        self.script = script
        self.tools: list[agents.Tool] = []

    async def get_response(self, *arguments, **_options) -> agents.ModelResponse:
        self.tools = arguments[3]
        return agents.ModelResponse(self.script.pop(0)[-1].response.output, agents.Usage(), None)

    async def stream_response(self, *_arguments, **_options):
        for event in self.script.pop(0):
            yield event


def make_message(text) -> ResponseOutputMessage:
    part = ResponseOutputText(text=text, type="output_text", annotations=[])
    return ResponseOutputMessage(id="m_1", content=[part], role="assistant", status="completed", type="message")


def make_response(output, **fields) -> Response:
    values = {"id": "x", "created_at": 0, "model": "m", "object": "response", "output": output, "tools": []}
    return Response(**values | {"parallel_tool_calls": False, "tool_choice": "auto"} | fields)


def completed(text) -> ResponseCompletedEvent:
    output = [make_message(text)]
    return ResponseCompletedEvent(response=make_response(output), sequence_number=1, type="response.completed")


def event_of(kind):
    """Return an event by its name here: an item, an end without items, or a code of an error."""
    if kind == "cut":
        return ResponseTextDeltaEvent.model_construct(delta="half", type="response.output_text.delta")
    if kind == "item":
        item, done = make_message("streamed"), "response.output_item.done"
        return ResponseOutputItemDoneEvent(item=item, output_index=0, sequence_number=0, type=done)
    if kind == "completed":
        return ResponseCompletedEvent(response=make_response([]), sequence_number=1, type="response.completed")
    if kind == "incomplete":
        return ResponseIncompleteEvent(response=make_response([]), sequence_number=1, type="response.incomplete")
    if kind.startswith("error "):
        return ResponseErrorEvent(code=kind.partition(" ")[2], message="no", sequence_number=1, type="error")
    response = make_response([], error=ResponseError(code=kind, message="no"))
    return ResponseFailedEvent(response=response, sequence_number=1, type="response.failed")


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


class Editor:
    """An editor of files on this machine."""

    def create_file(self, operation) -> None:
        raise AssertionError(operation)

    update_file = delete_file = create_file


@agents.function_tool(needs_approval=True)
def pay(amount: int) -> str:
    return f"paid {amount}"


LOCAL_TOOLS = [
    agents.LocalShellTool(executor=lambda _request: ""),
    agents.ShellTool(executor=lambda _request: ""),
    agents.ApplyPatchTool(editor=Editor()),
    agents.CustomTool(name="own", description="", on_invoke_tool=lambda _context, _text: ""),
]


async def fail(path, agent, **options) -> str:
    """Return the message of a run whose agent is refused."""
    registry = Registry()
    support = make_workflow(registry, agent, **options)
    async with World(path).engine(registry) as engine:
        failed = await engine.until(await engine.start(support, "x"), RunState.FAILED)
    assert failed.failure is not None
    return failed.failure.message


@pytest.mark.parametrize("tool", LOCAL_TOOLS, ids=lambda tool: type(tool).__name__)
async def test_a_tool_of_this_machine_is_refused(tmp_path, tool):
    """It would run in the body, at each replay."""
    agent = agents.Agent(name="helper", tools=[tool])
    assert f"{type(tool).__name__}, which cannot be a step" in await fail(tmp_path, agent)


async def test_a_session_is_refused(tmp_path):
    """Its files are read in threads: the run fails with what to do instead."""
    session = agents.SQLiteSession("one")
    assert "got a session" in await fail(tmp_path, agents.Agent(name="helper"), session=session)
    session.close()


async def test_tools_of_the_provider_are_part_of_a_model_call(tmp_path):
    """They are given to the model as they are."""
    registry = Registry()
    hosted = agents.ShellTool(environment={"type": "container_auto"})
    model = ScriptedModel([[completed("found")]])
    agent = agents.Agent(name="helper", model=model, tools=[agents.WebSearchTool(), hosted])
    support = make_workflow(registry, agent)
    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(support, "x")).result(60) == "helper: found"
    assert [type(tool) for tool in model.tools] == [agents.WebSearchTool, agents.ShellTool]


async def test_an_agent_as_a_tool_is_one_step(tmp_path):
    """It can need an approval as a whole. A tool inside of it cannot: a step does not wait for people."""
    registry = Registry()
    with model_server([[("expert", {"input": "pay 5"})], "it is paid"]) as server, model_server(["paid 5"]) as inner:
        expert = agents.Agent(name="expert", model=make_model(inner.url))
        tool = expert.as_tool("expert", "pays", needs_approval=True)
        support = make_workflow(registry, agents.Agent(name="helper", model=make_model(server.url), tools=[tool]))
        async with World(tmp_path).engine(registry, REPLAYING) as engine:
            run = await engine.start(support, "Pay!")
            await engine.when(lambda: engine.history(run).waits, lambda waits: any(w.kind == "ask" for w in waits))
            assert inner.requests == []
            await engine.app.answer(run.id, "approve")
            assert await run.result(60) == "helper: it is paid"
        assert (server.paid(), inner.paid()) == ({0: 1, 1: 1}, {0: 1})
    other = agents.Agent(name="other", handoffs=[agents.Agent(name="payer", tools=[pay])])
    for payer in (agents.Agent(name="payer", tools=[pay]), other):
        refused = agents.Agent(name="helper", tools=[payer.as_tool("ask_payer", "pays")])
        assert "is an agent whose tool 'pay' needs an approval" in await fail(tmp_path / payer.name, refused)


async def test_a_state_of_another_process_is_refused(tmp_path):
    """Its agents make no steps. A state that this body has made continues."""
    registry = Registry()
    with model_server([[("pay", {"amount": 5})], "it is paid"]) as server:
        agent = agents.Agent(name="helper", model=make_model(server.url), tools=[pay])
        runner = DurableRunner(approvals=False)

        with registry:

            @ms.workflow
            async def support(run: ms.Run, again: bool) -> str:
                result = await runner.run(agent, "Pay!")
                state = result.to_state()
                state.approve(result.interruptions[0])
                if again:
                    state = await agents.RunState.from_json(agent, state.to_json())
                return str((await runner.run(agent, state)).final_output)

        async with World(tmp_path).engine(registry, REPLAYING) as engine:
            assert await (await engine.start(support, again=False)).result(60) == "it is paid"
            assert server.paid() == {0: 1, 1: 1}
            failed = await engine.until(await engine.start(support, again=True), RunState.FAILED)
            assert "a RunState that was not made in this body" in failed.failure.message


async def test_guardrails_of_a_tool_are_steps(tmp_path):
    """Each is called once, whatever is replayed; what it decides counts in each replay."""
    registry, checked = Registry(), []

    @agents.tool_input_guardrail
    def check_input(data) -> agents.ToolGuardrailFunctionOutput:
        checked.append(data.context.tool_arguments)
        if "99" in data.context.tool_arguments:
            return agents.ToolGuardrailFunctionOutput.reject_content("too much", output_info={"limit": 10})
        return agents.ToolGuardrailFunctionOutput.allow()

    @agents.tool_output_guardrail
    async def check_output(data) -> agents.ToolGuardrailFunctionOutput:
        checked.append(data.output)
        return agents.ToolGuardrailFunctionOutput.allow()

    @agents.function_tool(tool_input_guardrails=[check_input], tool_output_guardrails=[check_output])
    def count(number: int) -> str:
        return f"counted {number}"

    script = [[("count", {"number": 1})], [("count", {"number": 99})], "done"]
    with model_server(script) as server:
        support = make_workflow(registry, agents.Agent(name="helper", model=make_model(server.url), tools=[count]))
        async with World(tmp_path).engine(registry, REPLAYING) as engine:
            run = await engine.start(support, "Count!")
            assert await run.result(60) == "helper: done"
            steps = [outcome.ident for outcome in engine.history(run).outcomes if "guardrail" in outcome.ident]
        assert server.requests[-1]["messages"][-1]["content"] == "too much"
    assert checked == ['{"number": 1}', "counted 1", '{"number": 99}']
    assert sorted(steps) == [
        "helper#1/guardrail check_input#1",
        "helper#1/guardrail check_input#2",
        "helper#1/guardrail check_output#1",
    ]


async def test_a_tool_that_changes_the_context_is_refused(tmp_path):
    """A replay would not have the change. One that only reads it is a step as every other."""
    registry = Registry()

    @agents.function_tool
    def remember(context: agents.RunContextWrapper[dict[str, int]], number: int) -> str:
        if number:
            context.context["number"] = number
        return str(context.context)

    with model_server([[("remember", {"number": 0})], [("remember", {"number": 7})], "never"]) as server:
        agent = agents.Agent(name="helper", model=make_model(server.url), tools=[remember])
        support = make_workflow(registry, agent, context={"number": 1})
        async with World(tmp_path).engine(registry) as engine:
            failed = await engine.until(await engine.start(support, "x"), RunState.FAILED)
        assert server.paid() == {0: 1, 1: 1}
    assert "tool remember changed the dict that the agent got as its context" in failed.failure.message


@pytest.mark.parametrize(
    ("attempts", "end"),
    [
        ([["item", "completed"]], "streamed"),
        ([["item", "incomplete"]], "streamed"),
        ([["server_error"], ["item", "completed"]], "streamed"),
        ([["error rate_limit_exceeded"], ["item", "completed"]], "streamed"),
        ([["cut"], ["item", "completed"]], "streamed"),
        ([["invalid_prompt"]], RunState.FAILED),
        ([["error invalid_prompt"]], RunState.FAILED),
    ],
    ids=lambda value: str(value),
)
async def test_each_end_of_a_stream_is_paid_once(tmp_path, attempts, end):
    """A response is kept however the server sends it. One that failed for now is requested again, another is not."""
    registry, model = Registry(), ScriptedModel([[event_of(kind) for kind in kinds] for kinds in attempts])
    with registry:

        @ms.workflow
        async def support(run: ms.Run) -> str:
            runner = DurableRunner(tokens=str, model={"retry": {"attempts": 3, "initial": "0s"}})
            return str((await runner.run(agents.Agent(name="helper", model=model), "x")).final_output)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(support)
        if end is RunState.FAILED:
            failed = await engine.until(run, RunState.FAILED)
            assert "the model failed: no (invalid_prompt)" in failed.failure.message
        else:
            assert await run.result(60) == end
    assert model.script == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": {"timout": "2m"}}, "DurableRunner(model=...): 'timout' does not apply"),
        ({"tools": {"isolate": "process"}}, "DurableRunner(tools=...): 'isolate' does not apply"),
        ({"tools": {"delivery": "transactional"}}, "delivery='transactional' does not apply"),
        ({"tools": {"timeout": "soon"}}, "option 'timeout'"),
        ({"model": {"retry": "often"}}, "retry 'often' is not a policy"),
    ],
)
async def test_options_that_cannot_be_used_are_refused_at_once(options, words):
    """By the constructor of each library's class, which names itself."""
    with pytest.raises(OptionError) as error:
        DurableRunner(**options)
    assert words in error.value.message
    with pytest.raises(OptionError) as error:
        MainspringDurability(**options)
    assert words.replace("DurableRunner", "MainspringDurability") in error.value.message


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
