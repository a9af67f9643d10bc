"""Sources of journals: exported files, or the newest runs of a store, which is only read."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mainspring.app.replay.exported_runs import ExportedRun, list_files, read_exported_run
from mainspring.app.replay.run_sources import read_saved_runs
from mainspring.domain.definitions.definition import DefinitionKind
from mainspring.domain.errors import ArgumentError, SealedError
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.body.child_runs import STEP_RUN
from mainspring.engine.driver.replay import SavedRun
from mainspring.store.base import StoreReader
from mainspring.store.read.run_decisions import read_decisions
from mainspring.store.read.runs.run_pages import run_page
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.views import RunRow

_UNFINISHED = tuple(state for state in RunState if state not in TERMINAL_STATES)
_PAGE = 500


class Journal(NamedTuple):
    """One journal, or why its values cannot be read.

    `may_be_left_out` = the run has ended, so that no worker needs its automation. `is_declared_done` returns whether a person declared
    the run done.
    """

    run: str
    automation: str
    kind: str
    saved: SavedRun | SealedError
    may_be_left_out: bool = False
    is_declared_done: Callable[[], bool] = lambda: False


class JournalFilter(NamedTuple):
    """Filter of the runs of a store: at most `limit` of the newest ones. `names` = of these automations, None = of all."""

    limit: int
    names: Sequence[str] | None = None
    since_at: int | None = None
    is_unfinished: bool = False


def read_files(places: Sequence[Path]) -> list[ExportedRun]:
    """Return the runs of files and folders, each run once.

    Raises:
        ArgumentError: a file is absent, is no export, or a newer version of Mainspring wrote it.
    """
    runs: dict[str, ExportedRun] = {}
    for file in (file for place in places for file in list_files(place)):
        item = read_exported_run(file)
        other = runs.setdefault(item.saved.run.id, item)
        if other is not item and other.saved != item.saved:
            raise ArgumentError(
                f"{file}: it has the same run as {other.file}, in another state", hint="Delete one of the two files."
            )
    return list(runs.values())


def list_exported(exported: Sequence[ExportedRun]) -> list[Journal]:
    """Return exported runs as journals."""
    return [
        Journal(item.saved.run.id, item.saved.run.automation, item.saved.run.kind, item.find_obstacle() or item.saved)
        for item in exported
    ]


def list_stored(reader: StoreReader, selection: JournalFilter) -> list[RunRow]:
    """Return the runs of a store that are replayed, newest first."""
    rows: list[RunRow] = []
    cursor: int | None = None
    while len(rows) < selection.limit:
        page = run_page(
            reader,
            states=_UNFINISHED if selection.is_unfinished else (),
            names=selection.names,
            since_at=selection.since_at,
            limit=min(_PAGE, selection.limit),
            cursor=cursor,
        )
        rows += [row for row in page.runs if _has_body(row)]
        cursor = page.cursor
        if cursor is None:
            break
    return rows[: selection.limit]


def _has_body(row: RunRow) -> bool:
    """Return whether a run has code of its own: a run of `exec` has none, nor has a step that ran alone and has ended."""
    is_ended_step = row.kind == STEP_RUN and row.state in TERMINAL_STATES
    return row.kind != DefinitionKind.EXEC and not is_ended_step


def read_stored(reader: StoreReader, sealing: Sealing, rows: Sequence[RunRow]) -> Iterator[Journal]:
    """Yield runs of a store as journals. Runs that were deleted since the list was read are left out."""
    by_id = {row.id: row for row in rows}
    for run, saved in read_saved_runs(reader, RowUnsealer(sealing), list(by_id)):
        row = by_id[run]
        has_ended = row.state in TERMINAL_STATES
        yield Journal(run, row.automation, row.kind, saved, has_ended, _make_decision_reader(reader, run))


def _make_decision_reader(reader: StoreReader, run: str) -> Callable[[], bool]:
    def read() -> bool:
        return any(result.ident is None for result in read_decisions(reader, run_view(reader, run)).given)

    return read
