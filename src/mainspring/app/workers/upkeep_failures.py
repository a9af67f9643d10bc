"""Failures of upkeep: each part of a round fails by itself. A change is logged, a lasting failure is recorded."""

import contextlib
import logging
from collections.abc import Callable
from typing import TypeVar

from mainspring.domain.errors import MainspringError
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.store.commands.sessions import RecordProcessFindings
from mainspring.store.process_store import ProcessStore

_LOG = logging.getLogger("mainspring.upkeep")
_RECORD_AFTER_MS = 30_000
"""A shorter failure costs no commit."""
_MAX_TEXT_LENGTH = 300

T = TypeVar("T")


class UpkeepFailures:
    """The failures of the parts of a round, for one thread: `attempt` each part, then `report`."""

    def __init__(self) -> None:
        self._errors: dict[str, Exception] = {}
        """The latest failure, by part."""
        self._since: dict[str, int] = {}
        self._logged: str | None = None
        self._recorded: frozenset[str] = frozenset()

    def attempt(self, part: str, work: Callable[[], T], otherwise: T) -> T:
        """Return what `work` returns, or `otherwise` if it fails."""
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - the other parts continue
            self._errors[part] = error
            return otherwise
        self._errors.pop(part, None)
        return result

    def report(self, store: ProcessStore, now: int) -> None:
        """End a round at `now`: log changes and record lasting failures. Never raises."""
        errors = self._errors
        self._since = {part: self._since.get(part, now) for part in errors}
        self._log(errors)
        lasting = [part for part in sorted(errors) if now - self._since[part] >= _RECORD_AFTER_MS]
        if self._recorded == frozenset(lasting):
            return
        findings = [
            ProcessFinding(
                ProcessFindingKind.UPKEEP, part, _one_line(errors[part])[:_MAX_TEXT_LENGTH], self._since[part]
            )
            for part in lasting
        ]
        with contextlib.suppress(Exception):  # the store is away: the next round writes it
            store.apply(RecordProcessFindings(tuple(findings), (ProcessFindingKind.UPKEEP,)))
            self._recorded = frozenset(lasting)

    def _log(self, errors: dict[str, Exception]) -> None:
        """Log the failures when they change, not each second. Add a traceback only for a fault in the code."""
        parts: dict[str, list[str]] = {}
        for part, error in errors.items():
            parts.setdefault(f"{type(error).__name__}: {error}", []).append(part)
        text = "\n".join(f"{', '.join(names)}: {failure}" for failure, names in parts.items()) or None
        logged, self._logged = self._logged, text
        if text == logged:
            return
        if text is None:
            _LOG.warning("upkeep works again")
            return
        faults = [error for error in errors.values() if not isinstance(error, MainspringError | OSError)]
        _LOG.error("upkeep fails, next attempt each second: %s", text, exc_info=faults[0] if faults else None)


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
