"""Replayable runs: grouped by what they have saved, then read with their histories. No value is read for grouping."""

import json
from collections.abc import Sequence

import msgspec

from mainspring.domain.runs.journal import History
from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.store.base import StoreReader
from mainspring.store.read.runs.history import histories
from mainspring.store.read.runs.run_views import list_runs
from mainspring.store.schema.runs.runs import REPLAYABLE_RUN, ReplayableRun
from mainspring.store.views import RunPage

_UNFINISHED = tuple(state for state in RunState if state not in TERMINAL_STATES)
_PAGE = 1_000


class RunGroupKey(msgspec.Struct, frozen=True):
    """Key of a group of runs: automation, kind, version, the kinds and names of their saved outcomes, whether they have ended."""

    automation: str
    kind: str
    version: int
    is_ended: bool
    names: frozenset[str]


def list_grouped_runs(
    reader: StoreReader, *, finished: bool, cursor: int | None = None
) -> tuple[list[tuple[str, RunGroupKey]], int | None]:
    """Return a page of runs with their groups, newest first, and the cursor of the next page (None = that was all)."""
    states = tuple(TERMINAL_STATES) if finished else _UNFINISHED
    page: RunPage = list_runs(reader, states=states, limit=_PAGE, cursor=cursor)
    versions: dict[str, int] = {}
    names: dict[str, set[str]] = {}
    for run, version, kind, name in reader.read("list_saved_names_of", (json.dumps([row.id for row in page.runs]),)):
        versions[run] = version
        if name is not None:
            names.setdefault(run, set()).add(f"{kind} {name}")
    grouped = [
        (
            row.id,
            RunGroupKey(
                row.automation,
                row.kind,
                versions[row.id],
                row.state in TERMINAL_STATES,
                frozenset(names.get(row.id, ())),
            ),
        )
        for row in page.runs
        if row.id in versions  # otherwise it was deleted between the two reads
    ]
    return grouped, page.cursor


def list_saved_versions(reader: StoreReader, runs: Sequence[str]) -> list[tuple[str, str, bytes]]:
    """Return run, id of the change and version, still sealed, of each answer to `run.version` that these runs have saved."""
    return [
        (str(run), str(change), bytes(output))
        for run, change, output in reader.read("list_saved_versions_of", (json.dumps(list(runs)),))
    ]


def list_run_inputs(reader: StoreReader, runs: Sequence[str]) -> dict[str, bytes | None]:
    """Return the inputs of runs, still sealed, as far as they are still there."""
    rows = REPLAYABLE_RUN.read_all(reader.read("list_replayable_runs", (json.dumps(list(runs)),)))
    return {row.run.id: row.run.input for row in rows}


def read_replayable_runs(
    reader: StoreReader, runs: Sequence[str], about_bytes: int
) -> tuple[list[tuple[ReplayableRun, History]], int]:
    """Return the first runs with their histories, as far as they are still there, and how many ids that covers: at least one."""
    page = histories(reader, runs, about_bytes)
    histories_by_run = dict(zip(runs, page, strict=False))
    rows = REPLAYABLE_RUN.read_all(reader.read("list_replayable_runs", (json.dumps(list(histories_by_run)),)))
    rows_by_run = {row.run.id: row for row in rows}
    return [(rows_by_run[run], history) for run, history in histories_by_run.items() if run in rows_by_run], len(page)
