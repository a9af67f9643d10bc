"""Queries from Python: a question to the code of a run, and the wait for its answer."""

import asyncio
import contextlib
import time
from typing import Any

from mainspring.app.update import EngineOwner
from mainspring.domain.failures.saved_error import QueryFailed
from mainspring.domain.runs.query import make_unanswered_error, read_within
from mainspring.domain.values.codec import decode


async def query_run(owner: EngineOwner, run_id: str, name: str, value: Any, type: Any, within: Any) -> Any:
    """Ask the code of a run and return its answer as `type`.

    Raises:
        QueryFailed: its function raised, or there is none of this name.
        BusyError: no worker answered within the time.
    """
    span = read_within(within)
    until = time.monotonic() + span.total_seconds()
    engine = await owner.opened_engine()
    query = await asyncio.to_thread(engine.ask_query, run_id, name, value, span)
    loop = asyncio.get_running_loop()
    answered = asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(answered.set)

    while True:
        answered.clear()
        with engine.watch_end(query.id, wake):
            view = await asyncio.to_thread(engine.read_query, query.id)
            if view.failure is not None:
                raise QueryFailed(view.run, name, owner.sealing.open_failure(view.failure) or view.failure)
            if view.answered_at is not None:
                data = owner.sealing.open(view.result or b"null")
                return decode(data, annotation=type, value_name=f"answer to query {name}")
            left = until - time.monotonic()
            if left <= 0:
                raise make_unanswered_error(name, view.run, span)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(answered.wait(), left)
