"""Durability of agents of Pydantic AI: a capability whose agent's model and tool calls are steps of the run (extra `pydantic-ai`).

    agent = Agent("openai:gpt-5", name="support", capabilities=[MainspringDurability()])

Each model request and each tool call is a step of the run. Built on the public surface for engines, `pydantic_ai.durable_exec`: its base
finds models and tools, names the steps, and writes their results as JSON.
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, NamedTuple

from mainspring.domain.errors import ConfigError, Permanent
from mainspring.domain.extras import install_command
from mainspring.domain.runs.current_run import find_current_run
from mainspring.integrations.base.agent_steps import StepOptions, call_unchanged, read_step_options
from mainspring.integrations.base.library_call import LibraryCall, describe_value, hash_value
from mainspring.integrations.base.tokens import Tokens, pass_token
from mainspring.integrations.base.tool_approval import request_approval

try:
    from pydantic_ai._utils import disable_threads
    from pydantic_ai.agent import EventStreamHandler
    from pydantic_ai.capabilities import WrapRunHandler
    from pydantic_ai.durable_exec import (
        JSON_CODEC,
        BaseDurabilityCapability,
        DurabilityEngineSpec,
        DurableOperationId,
        EventStreamHandlerId,
        JournalCallableOperationBackend,
        ModelRequestId,
        RoleBasedOperationConfig,
        ToolsetCallToolId,
        ToolsetValidateToolArgumentsId,
        conversation_id_from_run_id,
        record_durable_unit,
        replay_scope,
    )
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.messages import (
        AgentStreamEvent,
        ModelMessage,
        ModelMessagesTypeAdapter,
        ModelResponse,
        PartDeltaEvent,
        PartStartEvent,
        TextPart,
        TextPartDelta,
        ToolCallPart,
    )
    from pydantic_ai.models import Model
    from pydantic_ai.run import AgentRunResult
    from pydantic_ai.tools import AgentDepsT, DeferredToolRequests, DeferredToolResults, RunContext, ToolDenied
except ImportError as error:
    raise ConfigError(
        "mainspring.integrations.pydantic_ai needs Pydantic AI 2.68 or newer, which is not installed",
        hint=install_command("pydantic-ai"),
    ) from error

_NEW_PARTS = frozenset({"user-prompt", "tool-return", "retry-prompt"})
"""Parts of a request that follow from the input of the run and from saved results. Instructions do not: they may contain a date."""
_AGENT_RUN: ContextVar["AgentRun"] = ContextVar("agent_run")
"""The run of the agent that is executed, also in its steps."""
_TOOL_METADATA = "mainspring"


class AgentRun(NamedTuple):
    """One run of an agent in a body: the branch of its steps, and the dependencies that its caller gave it."""

    branch: Any
    deps: Any


class MainspringDurability(BaseDurabilityCapability[AgentDepsT]):
    """Make the agent that has this capability durable in the body of a workflow; outside of one it changes nothing.

    `model` and `tools` = options of the steps, as `run.options` takes them; a tool has its own as `metadata={"mainspring": {...}}`.
    `tokens` = the name of a stream of the run, or a function: each piece of text that the model writes is passed to it, in the step.
    `approval_within` = how long people have to approve a call of a tool with `requires_approval`; after it the call is denied.
    `approver` = the assignee of the question. `approvals=False` leaves such calls to the caller, as `DeferredToolRequests`. `models`,
    `name` and `event_stream_handler`: as for the other engines of Pydantic AI.
    """

    engine_spec = DurabilityEngineSpec(
        engine_name="Mainspring",
        durable_unit_noun="step",
        durable_container_noun="workflow",
        codec=JSON_CODEC,
        toolset_lifecycles={"function": "enter-always", "mcp": "enter-never", "dynamic": "enter-never"},
        tool_config_key=_TOOL_METADATA,
        serialization_failure=lambda error: Permanent(f"a value of the agent cannot be saved: {error}"),
        accepts_cancellation_token=True,
    )

    def __init__(
        self,
        *,
        models: Mapping[str, Model] | None = None,
        event_stream_handler: EventStreamHandler[AgentDepsT] | None = None,
        name: str | None = None,
        model: StepOptions | None = None,
        tools: StepOptions | None = None,
        tokens: Tokens | None = None,
        approvals: bool = True,
        approval_within: str | timedelta | None = "7d",
        approver: str | None = None,
    ) -> None:
        super().__init__(models=models, event_stream_handler=event_stream_handler, name=name)
        where = type(self).__name__
        self._options = {
            "model": read_step_options(f"{where}(model=...)", model),
            "tool": read_step_options(f"{where}(tools=...)", tools),
        }
        self._tokens = tokens
        self._approvals = {"within": approval_within, "assignee": approver} if approvals else None

    # -- what the base asks for ----------------------------------------------------------------------------------------

    @property
    def in_durable_context(self) -> bool:
        """Whether the body of a workflow calls this."""
        return find_current_run() is not None

    def get_default_run_id(self) -> str | None:
        """Return an id that is the same in each replay."""
        run = find_current_run()
        return None if run is None else str(run.uuid())

    def get_default_conversation_id(self, run_id: str) -> str | None:
        """Return an id that follows from that of the agent's run."""
        return conversation_id_from_run_id(run_id) if self.in_durable_context else None

    def get_run_clock(self) -> Callable[[], datetime] | None:
        """Return the clock of the run."""
        run = find_current_run()
        return None if run is None else run.now

    def get_durable_operation_backend(self) -> "StepBackend":
        """Return what runs each operation as a step."""
        return StepBackend(self.name, self.default_model_id, self._options["model"], self._options["tool"])

    async def wrap_run(self, ctx: RunContext[AgentDepsT], *, handler: WrapRunHandler) -> AgentRunResult[Any]:
        """Run the agent; in a body without threads, and without telemetry of what is only replayed."""
        run = find_current_run()
        if run is None:
            return await handler()
        token = _AGENT_RUN.set(AgentRun(run.library_branch(self.name, _is_internal), ctx.deps))
        try:
            with disable_threads(), replay_scope():
                return await super().wrap_run(ctx, handler=handler)
        finally:
            _AGENT_RUN.reset(token)

    # -- tokens --------------------------------------------------------------------------------------------------------

    @property
    def has_wrap_run_event_stream(self) -> bool:
        """Whether model responses are streamed."""
        return super().has_wrap_run_event_stream or (self._tokens is not None and self.in_durable_context)

    def _model_stream_event_handler(self) -> EventStreamHandler[AgentDepsT] | None:
        """Return the handler of the events of a model's response, which runs in the step of the request."""
        handler, tokens = super()._model_stream_event_handler(), self._tokens
        if tokens is None:
            return handler

        async def handle(ctx: RunContext[AgentDepsT], events: AsyncIterable[AgentStreamEvent]) -> None:
            written = _pass_tokens(events, tokens)
            if handler is not None:
                await handler(ctx, written)
            async for _ in written:
                pass

        return handle

    # -- approvals -----------------------------------------------------------------------------------------------------

    async def handle_deferred_tool_calls(
        self, ctx: RunContext[AgentDepsT], *, requests: DeferredToolRequests
    ) -> DeferredToolResults | None:
        """Ask people to approve calls of tools with `requires_approval`; other deferred calls stay open."""
        if self._approvals is None or not requests.approvals or not self.in_durable_context:
            return None
        answers = await asyncio.gather(*(self._ask(call) for call in requests.approvals))
        return DeferredToolResults(
            approvals=dict(zip((c.tool_call_id for c in requests.approvals), answers, strict=True))
        )

    async def _ask(self, call: ToolCallPart) -> bool | ToolDenied:
        """Ask for one call."""
        run = find_current_run()
        assert run is not None and self._approvals is not None
        arguments = describe_value(call.args_as_dict())
        refusal = await request_approval(
            run, _AGENT_RUN.get().branch, self.name, call.tool_name, arguments, call.tool_call_id, self._approvals
        )
        return True if refusal is None else ToolDenied(refusal)


