"""Reporter of findings: what a web or watcher process finds wrong in itself or around it, recorded with its session for monitors."""

from collections.abc import Mapping

from mainspring.app.processes.background_process import BackgroundProcess
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.store.commands.sessions import RecordProcessFindings


class FindingReporter:
    """The findings of one process. Used in the loop's thread; `report` writes changes once the store is open."""

    def __init__(self, process: BackgroundProcess) -> None:
        self._process = process
        self._found: dict[tuple[ProcessFindingKind, str], ProcessFinding] = {}
        self._kinds: frozenset[ProcessFindingKind] = frozenset()
        """The kinds that are reported here. Other parts of the process report other kinds."""
        self._written: tuple[ProcessFinding, ...] | None = ()
        """The recorded findings. None = unknown: a commit is in progress or failed."""

    def replace(self, kind: ProcessFindingKind, texts: Mapping[str, str]) -> None:
        """Replace all findings of a kind: name -> text. A finding that persists keeps its instant."""
        now = self._process.store.clock.now()
        self._kinds |= {kind}
        known = {key: finding for key, finding in self._found.items() if key[0] is kind}
        self._found = {key: finding for key, finding in self._found.items() if key[0] is not kind}
        for name, text in texts.items():
            before = known.get((kind, name))
            self._found[kind, name] = ProcessFinding(kind, name, text, now if before is None else before.since_at)

    def report(self) -> None:
        """Write the findings if they changed since the last write."""
        found = tuple(self._found[key] for key in sorted(self._found))
        if not self._process.is_open or found == self._written:
            return
        self._written = found
        self._process.store.submit(RecordProcessFindings(found, tuple(sorted(self._kinds))), self._answered)

    def _answered(self, result: object) -> None:
        if isinstance(result, Exception):
            self._written = None
