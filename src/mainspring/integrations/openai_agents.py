"""OpenAI Agents SDK: a runner whose model and tool calls are steps of the run (extra `openai-agents`).

    result = await DurableRunner().run(agent, "My order is late")

The SDK runs in the body of the workflow, which is deterministic. The runner gives it copies of the agents, whose models, function tools
and guardrails make steps.
"""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

from mainspring.domain.errors import ConfigError, DefinitionError, Permanent, Transient
from mainspring.domain.extras import install_command
from mainspring.domain.runs.current_run import CurrentRun, find_current_run
from mainspring.integrations.base.agent_steps import StepOptions, call_unchanged, read_step_options
from mainspring.integrations.base.library_call import LibraryCall, describe_value, hash_value
from mainspring.integrations.base.tokens import Tokens, pass_token
from mainspring.integrations.base.tool_approval import request_approval

try:
    from agents import (
        Agent,
        CodeInterpreterTool,
        FileSearchTool,
        FunctionTool,
        GuardrailFunctionOutput,
        Handoff,
        HostedMCPTool,
        ImageGenerationTool,
        Model,
        ModelProvider,
        ModelResponse,
        RunConfig,
        Runner,
        RunResult,
        RunState,
        ShellTool,
        ToolGuardrailFunctionOutput,
        ToolOutputFileContent,
        ToolOutputImage,
        ToolOutputText,
        ToolSearchTool,
        Usage,
        UserError,
        WebSearchTool,
    )
    from agents.handoffs import handoff
    from agents.items import ToolApprovalItem
    from openai.types.responses import (
        ResponseCompletedEvent,
        ResponseErrorEvent,
        ResponseFailedEvent,
        ResponseIncompleteEvent,
        ResponseOutputItemDoneEvent,
        ResponseTextDeltaEvent,
    )
    from pydantic import TypeAdapter
except ImportError as error:
    raise ConfigError(
        "mainspring.integrations.openai_agents needs the OpenAI Agents SDK 0.24 or newer, which is not installed",
        hint=install_command("openai-agents"),
    ) from error

_RESPONSE: Final = TypeAdapter(ModelResponse)
_HOSTED_TOOLS = (CodeInterpreterTool, FileSearchTool, HostedMCPTool, ImageGenerationTool, ToolSearchTool, WebSearchTool)
"""Tools that the provider of the model executes, as a part of the model's step."""
_FOR_NOW = frozenset({"rate_limit_exceeded", "server_error"})
"""Codes of failed responses that a later attempt may not meet."""
_ITEM_FIELDS = ("type", "role", "content", "call_id", "name", "arguments", "output")
"""The fields of an item that follow from the input of the run and from saved results; the SDK may draw other ids for items in a replay."""
_MODEL_ITEMS = frozenset({"function_call", "reasoning", "message"})


class DurableRunner:
    """Runs agents of the OpenAI Agents SDK; in the body of a workflow their model and tool calls are steps.

    `model` and `tools` = options of the steps, as `run.options` takes them. `tokens` = the name of a stream of the run, or a function: each
    piece of text that the model writes is passed to it, in the step. `approval_within` = how long people have to approve a call of a tool
    with `needs_approval`; after it the call is rejected. `approver` = the assignee of the question. `approvals=False` returns such calls as
    `interruptions`.
    """

    def __init__(
        self,
        *,
        model: StepOptions | None = None,
        tools: StepOptions | None = None,
        tokens: Tokens | None = None,
        approvals: bool = True,
        approval_within: str | timedelta | None = "7d",
        approver: str | None = None,
    ) -> None:
        self.model_options = read_step_options("DurableRunner(model=...)", model)
        self.tool_options = read_step_options("DurableRunner(tools=...)", tools)
        self.tokens = tokens
        self._approvals = {"within": approval_within, "assignee": approver} if approvals else None

    async def run(
        self,
        agent: Agent[Any],
        input: str | list[Any] | RunState[Any],
        *,
        run_config: RunConfig | None = None,
        **options: Any,
    ) -> RunResult:
        """Run an agent, with the options of `agents.Runner.run`; outside of a workflow's body it is `Runner.run` itself.

        `session` is refused in a body: pass the conversation as `input`, and return `result.to_input_list()`. So is a `RunState` that
        was made elsewhere, because it holds agents whose calls are no steps.

        Raises:
            DefinitionError: the agent has a part that cannot be a step, such as a shell tool.
            Permanent: a tool changed the `context` of the run, which a replay would not have.
            StepFailed: a model or tool call failed in its last attempt.
        """
        config, run = run_config or RunConfig(), find_current_run()
        if run is None:
            return await Runner.run(agent, input, run_config=config, **options)
        if options.get("session") is not None:
            raise DefinitionError(
                "DurableRunner.run got a session, which cannot be read in the body of a workflow",
                hint="Pass the conversation as input, and return result.to_input_list().",
            )
        if isinstance(input, RunState) and not _is_durable(input):
            raise DefinitionError(
                "DurableRunner.run got a RunState that was not made in this body: its agents make no steps",
                hint="Pass the conversation as input, and let the runner ask for approvals.",
            )
        steps = AgentSteps(self, run, agent.name)
        durable, config = steps.copy_agent(agent), steps.copy_config(config)
        result = await Runner.run(durable, input, run_config=config, **options)
        while result.interruptions and self._approvals is not None:
            state = result.to_state()
            answers = await asyncio.gather(*(steps.ask(item, self._approvals) for item in result.interruptions))
            for item, refusal in zip(result.interruptions, answers, strict=True):
                if refusal is None:
                    state.approve(item)
                else:
                    state.reject(item, rejection_message=refusal)
            result = await Runner.run(durable, state, run_config=config, **_options_of_state(options))
        return result


