"""A database whose commits are told: it does what the real one does, and makes spans of what was committed.

Invariant: whatever goes wrong in the telling, the commit's answer is the real one's.
"""

import logging
from collections.abc import Callable
from typing import Any

from mainspring.alerting.traces.span_maker import SpanMaker
from mainspring.alerting.traces.span_queue import SpanQueue
from mainspring.domain.clock import Clock
from mainspring.store.base import CommitReport, Database

_LOG = logging.getLogger("mainspring.traces")


class TracedDatabase:
    """A base.Database around another one."""

    def __init__(self, inner: Database, maker: SpanMaker, queue: SpanQueue, clock: Clock) -> None:
        self._inner = inner
        self._maker = maker
        self._queue = queue
        self._clock = clock
        self._is_broken = False

    def commit(self, commands: list[Any], *, again: bool = False) -> CommitReport:
        """Commit, then tell."""
        report = self._inner.commit(commands, again=again)
        if not self._is_broken:
            self._tell(commands, report.results)
        return report

    def _tell(self, commands: list[Any], results: list[Any]) -> None:
        now = self._clock.now()
        try:
            pairs = zip(commands, results, strict=True)
            spans = [span for command, result in pairs for span in self._maker.spans(command, result, now)]
        except Exception:  # noqa: BLE001  a mistake of ours in what is only for looking at
            self._is_broken = True
            _LOG.exception("traces end here: a span could not be made")
        else:
            self._queue.add(spans)

    @property
    def session(self) -> int | None:
        """That of the real one."""
        return self._inner.session

    @session.setter
    def session(self, session: int | None) -> None:
        self._inner.session = session

    @property
    def meanwhile(self) -> Callable[[], None] | None:
        """That of the real one."""
        return self._inner.meanwhile

    @meanwhile.setter
    def meanwhile(self, meanwhile: Callable[[], None] | None) -> None:
        self._inner.meanwhile = meanwhile

    @property
    def trouble(self) -> str | None:
        """That of the real one."""
        return self._inner.trouble

    def poll(self) -> bool:
        """Poll the real one."""
        return self._inner.poll()

    @property
    def hints(self) -> int | None:
        """Those of the real one."""
        return self._inner.hints

    @property
    def poll_in(self) -> float:
        """As the real one says."""
        return self._inner.poll_in

    def close(self) -> None:
        """Close the real one."""
        self._inner.close()
