"""Temporal's "safe message handlers": updates that run at the same time share the state of a workflow, one after the other.

Try it:

    mainspring run cluster-manager -m examples/ports/temporal/cluster_manager.py cluster=c1 nodes=4
"""

import asyncio
from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def assign(cluster: str, job: str, nodes: list[int]) -> None:
    """Give nodes of the cluster to a job."""
    post(f"assign {nodes} of {cluster} to {job}")


@ms.workflow(name="cluster-manager", key="cluster:{cluster}")
async def cluster_manager(run: ms.Run, cluster: str, nodes: int) -> dict[str, list[int]]:
    """Assign nodes until the cluster is shut down; return the assignments. The lock is that of asyncio: it is part of the run."""
    free, jobs = list(range(nodes)), dict[str, list[int]]()
    lock, is_over = asyncio.Lock(), asyncio.Event()

    @run.on_update("assign")
    async def assign_nodes(request: tuple[str, int]) -> list[int]:
        job, count = request
        async with lock:
            if job not in jobs:
                if count > len(free):
                    raise ms.Permanent(f"{len(free)} nodes are free, {count} are needed")
                await run.options(key=job).step(assign, cluster, job, free[:count])
                jobs[job] = free[:count]
                del free[:count]
        return jobs[job]

    @run.on_query("free")
    def count_free() -> int:
        return len(free)

    @run.on_update("shut-down")
    def shut_down() -> None:
        is_over.set()

    await is_over.wait()
    return jobs
