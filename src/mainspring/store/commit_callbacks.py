"""Commit callbacks: deliver the results of a group to the senders of its commands. A blocked caller gets its result at
once; all others share one call.

Results are held while the committing thread waits for a server, so that receivers work during that wait.
"""

import logging
import threading
from collections.abc import Callable

AnswerReceiver = Callable[[object], object]
"""A `base.CommitCallback` in the committer, which hands each answer to the callback of its command."""
CallbackBatch = list[tuple[AnswerReceiver, object]]
CallbackRunner = Callable[[CallbackBatch], object]

_log = logging.getLogger("mainspring.store")


class SyncWaiter:
    """A caller that waits for one result. `is_withdrawn` = it stopped waiting, and its command must not be tried again."""

    __slots__ = ("done", "is_withdrawn", "result")

    def __init__(self) -> None:
        self.done = threading.Lock()
        self.done.acquire()
        self.result: object = None
        self.is_withdrawn = False

    def answer(self, result: object) -> None:
        """Set the result and wake the caller."""
        self.result = result
        self.done.release()


class CommitCallbacks:
    """The callbacks of one committer; `deliver` gets all results of a group at once. Held results belong to one thread."""

    def __init__(self, deliver: CallbackRunner) -> None:
        self._deliver = deliver
        self._held: CallbackBatch = []

    def take(self, answers: list[tuple[AnswerReceiver | SyncWaiter, object]], *, hold: bool) -> None:
        """Deliver the results of a group, or hold them until `give`."""
        self._held += _answer_waiters(answers)
        if not hold:
            self.give()

    def give(self) -> None:
        """Deliver the held results; does nothing if there are none."""
        held, self._held = self._held, []
        self._deliver_batch(held)

    def refuse(self, answers: list[tuple[AnswerReceiver | SyncWaiter, object]]) -> None:
        """Answer commands that are in no group; from any thread."""
        self._deliver_batch(_answer_waiters(answers))

    def _deliver_batch(self, answers: CallbackBatch) -> None:
        """Deliver a batch. An error of a receiver must not disturb the running commit."""
        if not answers:
            return
        try:
            self._deliver(answers)
        except RuntimeError:  # the receiving loop is closed, so no one needs the results
            _log.warning("no caller waits for %d answers of the store any more", len(answers))
        except Exception:  # noqa: BLE001
            _log.exception("%d answers of the store could not be processed", len(answers))


def _answer_waiters(answers: list[tuple[AnswerReceiver | SyncWaiter, object]]) -> CallbackBatch:
    """Wake the blocked callers and return the results of all others."""
    callbacks: CallbackBatch = []
    for on_done, result in answers:
        if isinstance(on_done, SyncWaiter):
            on_done.answer(result)
        else:
            callbacks.append((on_done, result))
    return callbacks