class StepBackend(JournalCallableOperationBackend[StepOptions]):
    """Runs each operation of an agent as a step of the run whose body calls it."""

    def __init__(
        self, agent_name: str, default_model_id: str | None, model: dict[str, Any], tools: dict[str, Any]
    ) -> None:
        def options_of_tool(
            _operation: DurableOperationId, tool: object | None, name: str
        ) -> StepOptions | Literal[False]:
            own = (getattr(getattr(tool, "tool_def", None), "metadata", None) or {}).get(_TOOL_METADATA)
            return False if own is False else {**tools, **read_step_options(f"metadata of tool {name}", own)}

        config = RoleBasedOperationConfig[StepOptions](
            model=model, event={}, capability={}, tool=tools, resolve_tool=options_of_tool
        )
        super().__init__(agent_name=agent_name, default_model_id=default_model_id, config=config)

    async def execute(
        self,
        *,
        operation_id: DurableOperationId,
        name: str,
        body: Callable[[], Awaitable[object]],
        cache_key: tuple[object, ...],
        config: StepOptions,
    ) -> object:
        """Run `body` as a step; its input says what it does, so that a replay with another conversation is found."""
        run = find_current_run()
        if run is None:
            return await body()
        described, agent_run, function = _describe(operation_id, cache_key), _AGENT_RUN.get(), body
        if isinstance(operation_id, ToolsetCallToolId):
            function = partial(call_unchanged, str(cache_key[0]), agent_run.deps, body)
        call = LibraryCall(function, permanent=(UserError,), skipped=("_disable_threads",))
        try:
            return await run.options(name=name, **config).library_step(agent_run.branch, call, described)
        finally:
            record_durable_unit(executed=call.was_executed)


