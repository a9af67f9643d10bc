"""Flag uses of this process: questions are counted in memory, and committed together now and then."""

import itertools
import threading

from mainspring.domain.flags.flag import FlagAnswer, FlagReason, FlagSide
from mainspring.domain.flags.flag_use import FlagUse
from mainspring.store.commands.flags import RecordFlagUses

_MAX_KINDS = 10_000
"""Most combinations that are counted between two commits."""


class FlagUses:
    """Counts of questions; used from any thread. `has_session` = its commands are numbered within the session."""

    def __init__(self, *, has_session: bool = True) -> None:
        self._numbers = itertools.count(1) if has_session else itertools.repeat(0)
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str, FlagSide, FlagReason], int] = {}

    def note(self, flag: str, automation: str, answer: FlagAnswer) -> None:
        """Count a question and its answer; `automation` "" = a program."""
        key = flag, automation, answer.side, answer.reason
        with self._lock:
            if key in self._counts or len(self._counts) < _MAX_KINDS:
                self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> RecordFlagUses | None:
        """Return the command that records the counts since the last call; None = there was no question."""
        with self._lock:
            counts, self._counts = self._counts, {}
        uses = tuple(FlagUse(*key, number) for key, number in counts.items())
        return RecordFlagUses(next(self._numbers), uses) if uses else None

    def put_back(self, command: RecordFlagUses) -> None:
        """Count the uses of a command again that could not be committed."""
        with self._lock:
            for use in command.uses:
                key = use.flag, use.automation, use.side, use.reason
                self._counts[key] = self._counts.get(key, 0) + use.number
