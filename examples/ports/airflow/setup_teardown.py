"""Airflow's setup and teardown: a cluster is created, used, and deleted whatever becomes of the work. Here it is a `with`.

Try it:

    mainspring run cluster-query -m examples/ports/airflow/setup_teardown.py query="select 1"
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def create_cluster(query: str) -> str:
    """The setup."""
    post(f"create a cluster for {query}")
    return f"cluster for {query}"


def delete_cluster(cluster: str) -> None:
    """The teardown."""
    post(f"delete the {cluster}")


def run_query(cluster: str, query: str) -> int:
    """The work: it fails for a query that no cluster understands."""
    if query.startswith("selct"):
        raise ms.Permanent(f"syntax error in {query!r}")
    post(f"{query} on the {cluster}")
    return len(query)


@asynccontextmanager
async def cluster_for(run: ms.Run, query: str) -> AsyncIterator[str]:
    """Delete the cluster after success, a failure, a cancel, and a crash of the worker."""
    cluster = await run.step(create_cluster, query)
    try:
        yield cluster
    finally:
        async with run.shield():
            await run.step(delete_cluster, cluster)


@ms.workflow(name="cluster-query")
async def cluster_query(run: ms.Run, query: str, *, is_reviewed: bool = False) -> int:
    """Query on a cluster of its own. A reviewed query keeps it until a person has seen the result."""
    async with cluster_for(run, query) as cluster:
        rows = await run.step(run_query, cluster, query)
        if is_reviewed:
            await run.ask(f"Are {rows} rows plausible?")
        return rows
