"""Updates from Python: a request to a run, and the wait for its reply."""

import asyncio
import contextlib
import time
from typing import Any, Protocol

from mainspring.domain.failures.saved_error import RunFailed
from mainspring.domain.runs.update import make_timeout_error, make_update_error
from mainspring.domain.states import RunState
from mainspring.domain.values.codec import decode
from mainspring.domain.values.sealing import Sealing
from mainspring.service.run_engine import RunEngine
from mainspring.store.views import UpdateView


class EngineOwner(Protocol):
    """The app, as a wait for a reply uses it."""

    sealing: Sealing

    async def opened_engine(self, *, creates_store: bool = False) -> RunEngine:
        """Return the engine."""
        ...


async def await_reply(owner: EngineOwner, update_id: str, type: Any, timeout: float | None) -> Any:
    """Wait for the reply to an update and return it as `type`. `timeout` in seconds, None = without limit.

    Raises:
        UpdateRejected, UpdateFailed, RunEnded: the reply is an error.
        RunFailed: the run needs attention, so it does not reply now. The update is stored and stays in force.
        TimeoutError: there was no reply in time. The update stays in force: the same id again waits for the same reply.
    """
    until = None if timeout is None else time.monotonic() + timeout
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed while the run continued
            loop.call_soon_threadsafe(changed.set)

    engine = await owner.opened_engine()
    view = await asyncio.to_thread(engine.read_update, update_id)
    while True:
        changed.clear()
        with engine.watch_end(update_id, wake), engine.watch_end(view.run, wake):
            view = await asyncio.to_thread(engine.read_update, update_id)
            if view.replied_at is not None:
                return read_reply(view, owner.sealing, type)
            run = await asyncio.to_thread(engine.describe, view.run)
            if run.state is RunState.NEEDS_ATTENTION:
                raise RunFailed(run.id, run.state, owner.sealing.open_failure(run.failure))
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise make_timeout_error(view.name, view.run, view.request_id, timeout, run.waiting_for)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), left)


def read_reply(view: UpdateView, sealing: Sealing, type: Any) -> Any:
    """Return the reply to an update as `type`. Raises UpdateRejected, UpdateFailed, RunEnded: it is an error."""
    if view.failure is not None:
        raise make_update_error(view.run, view.name, view.state, sealing.open_failure(view.failure) or view.failure)
    return decode(sealing.open(view.result or b"null"), annotation=type, value_name=f"reply to update {view.name}")
