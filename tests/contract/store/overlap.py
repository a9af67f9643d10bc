"""Two groups of two processes at once: the first is stuck between its handlers and its commit while the second comes as far as it can.

On PostgreSQL the second ends or waits for a lock of the first; on SQLite it waits for its turn. A ring that the server breaks is sent
again, as the committer does, and counted.
"""

import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from mainspring.domain.errors import StoreUnavailableError
from mainspring.store import failpoints
from tests.polling import polls

TIMEOUT_S = 60.0


def wait_until(fact: Callable[[], object]) -> None:
    """Wait for a fact."""
    assert any(fact() for _ in polls(TIMEOUT_S, pause_s=0.002)), "the fact that was waited for never came"


class Sender(threading.Thread):
    """One group, sent by a thread of its own until its outcome is known."""

    def __init__(self, process: Any, commands: tuple[Any, ...]) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.commands = list(commands)
        self.results: list[Any] = []
        self.rings = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        again = False
        database = self.process.database
        rings = getattr(database, "rings", 0)
        try:
            while True:
                try:
                    self.results = database.commit(self.commands, again=again).results
                except StoreUnavailableError:
                    self.rings += 1
                    again = True
                else:
                    return
        except BaseException as error:
            self.error = error
        finally:
            self.rings += getattr(database, "rings", 0) - rings  # those that it got out of by itself

    def describe_stack(self) -> str:
        """Return where it is, for a test that waits for it in vain."""
        frame = sys._current_frames().get(self.ident or 0)
        return "".join(traceback.format_stack(frame))

    @property
    def answer(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.results[0] if len(self.results) == 1 else self.results


class Overlap:
    """The two groups and what became of them."""

    def __init__(self, first: Any, before: tuple[Any, ...], second: Any, after: tuple[Any, ...]) -> None:
        self.first, self.second = Sender(first, before), Sender(second, after)
        self._there, self._go = threading.Event(), threading.Event()
        failpoints.install(self._pass)
        try:
            self._overlap()
        finally:
            failpoints.install(None)
            self._go.set()

    @property
    def rings(self) -> int:
        return self.first.rings + self.second.rings

    def _pass(self, place: str) -> None:
        if place == "commit.before" and threading.current_thread() is self.first and not self._go.is_set():
            self._there.set()
            assert self._go.wait(TIMEOUT_S)

    def _overlap(self) -> None:
        self.first.start()
        wait_until(lambda: self._there.is_set() or not self.first.is_alive())
        self.second.start()
        wait_until(lambda: not self.second.is_alive() or self.second.process.is_in_queue())
        self._go.set()
        for sender in (self.first, self.second):
            sender.join(TIMEOUT_S)
            assert not sender.is_alive()


def overlap(first: Any, before: Any, second: Any, after: Any) -> Overlap:
    """Let the second group meet the first one before it is committed; a group is one command or a tuple of them."""
    groups = [group if isinstance(group, tuple) else (group,) for group in (before, after)]
    return Overlap(first, groups[0], second, groups[1])
