"""`python -m bench.sides.keys WHAT NUMBERS...`: runs with concurrency keys, one of which has a long line; prints JSON.

The store is a file in BENCH_FOLDER, or on the server at BENCH_STORE.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any

import apsw
import psycopg

import mainspring as ms
from bench.sides.engine import CLOCK, start, store_path, store_place, submit_all
from mainspring.app.stores.store_factory import make_store
from mainspring.domain.states import RunState
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import current_registry
from mainspring.store.commands.runs import ClaimRuns, FinishRun
from mainspring.store.process_store import ProcessStore

LONG = "long"
_COPY = """
insert into runs (seq, id, {columns})
select line.seq + numbers.n, line.id || '.' || numbers.n, {columns} from runs as line, {numbers} as numbers(n)
where line.seq = (select max(seq) from runs)
"""


@ms.task(concurrency=4, per="{customer}")
async def of_key(customer: str) -> int:
    """Return when it began (ns), after some work."""
    began = time.time_ns()
    await asyncio.sleep(0.02)
    return began


async def _submit(store: ProcessStore, command: Any) -> Any:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    store.submit(command, future.set_result)
    result = await future
    if isinstance(result, Exception):
        raise result
    return result


async def _open() -> ProcessStore:
    loop = asyncio.get_running_loop()

    def deliver(answers: list[Any]) -> None:
        loop.call_soon_threadsafe(lambda: [on_done(result) for on_done, result in answers])

    store = make_store(store_place(), clock=CLOCK, deliver=deliver)
    store.open()
    store.open_session("worker")
    await _submit(store, build_announcement(current_registry(), CLOCK.now()))
    return store


async def fill(count: int) -> dict[str, Any]:
    """Leave so many runs of one key in line: some by commands, the rest as copies of the last one."""
    began = time.perf_counter()
    store = await _open()
    await submit_all(store, [start("of_key", customer=LONG) for _ in range(10)])
    (row,) = store.reader.read_text("select blocked from runs where seq = (select max(seq) from runs)", ())
    assert row == ("concurrency",)
    store.close()
    url = os.environ.get("BENCH_STORE")
    if url is None:
        with apsw.Connection(str(store_path())) as file:
            names = [name for _, name, *_ in file.execute("pragma table_info(runs)") if name not in ("seq", "id")]
            numbers = (
                f"(with recursive n(n) as (select 1 union all select n + 1 from n where n < {count}) select n from n)"
            )
            text = _COPY.format(columns=", ".join(names), numbers=numbers).replace("as numbers(n)", "as numbers")
            file.execute(text)
            file.execute("analyze")
    else:
        with psycopg.connect(url, autocommit=True) as server:
            names = [
                name
                for (name,) in server.execute(
                    "select column_name from information_schema.columns where table_name = 'runs'"
                    " and column_name not in ('seq', 'id') and is_generated = 'NEVER'"
                )
            ]
            server.execute("set search_path to mainspring")
            server.execute(_COPY.format(columns=", ".join(names), numbers=f"generate_series(1, {count})"))
            server.execute("select setval(pg_get_serial_sequence('runs', 'seq'), (select max(seq) from runs))")
            server.execute("vacuum analyze")
    return {"s": time.perf_counter() - began}


async def small_keys(keys: int) -> dict[str, Any]:
    """Start one run each of so many keys at once, beside a worker; tell how long after that each began."""
    app = ms.App(store_place())
    async with app.running(schedules=False):
        began = time.time_ns()
        handles = await asyncio.gather(*(app.start(of_key, f"small {number}") for number in range(keys)))
        results = [await handle.result() for handle in handles]
    return {"ms": [(at - began) / 1e6 for at in results]}


async def claims(keys: int, count: int) -> dict[str, Any]:
    """Claim runs one by one, and end each; a thousand keys have a run ready beside the long line."""
    store = await _open()
    await submit_all(store, [start("of_key", customer=f"claimed {n}") for n in range(keys)])
    claim_ms, end_ms = [], []
    for n in range(count):
        began = time.perf_counter()
        answer = await _submit(store, ClaimRuns(f"bench:{n}", 1))
        claim_ms.append((time.perf_counter() - began) * 1000)
        (run,) = answer.runs
        began = time.perf_counter()
        await _submit(store, FinishRun(run.id, run.claim, RunState.SUCCEEDED, 1, b"1"))
        end_ms.append((time.perf_counter() - began) * 1000)
    store.close()
    return {"claim_ms": claim_ms, "end_ms": end_ms}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(globals()[sys.argv[1]](*map(int, sys.argv[2:])))))