class AgentSteps:
    """The steps of one run of an agent, and copies of the SDK's objects that make them."""

    def __init__(self, runner: DurableRunner, run: CurrentRun, name: str) -> None:
        self.runner = runner
        self._run = run
        self.branch = run.library_branch(name, _is_internal)
        self._copies: dict[int, Agent[Any]] = {}

    async def call(
        self, name: str, options: StepOptions, request: Mapping[str, Any], function: Callable[[], Awaitable[object]]
    ) -> Any:
        """Run a function of the SDK as a step; `request` says what it does, so that a replay with another conversation is found."""
        call = LibraryCall(function, permanent=(UserError,))
        return await self._run.options(name=name, **options).library_step(self.branch, call, dict(request))

    async def ask(self, item: ToolApprovalItem, options: Mapping[str, Any]) -> str | None:
        """Ask people to approve one call; return None if they do, else why not."""
        raw = describe_value(item.raw_item)
        arguments, tool = _read_arguments(raw.get("arguments")), str(item.tool_name)
        return await request_approval(
            self._run, self.branch, item.agent.name, tool, arguments, str(raw.get("call_id")), options
        )

    # -- copies --------------------------------------------------------------------------------------------------------

    def copy_config(self, config: RunConfig) -> RunConfig:
        """Return a configuration with models and guardrails that make steps. Traces are off: each replay would export them again."""
        model = config.model
        return dataclasses.replace(
            config,
            model=StepModel(self, "model", lambda: model) if isinstance(model, Model) else model,
            model_provider=StepModelProvider(self, config.model_provider),
            input_guardrails=[self._copy_guardrail(guardrail) for guardrail in config.input_guardrails or []],
            output_guardrails=[self._copy_guardrail(guardrail) for guardrail in config.output_guardrails or []],
            tracing_disabled=True,
        )

    def copy_agent(self, agent: Agent[Any]) -> Agent[Any]:
        """Return a copy of an agent, and of all that it can hand over to."""
        if (known := self._copies.get(id(agent))) is not None:
            return known
        if agent.mcp_servers:
            raise DefinitionError(
                f"agent {agent.name!r} has MCP servers, whose connections cannot live in the body of a workflow",
                hint="Call the server in a function tool, which is a step.",
            )
        model = agent.model
        copy = self._copies[id(agent)] = agent.clone(
            model=StepModel(self, "model", lambda: model) if isinstance(model, Model) else model,
            tools=[self._copy_tool(agent, tool) for tool in agent.tools],
            input_guardrails=[self._copy_guardrail(guardrail) for guardrail in agent.input_guardrails],
            output_guardrails=[self._copy_guardrail(guardrail) for guardrail in agent.output_guardrails],
        )
        copy.handoffs = [self._copy_handoff(target) for target in agent.handoffs]
        _COPIES[id(copy)] = copy
        return copy

    def _copy_handoff(self, target: "Agent[Any] | Handoff[Any, Any]") -> "Handoff[Any, Any]":
        if isinstance(target, Agent):
            return handoff(self.copy_agent(target))
        invoke = target.on_invoke_handoff

        async def hand_over(context: Any, arguments: str) -> Agent[Any]:
            return self.copy_agent(await invoke(context, arguments))

        return dataclasses.replace(target, on_invoke_handoff=hand_over)

    def _copy_tool(self, agent: Agent[Any], tool: Any) -> Any:
        if isinstance(tool, _HOSTED_TOOLS) or (isinstance(tool, ShellTool) and tool.executor is None):
            return tool
        if not isinstance(tool, FunctionTool):
            raise DefinitionError(
                f"agent {agent.name!r} has a {type(tool).__name__}, which cannot be a step",
                hint="Give it a function tool that does the same.",
            )
        _refuse_inner_approval(agent, tool)
        invoke = tool.on_invoke_tool

        async def call_tool(context: Any, arguments: str) -> Any:
            request = {"tool": tool.name, "arguments": _read_arguments(arguments)}

            async def invoke_in_step() -> object:
                function = partial(invoke, context, arguments)
                return _describe_output(await call_unchanged(tool.name, context.context, function))

            return await self.call(f"tool {tool.name}", self.runner.tool_options, request, invoke_in_step)

        return dataclasses.replace(
            tool,
            on_invoke_tool=call_tool,
            tool_input_guardrails=[self._copy_tool_guardrail(tool.name, g) for g in tool.tool_input_guardrails or []],
            tool_output_guardrails=[self._copy_tool_guardrail(tool.name, g) for g in tool.tool_output_guardrails or []],
        )

    def _copy_tool_guardrail(self, tool: str, guardrail: Any) -> Any:
        check, name = guardrail.guardrail_function, guardrail.get_name()

        async def call_guardrail(data: Any) -> ToolGuardrailFunctionOutput:
            async def check_in_step() -> object:
                output = await _result_of(check(data))
                return {"info": describe_value(output.output_info), "behavior": dict(output.behavior)}

            request = {"tool": tool, "arguments": _read_arguments(data.context.tool_arguments)}
            saved = await self.call(f"guardrail {name}", {}, request, check_in_step)
            return ToolGuardrailFunctionOutput(output_info=saved["info"], behavior=saved["behavior"])

        return dataclasses.replace(guardrail, guardrail_function=call_guardrail, name=name)

    def _copy_guardrail(self, guardrail: Any) -> Any:
        check = guardrail.guardrail_function
        name = f"guardrail {guardrail.get_name()}"

        async def call_guardrail(context: Any, agent: Agent[Any], value: Any) -> GuardrailFunctionOutput:
            async def check_in_step() -> object:
                output = await _result_of(check(context, agent, value))
                return {"info": describe_value(output.output_info), "triggered": output.tripwire_triggered}

            saved = await self.call(name, {}, {"agent": agent.name}, check_in_step)
            return GuardrailFunctionOutput(output_info=saved["info"], tripwire_triggered=saved["triggered"])

        return dataclasses.replace(guardrail, guardrail_function=call_guardrail, name=guardrail.get_name())


