"""The responder to queries: a worker answers them from the bodies in its memory, else by a replay without a claim.

Used in the loop's thread. The open queries are read twice a second, and sooner after a notification of a change; queries of runs that are
just being loaded are read again a little later. Nothing of it writes to a run.
"""

import asyncio
import logging
from typing import Any, Final, Protocol

from msgspec.structs import replace

from mainspring.domain.clock import Clock
from mainspring.domain.errors import CodecUnavailableError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import History
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.driver import Driver
from mainspring.engine.driver.replay import query_run
from mainspring.engine.worker.blocking_calls import BlockingCaller
from mainspring.engine.worker.run_services import ignore_answer
from mainspring.store.base import EngineReads, Store
from mainspring.store.commands.queries import AnswerQuery
from mainspring.store.commands.runs import ClaimedRun
from mainspring.store.views import OpenQuery

_LOG = logging.getLogger("mainspring.worker")
_INTERVAL_S: Final = 0.005
"""The shortest time between two reads, in seconds: many changes that are no queries cost few reads."""


class QueryHost(Protocol):
    """The worker, as the answers to queries use it."""

    loop: asyncio.AbstractEventLoop
    store: Store
    clock: Clock
    registry: Registry
    sealing: Sealing
    payload_max: int
    off_loop: BlockingCaller

    def find_driver(self, query: OpenQuery) -> Driver | None:
        """Return the driver in memory whose body has all saved outcomes of the run."""
        ...

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
    """Answers the open queries that its session may answer."""

    def __init__(self, host: QueryHost, reads: EngineReads) -> None:
        self._host = host
        self._reads = reads
        self._is_reading = self._reads_again = False
        self._next_read_at = 0.0
        self._replaying: set[str] = set()

    def poll(self) -> None:
        """Read the open queries now, or once more after the current read."""
        session = self._host.store.session
        if session is None:
            return
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
        self._host.off_loop(lambda: self._reads.open_queries(session, now), self._answer_all)

    def _answer_all(self, read: Any) -> None:
        self._is_reading = False
        if isinstance(read, Exception):
            _LOG.error("the queries cannot be read: %s", read)
            return
        is_waiting = False
        for query in read:
            if query.id in self._replaying:
                continue
            driver = self._host.find_driver(query)
            if driver is not None:
                self._answer_from(driver, query)
            elif query.session is None:
                self._replay(query)
            else:
                is_waiting = True  # this worker is loading the run
        if self._reads_again or is_waiting:
            self._reads_again = False
            self._host.loop.call_later(_INTERVAL_S, self.poll)

    def _answer_from(self, driver: Driver, query: OpenQuery) -> None:
        try:
            self._send(query, driver.body.queries.answer(query.name, self._host.sealing.open(query.input)))
        except Exception as error:  # noqa: BLE001 - any error of the user's function is the answer
            self._fail(query, error)
        driver.reload_if_spoiled()

    def _replay(self, query: OpenQuery) -> None:
        self._replaying.add(query.id)
        self._host.off_loop(
            lambda: self._reads.read_replayable(query.run), lambda read: self._answer_from_replay(query, read)
        )

    def _answer_from_replay(self, query: OpenQuery, read: tuple[ClaimedRun, History] | Exception | None) -> None:
        self._replaying.discard(query.id)
        if read is None:  # the run was deleted: its caller finds that out
            return
        try:
            if isinstance(read, Exception):
                raise read
            run, history = read
            opened, sealing = self._host.opened(history), self._host.sealing
            assert opened is not None
            run = replace(run, input=sealing.open(run.input))
            answer = query_run(
                run, opened, self._host.registry, query.name, sealing.open(query.input), self._host.payload_max
            )
            self._send(query, answer)
        except Exception as error:  # noqa: BLE001 - see _answer_from
            self._fail(query, error)

    def _send(self, query: OpenQuery, answer: bytes) -> None:
        self._host.store.submit(AnswerQuery(query.id, self._host.sealing.seal(answer)), ignore_answer)

    def _fail(self, query: OpenQuery, error: Exception) -> None:
        if isinstance(error, CodecUnavailableError):  # another worker may reach it
            return
        failure = self._host.seal_failure(self._host.failure_of(error))
        self._host.store.submit(AnswerQuery(query.id, None, failure), ignore_answer)
