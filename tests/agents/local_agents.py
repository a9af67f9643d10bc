"""The same agent, written for each library: two tools, and one needs an approval. Each tool notes in `effects` what it did."""

from collections.abc import Awaitable, Callable
from typing import Any

import agents
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from mainspring.integrations.openai_agents import DurableRunner
from mainspring.integrations.pydantic_ai import MainspringDurability

Ask = Callable[[str], Awaitable[str]]


def make_pydantic_ai(url: str, effects: list[str], **options: Any) -> Ask:
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    agent = Agent(
        OpenAIChatModel("local", provider=OpenAIProvider(openai_client=client)),
        name="helper",
        instructions="Be brief.",
        capabilities=[MainspringDurability(**options)],
    )

    @agent.tool_plain
    def weather(city: str) -> str:
        effects.append(city)
        return f"sun in {city}"

    @agent.tool_plain(requires_approval=True)
    async def pay(amount: int) -> str:
        effects.append(f"pay {amount}")
        return f"paid {amount}"

    async def ask(question: str) -> str:
        return (await agent.run(question)).output

    return ask


def make_openai_agents(url: str, effects: list[str], **options: Any) -> Ask:
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)

    @agents.function_tool
    def weather(city: str) -> str:
        effects.append(city)
        return f"sun in {city}"

    @agents.function_tool(needs_approval=True)
    async def pay(amount: int) -> str:
        effects.append(f"pay {amount}")
        return f"paid {amount}"

    agent = agents.Agent(
        name="helper",
        instructions="Be brief.",
        model=agents.OpenAIChatCompletionsModel("local", client),
        tools=[weather, pay],
    )
    runner = DurableRunner(**options)

    async def ask(question: str) -> str:
        return (await runner.run(agent, question)).final_output

    return ask


LIBRARIES = {"pydantic_ai": make_pydantic_ai, "openai_agents": make_openai_agents}
