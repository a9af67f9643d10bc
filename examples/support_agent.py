"""A support agent that answers a customer, and pays back only what a person approves.

    mainspring run support-agent -m examples/support_agent.py question="Where is my money?"
    mainspring runs answer @last approve       (in a second terminal; or `deny`)

Teaches: an agent of Pydantic AI in a workflow; model and tool calls are steps, so a worker that dies pays for no response twice; a tool
that needs an approval. `SUPPORT_MODEL=openai:gpt-5` uses a real model; without it, a model for tests calls each tool once.
"""

import os

from pydantic_ai import Agent

import mainspring as ms
from mainspring.integrations.pydantic_ai import MainspringDurability

agent = Agent(
    os.environ.get("SUPPORT_MODEL", "test"),
    name="support",
    instructions="Answer briefly. Look up an order before you refund it.",
    capabilities=[MainspringDurability(model={"timeout": "2m"}, approval_within="2d")],
)


@agent.tool_plain
def find_order(number: int) -> str:
    """Return the state of an order."""
    return f"order {number}: paid 129.00, delivered"


@agent.tool_plain(requires_approval=True)
def refund(number: int) -> str:
    """Pay an order back."""
    return f"order {number} is refunded"


@ms.workflow(name="support-agent")
async def support_agent(run: ms.Run, question: str) -> str:
    """Answer the question of a customer."""
    result = await agent.run(question)
    return result.output
