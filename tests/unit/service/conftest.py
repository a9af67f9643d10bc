"""A real store on one file, with a worker's session that announced "backup", and acts under chosen command ids."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.service.actor import Actor, OperationContext, operation_context
from mainspring.service.reads import ServiceReads
from mainspring.service.runs.run_start import start
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.runs import ClaimedRun, ClaimRuns
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.sqlite.store import SqliteStore
from tests.contract.store.clock import FakeClock

ACTOR = Actor.cli("ann", "box")
BACKUP = Definition(kind=DefinitionKind.TASK, name="backup")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "state.db", clock=clock)
    opened.open()
    opened.open_session("worker")
    announce(opened, BACKUP)
    yield opened
    opened.close()


@pytest.fixture
def reads(store: SqliteStore) -> ServiceReads:
    return OperationReads(store.reader)


@pytest.fixture
def act(clock: FakeClock) -> Callable[..., OperationContext]:
    """Makes an act; with a name, under that command id."""
    return lambda command=None, reason=None: operation_context(ACTOR, clock, reason=reason, command=command)


@pytest.fixture
def begin(store: SqliteStore, clock: FakeClock, act: Callable[..., OperationContext]) -> Callable[..., ClaimedRun]:
    """Starts a run and claims it."""

    def make(data: bytes = b"{}", definition: Definition = BACKUP) -> ClaimedRun:
        started = start(store, clock, definition, data, act=act())
        (run,) = store.apply(ClaimRuns(act().command, 1)).runs
        assert run.id == started.run
        return run

    return make


def announce(store: SqliteStore, *definitions: Definition) -> None:
    rows = tuple(AutomationRow(each.name, each.kind, each.version, "f", b"{}") for each in definitions)
    store.apply(AnnounceDefinitions("code", rows, ()))


def rows_of(reads: Any) -> list[tuple[str, str]]:
    """(verb, subject) of each act on record, oldest first, without the starts."""
    return [(row.verb, row.subject) for row in reversed(reads.audit_rows(limit=1000)) if row.verb != "start"]
