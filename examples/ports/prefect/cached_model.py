"""Prefect's "task caching": an expensive task runs once for its cache key, and later runs get the stored result.

Try it:

    mainspring run cached-model -m examples/ports/prefect/cached_model.py data=2026-11
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


@ms.action(once="model:{data}", keyed=True)
def train_model(data: str) -> str:
    """Train. `once=` is the cache key; `within="1d"` would be the cache expiration."""
    post(f"train on {data}")
    return f"model-{data}"


@ms.workflow(name="cached-model")
async def cached_model(run: ms.Run, data: str) -> str:
    """Return the model of this data, trained by this run or by an earlier one."""
    return await run.step(train_model, data)