class StepModelProvider(ModelProvider):
    """Gives each model by name as one that makes steps; the real one is made in the first step that needs it."""

    def __init__(self, steps: AgentSteps, provider: ModelProvider) -> None:
        self._steps = steps
        self._provider = provider

    def get_model(self, model_name: str | None) -> Model:
        """Return a model by its name."""
        return StepModel(self._steps, model_name or "model", lambda: self._provider.get_model(model_name))


class StepModel(Model):
    """A model whose requests are steps. `find` returns the real model."""

    def __init__(self, steps: AgentSteps, name: str, find: Callable[[], Model]) -> None:
        self._steps = steps
        self._name = name
        self._find = find

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[Any],
        model_settings: Any,
        tools: list[Any],
        output_schema: Any,
        handoffs: list[Any],
        tracing: Any,
        **options: Any,
    ) -> ModelResponse:
        """Request a response in a step."""
        arguments = (system_instructions, input, model_settings, tools, output_schema, handoffs, tracing)
        tokens = self._steps.runner.tokens

        async def request() -> object:
            model = self._find()
            if tokens is None:
                response = await model.get_response(*arguments, **options)
            else:
                response = await _read_stream(model.stream_response(*arguments, **options), tokens, self._steps.branch)
            return _RESPONSE.dump_python(response, mode="json")

        described = {"model": self._name, **_describe_input(input)}
        saved = await self._steps.call("model", self._steps.runner.model_options, described, request)
        return _RESPONSE.validate_python(saved)

    def stream_response(self, *_arguments: Any, **_options: Any) -> AsyncIterator[Any]:
        """Refuse: a body gets whole responses.

        Raises:
            DefinitionError: always.
        """
        raise DefinitionError(
            "Runner.run_streamed cannot be used in the body of a workflow",
            hint="DurableRunner(tokens=...) gets the tokens.",
        )


