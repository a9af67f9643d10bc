"""A traced database: it commits through the real one and makes spans of what was committed.

Invariant: whatever fails in tracing, the result of a commit is that of the real database.
"""

import logging
from collections.abc import Callable

from mainspring.alerting.traces.span_maker import SpanMaker
from mainspring.alerting.traces.span_queue import SpanQueue
from mainspring.domain.clock import Clock
from mainspring.store.base import CommitReport, Database
from mainspring.store.commands.base import StoreCommand

_LOG = logging.getLogger("mainspring.traces")


class TracedDatabase:
    """A base.Database around another one."""

    def __init__(self, inner: Database, maker: SpanMaker, queue: SpanQueue, clock: Clock) -> None:
        self._inner = inner
        self._maker = maker
        self._queue = queue
        self._clock = clock
        self._is_broken = False

    def commit(self, commands: list[StoreCommand[object]], *, again: bool = False) -> CommitReport:
        """Commit, then add spans."""
        report = self._inner.commit(commands, again=again)
        if not self._is_broken:
            self._add_spans(commands, report.results)
        return report

    def _add_spans(self, commands: list[StoreCommand[object]], results: list[object]) -> None:
        now = self._clock.now()
        try:
            pairs = zip(commands, results, strict=True)
            spans = [span for command, result in pairs for span in self._maker.spans(command, result, now)]
        except Exception:  # noqa: BLE001  an error in tracing must not fail a commit
            self._is_broken = True
            _LOG.exception("traces end here: a span could not be made")
        else:
            self._queue.add(spans)

    @property
    def session(self) -> int | None:
        """The session of the real database."""
        return self._inner.session

    @session.setter
    def session(self, session: int | None) -> None:
        self._inner.session = session

    @property
    def meanwhile(self) -> Callable[[], None] | None:
        """The callback of the real database."""
        return self._inner.meanwhile

    @meanwhile.setter
    def meanwhile(self, meanwhile: Callable[[], None] | None) -> None:
        self._inner.meanwhile = meanwhile

    @property
    def warning(self) -> str | None:
        """The error of the real database."""
        return self._inner.warning

    def poll(self) -> bool:
        """Poll the real database."""
        return self._inner.poll()

    @property
    def hints(self) -> int | None:
        """The hints of the real database."""
        return self._inner.hints

    @property
    def poll_in(self) -> float:
        """The seconds until the next poll of the real database."""
        return self._inner.poll_in

    def keep_evidence(self, commands: list[StoreCommand[object]]) -> None:
        """Commit evidence to the real database."""
        self._inner.keep_evidence(commands)

    def close(self) -> None:
        """Close the real database."""
        self._inner.close()