def _is_internal(coroutine: Any) -> bool:
    """Whether a coroutine of a task is one of Pydantic AI."""
    frame = getattr(coroutine, "cr_frame", None)
    return frame is not None and str(frame.f_globals.get("__name__")).startswith("pydantic_ai")


async def _pass_tokens(events: AsyncIterable[AgentStreamEvent], tokens: Tokens) -> AsyncIterable[AgentStreamEvent]:
    async for event in events:
        text = ""
        if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
            text = event.part.content
        elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
            text = event.delta.content_delta
        if text:
            await pass_token(tokens, _AGENT_RUN.get().branch, text)
        yield event


def _describe(operation_id: DurableOperationId, parameters: tuple[object, ...]) -> dict[str, Any]:
    """Return the input of a step, which people read and a replay compares."""
    if isinstance(operation_id, ModelRequestId):
        return {"model": parameters[0], **_describe_messages(parameters[1])}
    if isinstance(operation_id, ToolsetCallToolId | ToolsetValidateToolArgumentsId):
        return {"tool": parameters[0], "arguments": describe_value(parameters[1])}
    if isinstance(operation_id, EventStreamHandlerId):
        return {"event": type(parameters[0]).__name__}
    return {}


def _describe_messages(messages: Any) -> dict[str, Any]:
    """Return what is new since the last response, and a digest of all before it: the inputs of a run together then grow with the
    conversation, and not with its square.
    """
    new = next((i for i in range(len(messages), 0, -1) if isinstance(messages[i - 1], ModelResponse)), 0)
    parts = _list_parts(messages)
    return {"new": [part for message in parts[new:] for part in message], "before": hash_value(parts[:new])}


def _list_parts(messages: list[ModelMessage]) -> list[list[dict[str, Any]]]:
    """Return the parts of messages without what another replay may have differently: instants, ids of agent runs, instructions."""
    dumped: list[dict[str, Any]] = ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    return [
        [
            {name: value for name, value in part.items() if name != "timestamp"}
            for part in message["parts"]
            if message["kind"] == "response" or part["part_kind"] in _NEW_PARTS
        ]
        for message in dumped
    ]
