"""What a web or watcher process finds wrong with itself or around it, kept on record with its session so that monitors read it."""

from collections.abc import Mapping
from typing import Any

from mainspring.app.processes.background_process import BackgroundProcess
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.store.commands.sessions import RecordProcessFindings


class FindingReporter:
    """Used in the loop's thread; `report` writes what changed, once the store is open."""

    def __init__(self, process: BackgroundProcess) -> None:
        self._process = process
        self._found: dict[tuple[ProcessFindingKind, str], ProcessFinding] = {}
        self._kinds: frozenset[ProcessFindingKind] = frozenset()
        """Those that are reported here: others are reported by other parts of the process."""
        self._written: tuple[ProcessFinding, ...] | None = ()
        """What is on record; None = not known, a commit is under way or failed."""

    def replace(self, kind: ProcessFindingKind, why: Mapping[str, str]) -> None:
        """Let these be all findings of a kind: name -> why. One that lasts keeps its instant."""
        now = self._process.store.clock.now()
        self._kinds |= {kind}
        known = {key: one for key, one in self._found.items() if key[0] is kind}
        self._found = {key: one for key, one in self._found.items() if key[0] is not kind}
        for name, text in why.items():
            before = known.get((kind, name))
            self._found[kind, name] = ProcessFinding(kind, name, text, now if before is None else before.since_at)

    def report(self) -> None:
        """Write what changed since it was written last."""
        found = tuple(self._found[key] for key in sorted(self._found))
        if not self._process.is_open or found == self._written:
            return
        self._written = found
        self._process.store.submit(RecordProcessFindings(found, tuple(sorted(self._kinds))), self._answered)

    def _answered(self, result: Any) -> None:
        if isinstance(result, Exception):
            self._written = None
