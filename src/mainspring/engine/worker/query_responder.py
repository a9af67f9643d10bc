"""The responder to queries: a worker answers them by a replay of the run, without a claim and outside of its event loop.

Each query has a body of its own, which is dropped afterwards: what its function changes is lost. It runs in a thread of its own, so that a
function that takes long, or never ends, delays no run. One session accepts a query, so that such a function reaches one worker only. The
open queries are read twice a second, and sooner after a notification of a change.
"""

import asyncio
import logging
import threading
from typing import Any, Final, Protocol

from msgspec.structs import replace

from mainspring.domain.clock import Clock
from mainspring.domain.errors import CodecUnavailableError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import History
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.blocking_calls import BlockingCaller
from mainspring.engine.driver.replay import query_run
from mainspring.engine.worker.run_services import ignore_answer
from mainspring.store.base import EngineReads, Store
from mainspring.store.commands.queries import AcceptQuery, AnswerQuery
from mainspring.store.commands.results import CommandDone, Refused
from mainspring.store.views import OpenQuery

_LOG = logging.getLogger("mainspring.worker")
_INTERVAL_S: Final = 0.005
"""The shortest time between two reads, in seconds: many changes that are no queries cost few reads."""
_MOST: Final = 4
"""Queries that are answered at a time."""


class QueryHost(Protocol):
    """The worker, as the answers to queries use it."""

    loop: asyncio.AbstractEventLoop
    store: Store
    clock: Clock
    registry: Registry
    sealing: Sealing
    payload_max: int
    off_loop: BlockingCaller

    def opened(self, history: History | None) -> History | None:
        """Return a history with its values opened."""
        ...

    def failure_of(self, error: BaseException) -> Failure:
        """Return an exception as a failure."""
        ...

    def seal_failure(self, failure: Failure | None) -> Failure | None:
        """Seal a failure for the store."""
        ...


class QueryResponder:
    """Answers the open queries that its session may answer. Used in the loop's thread, except for the answers themselves."""

    def __init__(self, host: QueryHost, reads: EngineReads) -> None:
        self._host = host
        self._reads = reads
        self._is_reading = self._reads_again = self._is_closed = False
        self._next_read_at = 0.0
        self._accepted: dict[str, OpenQuery] = {}
        self._late: set[str] = set()

    @property
    def is_idle(self) -> bool:
        """Whether all accepted queries were answered."""
        return not self._accepted

    def close(self) -> None:
        """Answer no more queries."""
        self._is_closed = True

    def poll(self) -> None:
        """Read the open queries now, or once more after the current read."""
        session = self._host.store.session
        if session is None or self._is_closed:
            return
        self._warn_of_late_ones()
        if self._is_reading:
            self._reads_again = True
            return
        self._is_reading = True
        loop = self._host.loop
        wait_s = self._next_read_at - loop.time()
        self._next_read_at = loop.time() + max(wait_s, 0) + _INTERVAL_S
        if wait_s > 0:
            loop.call_later(wait_s, self._read, session)
        else:
            self._read(session)

    def _read(self, session: int) -> None:
        now = self._host.clock.now()
        self._host.off_loop(lambda: self._reads.open_queries(session, now), self._accept_all)

    def _accept_all(self, read: Any) -> None:
        self._is_reading = False
        if self._is_closed:
            return
        if isinstance(read, Exception):
            _LOG.error("the queries cannot be read: %s", read)
            return
        for query in read:
            if query.id not in self._accepted and len(self._accepted) < _MOST:
                self._accepted[query.id] = query
                self._accept(query)
        if self._reads_again:
            self._reads_again = False
            self._host.loop.call_soon(self.poll)

    def _accept(self, query: OpenQuery) -> None:
        def accepted(result: CommandDone | Refused | BaseException) -> None:
            if isinstance(result, CommandDone) and not self._is_closed:
                threading.Thread(target=self._answer, args=(query,), name="mainspring-query", daemon=True).start()
            else:
                self._accepted.pop(query.id, None)

        self._host.store.submit(AcceptQuery(query.id), accepted)

    def _answer(self, query: OpenQuery) -> None:
        """Answer a query, in its own thread."""
        host, answer, error = self._host, None, None
        try:
            replayable = self._reads.read_replayable(query.run)
            if replayable is not None:  # otherwise the run was deleted: its caller finds that out
                run, history = replayable
                opened, sealing = host.opened(history), host.sealing
                assert opened is not None
                run = replace(run, input=sealing.open(run.input), headers=sealing.open_if(run.headers))
                answer = query_run(run, opened, host.registry, query.name, sealing.open(query.input), host.payload_max)
        except BaseException as raised:  # noqa: BLE001 - any error of the user's code is the answer
            error = raised
        try:
            host.loop.call_soon_threadsafe(self._answered, query, answer, error)
        except RuntimeError:  # the worker has ended
            return

    def _answered(self, query: OpenQuery, answer: bytes | None, error: BaseException | None) -> None:
        self._accepted.pop(query.id, None)
        self._late.discard(query.id)
        if self._is_closed:
            return
        host = self._host
        if error is not None and not isinstance(error, CodecUnavailableError):
            failure = host.seal_failure(host.failure_of(error))
            host.store.submit(AnswerQuery(query.id, None, failure), ignore_answer)
        elif answer is not None:
            host.store.submit(AnswerQuery(query.id, host.sealing.seal(answer)), ignore_answer)
        self.poll()

    def _warn_of_late_ones(self) -> None:
        now = self._host.clock.now()
        for query in self._accepted.values():
            if query.until_at < now and query.id not in self._late:
                self._late.add(query.id)
                _LOG.warning(
                    "query %r of run %s still runs, its caller has given up: a worker runs %d at most; only its restart ends this one",
                    query.name,
                    query.run,
                    _MOST,
                )
