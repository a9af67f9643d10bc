"""Approval of a tool's call by people: a question of the run."""

import asyncio
from collections.abc import Mapping
from typing import Any

from mainspring.domain.runs.current_run import CurrentRun

DENIED, UNANSWERED = "A person denied this call.", "No one answered in time, so this call is denied."


async def request_approval(
    run: CurrentRun, branch: Any, subject: str, tool: str, arguments: Any, call_id: str, options: Mapping[str, Any]
) -> str | None:
    """Ask people whether `subject`, an agent, may call a tool; return None if it may, else why not.

    `call_id` = the id that the model gave the call: a saved response has it, so a replay asks the same question. `branch` = the branch
    of the agent. The current task was made for this question alone.
    """
    branch.enter(asyncio.current_task())
    number = branch.count_use(f"?{call_id}")  # some models use an id again
    key = call_id if number == 1 else f"{call_id}.{number}"
    evidence = {"tool": tool, "arguments": arguments}
    try:
        answer = await run.ask(
            f"{subject}: call {tool}?", choices=["approve", "deny"], evidence=evidence, key=key, **options
        )
    except TimeoutError:
        return UNANSWERED
    return None if answer == "approve" else DENIED
