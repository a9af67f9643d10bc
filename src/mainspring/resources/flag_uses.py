"""Flag uses of this process: questions are counted in memory, and committed together now and then."""

import itertools
import threading

from mainspring.domain.flags.flag import FlagAnswer, FlagReason, FlagSide
from mainspring.domain.flags.flag_use import FlagUse
from mainspring.store.commands.flags import RecordFlagUses

_MAX_KINDS = 10_000
"""Most combinations that are counted between two commits."""
_MAX_UNKNOWN = 100
OTHER_FLAGS = "(other unknown flags)"
"""Counts further names of flags that do not exist: code may put an id into the name."""


class FlagUses:
    """Counts of questions; used from any thread. `has_session` = its commands are numbered within the session."""

    def __init__(self, *, has_session: bool = True) -> None:
        self._numbers = itertools.count(1) if has_session else itertools.repeat(0)
        self._lock = threading.RLock()  # a signal handler may ask while its thread asks
        self._counts: dict[tuple[str, str, FlagSide, FlagReason], int] = {}
        self._unknown: set[str] = set()

    def note(self, flag: str, automation: str, answer: FlagAnswer) -> None:
        """Count a question and its answer; `automation` "" = a program."""
        with self._lock:
            if answer.reason is FlagReason.UNKNOWN and flag not in self._unknown:
                if len(self._unknown) >= _MAX_UNKNOWN:
                    flag = OTHER_FLAGS
                self._unknown.add(flag)
            key = flag, automation, answer.side, answer.reason
            if key in self._counts or len(self._counts) < _MAX_KINDS:
                self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> RecordFlagUses | None:
        """Return the command that records the counts since the last call; None = there was no question."""
        with self._lock:
            counts, self._counts = self._counts, {}
        # Sorted, so that two processes on one server never wait for each other's rows.
        uses = tuple(FlagUse(*key, number) for key, number in sorted(counts.items()))
        return RecordFlagUses(next(self._numbers), uses) if uses else None
