"""DBOS's "agent inbox": an agent proposes an act, a person approves or refuses it in an inbox, and the agent continues.

Try it:

    mainspring run agent-inbox -m examples/ports/dbos/agent_inbox.py task="close ticket 7"
    mainspring runs list --state waiting           (the inbox)
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def propose(task: str) -> str:
    """Represents a language model."""
    return f"send the answer for: {task}"


def carry_out(proposal: str) -> None:
    """Do what was approved."""
    post(proposal)


@ms.workflow(name="agent-inbox", title="agent: {task}")
async def agent_inbox(run: ms.Run, task: str) -> str:
    """Propose, ask, act. The open question is in the inbox: on the dashboard, at the command line and in the API."""
    proposal = await run.step(propose, task)
    answer = await run.ask(proposal, choices=["approve", "refuse"], within="24h", otherwise="refuse", evidence=task)
    if answer == "approve":
        await run.step(carry_out, proposal)
    return answer