async def _read_stream(events: AsyncIterator[Any], tokens: Tokens, branch: Any) -> ModelResponse:
    """Pass on the pieces of text of a streamed response; return all of it.

    Some servers send the items of a response one by one and leave them out of its end. A response that a limit cut off is returned too,
    as without a stream: it is paid.
    """
    response, items = None, []
    async for event in events:
        match event:
            case ResponseTextDeltaEvent():
                await pass_token(tokens, branch, event.delta)
            case ResponseOutputItemDoneEvent():
                items.append(event.item)
            case ResponseCompletedEvent() | ResponseIncompleteEvent():
                response = event.response
            case ResponseFailedEvent():
                error = event.response.error
                raise _describe_failure(*(None, None) if error is None else (error.code, error.message))
            case ResponseErrorEvent():
                raise _describe_failure(event.code, event.message)
    if response is None:
        raise ConnectionError("the stream of the model ended before its response was complete")
    used = response.usage
    usage = (
        Usage()
        if used is None
        else Usage(
            requests=1,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            total_tokens=used.total_tokens,
            input_tokens_details=used.input_tokens_details,
            output_tokens_details=used.output_tokens_details,
        )
    )
    return ModelResponse(output=response.output or items, usage=usage, response_id=response.id)


def _describe_failure(code: str | None, message: str | None) -> Exception:
    """Return the error of a response that the model's server failed to make, by its code."""
    text = f"the model failed: {message or 'it gave no reason'} ({code or 'no code'})"
    return Transient(text) if code in _FOR_NOW else Permanent(text)


async def _result_of(value: Any) -> Any:
    """Return the result of a function that may be `def` or `async def`."""
    return await value if isinstance(value, Awaitable) else value


_COPIES: WeakValueDictionary[int, Agent[Any]] = WeakValueDictionary()
"""The copies of agents that bodies of this process have, by their `id`."""


def _is_durable(state: RunState[Any]) -> bool:
    """Whether the agent of a state is a copy whose calls are steps."""
    agent = getattr(state, "_current_agent", None)
    return agent is not None and _COPIES.get(id(agent)) is agent


def _refuse_inner_approval(agent: Agent[Any], tool: FunctionTool) -> None:
    """Refuse an agent as a tool that would have to ask for an approval: it runs inside of one step, which cannot wait for a person."""
    inner = getattr(tool, "_agent_instance", None)
    protected = next((part for part in _list_tools(inner) if getattr(part, "needs_approval", False) is not False), None)
    if protected is not None:
        raise DefinitionError(
            f"tool {tool.name!r} of agent {agent.name!r} is an agent whose tool {protected.name!r} needs an approval",
            hint=f"Hand over to it (handoffs=), or let {tool.name!r} need the approval: as_tool(..., needs_approval=True).",
        )


def _list_tools(agent: Any, known: tuple[Agent[Any], ...] = ()) -> Iterator[Any]:
    """Return the tools of an agent, and of the agents that it hands over to or has as tools."""
    if not isinstance(agent, Agent) or any(other is agent for other in known):
        return
    for tool in agent.tools:
        yield tool
        yield from _list_tools(getattr(tool, "_agent_instance", None), (*known, agent))
    for target in agent.handoffs:
        yield from _list_tools(target, (*known, agent))


def _is_internal(coroutine: Any) -> bool:
    """Whether a coroutine of a task is one of the SDK, or of this runner."""
    frame = getattr(coroutine, "cr_frame", None)
    module = "" if frame is None else str(frame.f_globals.get("__name__"))
    return module in (__name__, "agents") or module.startswith("agents.")


def _options_of_state(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a run that continues; its state has the rest."""
    return {name: value for name, value in options.items() if name in ("max_turns", "hooks", "error_handlers")}


def _describe_input(input: str | list[Any]) -> dict[str, Any]:
    """Return the items since the last output of the model, and a digest of all before them."""
    if isinstance(input, str):
        return {"new": [{"role": "user", "content": input}], "before": hash_value([])}
    items = [
        {name: value for name, value in item.items() if name in _ITEM_FIELDS} for item in map(describe_value, input)
    ]
    new = next((i for i in range(len(items), 0, -1) if _is_of_model(items[i - 1])), 0)
    return {"new": items[new:], "before": hash_value(items[:new])}


def _is_of_model(item: Mapping[str, Any]) -> bool:
    return item.get("type") in _MODEL_ITEMS and item.get("role", "assistant") == "assistant"


def _read_arguments(arguments: Any) -> Any:
    """Return the arguments of a tool, which a model writes as JSON; it may write it badly."""
    try:
        return json.loads(arguments)
    except (TypeError, ValueError):
        return arguments


def _describe_output(output: Any) -> Any:
    """Return the output of a tool as the model gets it: text, or parts with a type."""
    if isinstance(output, ToolOutputText | ToolOutputImage | ToolOutputFileContent):
        return output.model_dump(mode="json", exclude_none=True)
    if isinstance(output, list | tuple) and output:
        parts = [_describe_output(part) for part in output]
        if all(isinstance(part, dict) for part in parts):
            return parts
    if isinstance(output, dict) and "type" in output:
        return describe_value(output)
    return str(output)
