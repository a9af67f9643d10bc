"""DBOS's `Queue("q", limiter={"limit": 2, "period": 1})`: a rate of the workflow, for each key if you like. More runs wait.

Try it:

    mainspring run model-call -m examples/ports/dbos/rate_limited_queue.py prompt=hello
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def call_model(prompt: str) -> str:
    """Call an API with a limit."""
    post(f"prompt {prompt}")
    return prompt.upper()


@ms.workflow(name="model-call", rate="2/s")
async def model_call(run: ms.Run, prompt: str) -> str:
    """At most two of these are due in any second, on all workers together."""
    return await run.step(call_model, prompt)
