"""Sources of the runs that are replayed: the store, or files that `mainspring runs export` wrote."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from mainspring.app.replay.exported_runs import ExportedRun
from mainspring.domain.definitions.definition import DefinitionKind
from mainspring.domain.errors import SealedError
from mainspring.domain.runs.journal import History, OutcomeKind
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.states import FailureReason
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.driver.replay import SavedRun
from mainspring.store.base import StoreReader
from mainspring.store.read.run_decisions import read_decisions
from mainspring.store.read.runs.replayable_runs import (
    RunGroupKey,
    list_grouped_runs,
    list_run_inputs,
    list_saved_versions,
    read_replayable_runs,
)
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.schema.runs.runs import ReplayableRun

_MOST_RUNS = 100_000
_BATCH, _BATCH_BYTES, _VERSIONS_BATCH = 50, 4 * 1024 * 1024, 1_000
_REASONS = frozenset(FailureReason)


class RunSource(Protocol):
    """Runs by group, and their histories."""

    @property
    def groups(self) -> Mapping[RunGroupKey, Sequence[str]]:
        """The ids of the runs of each group, newest first."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether there are older runs, which are in no group."""
        ...

    def read(self, runs: Sequence[str]) -> Iterator[tuple[str, SavedRun | SealedError]]:
        """Yield the runs with their histories, or why their values cannot be read. Runs that were deleted are left out."""
        ...

    def read_versions(self, runs: Sequence[str]) -> Iterator[tuple[str, dict[str, int]]]:
        """Yield the saved versions of changes (`run.version`) of each run that has some, by the id of the change."""
        ...

    def is_marked_done(self, run: str) -> bool:
        """Return whether a person declared a run done, so that its code did not end it."""
        ...


class StoredRuns:
    """The runs of a store: all unfinished ones, then the newest finished ones, as many as can be grouped before `ends_at` (monotonic)."""

    def __init__(self, reader: StoreReader, sealing: Sealing, ends_at: float) -> None:
        self.groups: dict[RunGroupKey, list[str]] = {}
        self.has_more = False
        self._reader = reader
        self._unsealer = RowUnsealer(sealing)
        self._count = 0
        for is_finished in (False, True):
            self._read_groups(ends_at, finished=is_finished)

    def _read_groups(self, ends_at: float, *, finished: bool) -> None:
        cursor: int | None = None
        while True:
            rows, cursor = list_grouped_runs(self._reader, finished=finished, cursor=cursor)
            for run, group in rows:
                if group.kind != DefinitionKind.EXEC:  # its caller runs it: no code is loaded for it
                    self.groups.setdefault(group, []).append(run)
                    self._count += 1
            if cursor is None:
                return
            if self._count >= _MOST_RUNS or time.monotonic() >= ends_at:
                self.has_more = True
                return

    def read(self, runs: Sequence[str]) -> Iterator[tuple[str, SavedRun | SealedError]]:
        """Yield the runs with their histories; see RunSource."""
        return read_saved_runs(self._reader, self._unsealer, runs)

    def read_versions(self, runs: Sequence[str]) -> Iterator[tuple[str, dict[str, int]]]:
        """Yield the saved versions of changes; see RunSource. A value that stays sealed is left out."""
        for at in range(0, len(runs), _VERSIONS_BATCH):
            answers: dict[str, dict[str, int]] = {}
            for run, change, output in list_saved_versions(self._reader, runs[at : at + _VERSIONS_BATCH]):
                with contextlib.suppress(SealedError):
                    answers.setdefault(run, {})[change] = int(self._unsealer.value(output) or b"0")
            yield from answers.items()

    def is_marked_done(self, run: str) -> bool:
        """Return whether a person declared a run done."""
        decisions = read_decisions(self._reader, run_view(self._reader, run))
        return any(result.ident is None for result in decisions.given)


class ExportedRuns:
    """The runs of exported files."""

    def __init__(self, exported: Sequence[ExportedRun]) -> None:
        self.has_more = False
        self.groups: dict[RunGroupKey, list[str]] = {}
        self._runs = {item.saved.run.id: item for item in exported}
        for item in self._runs.values():
            run = item.saved.run
            names = frozenset(f"{outcome.kind} {outcome.name}" for outcome in item.saved.history.outcomes)
            key = RunGroupKey(run.automation, run.kind, run.version, item.is_ended, names)
            self.groups.setdefault(key, []).append(run.id)

    def read(self, runs: Sequence[str]) -> Iterator[tuple[str, SavedRun | SealedError]]:
        """Yield the runs with their histories; see RunSource."""
        for run in runs:
            item = self._runs[run]
            yield run, item.find_obstacle() or item.saved

    def read_versions(self, runs: Sequence[str]) -> Iterator[tuple[str, dict[str, int]]]:
        """Yield the saved versions of changes; see RunSource."""
        for run in runs:
            item = self._runs[run]
            if item.find_obstacle() is None:
                outcomes = item.saved.history.outcomes
                yield run, {o.name: int(o.output or b"0") for o in outcomes if o.kind is OutcomeKind.VERSION}

    def is_marked_done(self, run: str) -> bool:
        """Return whether a person declared a run done."""
        return self._runs[run].saved.is_declared_done


def read_saved_runs(
    reader: StoreReader, unsealer: RowUnsealer, runs: Sequence[str]
) -> Iterator[tuple[str, SavedRun | SealedError]]:
    """Yield the runs that are still there with their histories, or the reason why one cannot be opened."""
    left = list(runs)
    while left:
        part = left[:_BATCH]
        rows, count = read_replayable_runs(reader, part, _BATCH_BYTES)
        inputs = _read_restart_inputs(reader, [row for row, _ in rows])
        for row, history in rows:
            try:
                yield row.run.id, open_run(row, history, unsealer, inputs.get(row.run.id))
            except SealedError as error:
                yield row.run.id, error
        del left[:count]


def _read_restart_inputs(reader: StoreReader, rows: Sequence[ReplayableRun]) -> dict[str, bytes]:
    """Return the stored inputs with which runs restarted, as far as the next run is still there."""
    by_successor = {name: row.run.id for row in rows if (name := _find_successor(row)) is not None}
    if not by_successor:
        return {}
    inputs = list_run_inputs(reader, list(by_successor))
    return {by_successor[run]: data for run, data in inputs.items() if data is not None}


def _find_successor(row: ReplayableRun) -> str | None:
    detail = {} if row.detail is None else msgspec.json.decode(row.detail)
    return detail.get("restarted_as")


def open_run(
    row: ReplayableRun, history: History, unsealer: RowUnsealer, restart_input: bytes | None = None
) -> SavedRun:
    """Return a stored run with its values opened. Raises SealedError."""
    return SavedRun(
        msgspec.structs.replace(
            row.run, input=unsealer.value(row.run.input) or b"{}", headers=unsealer.value(row.run.headers)
        ),
        row.state,
        FailureReason(row.reason) if row.reason in _REASONS else None,
        unsealer.value(row.result),
        unsealer.failure(row.failure),
        unsealer.history(history),
        has_restarted=_find_successor(row) is not None,
        restart_input=unsealer.value(restart_input),
    )
