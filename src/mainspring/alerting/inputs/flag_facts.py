"""Facts about flags for monitors: who asked for each, when, and which questions got the default of the code.

Invariant: the result is what a reader without a cache would read. Uses of past hours do not change, so only the newest ones are read
again.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mainspring.domain.errors import UnknownNameError
from mainspring.domain.flags.flag import Flag, FlagReason
from mainspring.domain.monitors.flag_inputs import UnansweredFlag, WatchedFlag
from mainspring.domain.monitors.timing.success_gaps import HOUR_MS
from mainspring.store.base import StoreReader
from mainspring.store.read.flags import list_flag_uses, list_flags, read_last_uses
from mainspring.store.schema.flags.flag_uses import FlagUseCount

_DAY_MS = 24 * HOUR_MS
_USERS_MS = 7 * _DAY_MS
_MOST_UNANSWERED = 100
_UNREACHABLE = frozenset({FlagReason.STORE_UNREACHABLE, FlagReason.PROVIDER_FAILED})
_UNANSWERED = frozenset({FlagReason.UNKNOWN, FlagReason.KIND_MISMATCH}) | _UNREACHABLE


class FlagFacts(NamedTuple):
    """All flags, and the questions of the last day that no flag answered."""

    known: tuple[WatchedFlag, ...]
    unanswered: tuple[UnansweredFlag, ...]


class FlagFactsReader:
    """Reads the facts of one store again and again; for one thread."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._hour_at = -1
        self._older: list[FlagUseCount] = []

    def read(self, now_at: int) -> FlagFacts:
        """Return the facts at an instant."""
        flags = {flag.name: flag for flag in list_flags(self._reader)}
        uses = self._read_uses(now_at)
        last_questions = read_last_uses(self._reader) if flags else {}
        users: dict[str, set[str]] = {}
        for use in uses:
            users.setdefault(use.flag, set()).add(use.automation)
        known = (
            WatchedFlag(flag, last_questions.get(name), tuple(sorted(users.get(name, ()))))
            for name, flag in flags.items()
        )
        return FlagFacts(tuple(known), tuple(_list_unanswered(uses, flags, now_at)))

    def _read_uses(self, now_at: int) -> list[FlagUseCount]:
        """Return the uses of the last 7 days. The hour before this one is read again: the clock of another process may be behind."""
        hour_at = now_at - now_at % HOUR_MS
        if hour_at != self._hour_at:
            self._older = list_flag_uses(self._reader, None, hour_at - _USERS_MS)
            self._hour_at = hour_at
        return [*self._older, *list_flag_uses(self._reader, None, hour_at - HOUR_MS)]


def _list_unanswered(uses: Iterable[FlagUseCount], flags: Mapping[str, Flag], now_at: int) -> Iterator[UnansweredFlag]:
    """Yield the questions that a present flag, or a missing one, would still not answer, by flag and reason."""
    groups: dict[tuple[str, FlagReason], list[FlagUseCount]] = {}
    for use in uses:
        if use.reason in _UNANSWERED and use.last_at > now_at - _DAY_MS and _is_unsolved(use, flags.get(use.flag)):
            groups.setdefault((use.flag, use.reason), []).append(use)
    newest = sorted(groups.items(), key=lambda item: max(use.last_at for use in item[1]), reverse=True)
    for (name, reason), group in newest[:_MOST_UNANSWERED]:  # each costs a search for the nearest name
        yield UnansweredFlag(
            name=name,
            reason=reason,
            first_at=min(use.first_at for use in group),
            last_at=max(use.last_at for use in group),
            users=tuple(sorted({use.automation for use in group})),
            flag=flags.get(name),
            nearest=None if name in flags else UnknownNameError("flag", name, flags).nearest,
        )


def _is_unsolved(use: FlagUseCount, flag: Flag | None) -> bool:
    if use.reason in _UNREACHABLE:
        return True
    if use.reason is FlagReason.UNKNOWN:
        return flag is None
    return flag is not None and flag.created_at <= use.last_at
