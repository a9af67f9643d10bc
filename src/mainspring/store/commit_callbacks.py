"""Commit callbacks: how results of a group reach the senders of its commands. A blocked caller gets its own at once, others share a call.

Answers are held for a moment where the committing thread will wait for a server: whoever gets them works then.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from mainspring.store.base import CommitCallback

CallbackBatch = list[tuple[CommitCallback, Any]]
CallbackRunner = Callable[[CallbackBatch], None]

_log = logging.getLogger("mainspring.store")


class SyncWaiter:
    """A caller that waits for one result. `is_withdrawn` = it waits no more, and its command must not be tried again."""

    __slots__ = ("done", "is_withdrawn", "result")

    def __init__(self) -> None:
        self.done = threading.Lock()
        self.done.acquire()
        self.result: Any = None
        self.is_withdrawn = False

    def answer(self, result: Any) -> None:
        """Let the caller go on."""
        self.result = result
        self.done.release()


class CommitCallbacks:
    """`deliver` gets all answers of a group at once. What is held is of one thread."""

    def __init__(self, deliver: CallbackRunner) -> None:
        self._deliver = deliver
        self._held: CallbackBatch = []

    def take(self, answers: list[tuple[CommitCallback | SyncWaiter, Any]], *, hold: bool) -> None:
        """Answer a group, or hold what is delivered until `give`."""
        self._held += _others(answers)
        if not hold:
            self.give()

    def give(self) -> None:
        """Deliver what was held; more than once does nothing."""
        held, self._held = self._held, []
        self._pass_on(held)

    def refuse(self, answers: list[tuple[CommitCallback | SyncWaiter, Any]]) -> None:
        """Answer commands that are in no group; from any thread."""
        self._pass_on(_others(answers))

    def _pass_on(self, answers: CallbackBatch) -> None:
        """A receiver must not disturb the commit that is under way meanwhile."""
        if not answers:
            return
        try:
            self._deliver(answers)
        except RuntimeError:  # the receiving loop is closed: nobody is left to be told
            _log.warning("%d answers of the store found nobody any more", len(answers))
        except Exception:  # noqa: BLE001
            _log.exception("%d answers of the store could not be taken", len(answers))


def _others(answers: list[tuple[CommitCallback | SyncWaiter, Any]]) -> CallbackBatch:
    """Let those go on who are blocked; return the rest."""
    rest: CallbackBatch = []
    for on_done, result in answers:
        if isinstance(on_done, SyncWaiter):
            on_done.answer(result)
        else:
            rest.append((on_done, result))
    return rest
