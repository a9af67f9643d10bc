"""Projects with one agent each, written for Pydantic AI and for the OpenAI Agents SDK: two tools, and one needs an approval.

A project is a file `work.py` with the workflow `support`. Its model is at `MODEL_URL`. A life ends once at `KILL_AT`, for example "before
weather Oslo"; a file in `RECORD` notes that. Each effect of a tool is a line of its file `effects`.
"""

from tests.agents.model_server import Reply

SCRIPT: list[Reply] = [
    [("weather", {"city": "Oslo"}), ("weather", {"city": "Rome"})],
    [("pay", {"amount": 5})],
    "sun in both cities, and 5 are paid",
]
_HEAD = """
import os, signal
from pathlib import Path
import mainspring as ms

RECORD = Path(os.environ["RECORD"])

def effect(place: str) -> None:
    for moment in ("before", "after"):
        if moment == "after":
            with (RECORD / "effects").open("a") as file:
                file.write(f"{place}\\n")
        if os.environ.get("KILL_AT") == f"{moment} {place}":
            try:
                (RECORD / f"{moment} {place}").touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)
"""
_PYDANTIC_AI = """
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from mainspring.integrations.pydantic_ai import MainspringDurability

tokens: list[str] = []
model = OpenAIChatModel("local", provider=OpenAIProvider(base_url=os.environ["MODEL_URL"], api_key="none"))
agent = Agent(model, name="helper", capabilities=[MainspringDurability(tokens=tokens.append if os.environ.get("TOKENS") else None)])

@agent.tool_plain
def weather(city: str) -> str:
    effect(f"weather {city}")
    return f"sun in {city}"

@agent.tool_plain(requires_approval=True)
async def pay(amount: int) -> str:
    effect(f"pay {amount}")
    return f"paid {amount}"

@ms.workflow
async def support(run: ms.Run, question: str) -> str:
    return (await agent.run(question)).output
"""
_OPENAI_AGENTS = '''
from agents import Agent, OpenAIChatCompletionsModel, function_tool
from openai import AsyncOpenAI
from mainspring.integrations.openai_agents import DurableRunner

tokens: list[str] = []
model = OpenAIChatCompletionsModel("local", AsyncOpenAI(base_url=os.environ["MODEL_URL"], api_key="none"))
runner = DurableRunner(tokens=tokens.append if os.environ.get("TOKENS") else None)

@function_tool
def weather(city: str) -> str:
    """Return the weather of a city."""
    effect(f"weather {city}")
    return f"sun in {city}"

@function_tool(needs_approval=True)
async def pay(amount: int) -> str:
    """Pay an amount."""
    effect(f"pay {amount}")
    return f"paid {amount}"

agent = Agent(name="helper", model=model, tools=[weather, pay])

@ms.workflow
async def support(run: ms.Run, question: str) -> str:
    return (await runner.run(agent, question)).final_output
'''
PROJECTS = {"pydantic_ai": _HEAD + _PYDANTIC_AI, "openai_agents": _HEAD + _OPENAI_AGENTS}
