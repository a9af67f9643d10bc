"""Stores and journals of every released version, under today's code: nothing is lost, nothing is done twice, what was open ends.

`make golden` keeps those of the present version; see record.py.
"""

import asyncio
import lzma
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from mainspring.domain.failures.classifier import classify
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import TERMINAL_STATES
from mainspring.engine.body.body import Body
from mainspring.engine.body.programs import Program, build_program
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.run_end import build_run_end
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.schema_version import label_of
from mainspring.store.sqlite.migrate import migrations, statements
from tests.acceptance.engine_world import AT_ONCE, Engine, World
from tests.golden.stage import Journal, Recording, Stage, calls, load, versions

FOLDERS = list(versions())
_JOURNALS = msgspec.json.Decoder(list[Journal])
_RECORDINGS = msgspec.json.Decoder(dict[str, Recording])
_STOPS = (OutcomeKind.CANCEL, OutcomeKind.DEADLINE)

pytestmark = pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])


@pytest.fixture(params=["sqlite", "postgres"])
def stored(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> tuple[World, Recording]:
    """A copy of a golden store, and what is known of it."""
    known = _RECORDINGS.decode((folder / "kept.json").read_bytes())[request.param]
    if request.param == "sqlite":
        (tmp_path / "state.db").write_bytes(lzma.decompress((folder / "store.db.xz").read_bytes()))
        return World(tmp_path), known
    server = request.getfixturevalue("postgres")
    database = f"golden_{folder.name}_{uuid.uuid4().hex}"
    server.make_database(database)
    server.execute(lzma.decompress((folder / "store.sql.xz").read_bytes()).decode(), database)
    return World(server.url(database)), known


def journals_of(folder: Path) -> list[Journal]:
    return _JOURNALS.decode((folder / "journals.json").read_bytes())


def body_of(journal: Journal, registry: Registry, count: int | None = None) -> tuple[Body, Program]:
    """Return the body of a kept run after it was handed the first outcomes of its journal."""
    run = journal.run
    program = build_program(run, registry, run.input)
    outcomes = journal.outcomes if count is None else journal.outcomes[:count]
    body = Body(run.id, run.generation, program.main, outcomes, run.started_at)
    body.superseded = journal.superseded
    body.begin()
    return body, program


def replayed(folder: Path, journals: list[Journal]) -> Iterator[tuple[Journal, Body, Program]]:
    _, registry = load(folder)
    for journal in journals:
        body, program = body_of(journal, registry)
        yield journal, body, program
        body.close()


def failure_of(error: BaseException) -> Failure:
    return Failure.of(error, classify(error))


def assert_ends_alike(journal: Journal, body: Body, program: Program) -> None:
    """It ends once more as it did, is handed all that was saved, and asks for nothing that was not."""
    assert body.drift is None, (journal.run.automation, body.drift)
    assert [request.ident for request in body.new if request.open] == [], journal.run.automation
    assert body.done, journal.run.automation
    end = build_run_end(body, program, failure_of)
    assert (end.state, end.result) == (journal.state, journal.result), journal.run.automation
    assert not body.unclaimed, journal.run.automation


def test_finished_journals_end_the_same_way_once_more(folder: Path) -> None:
    """Handed what was saved, each body of a finished run ends with the same result and asks for nothing again."""
    finished = [journal for journal in journals_of(folder) if journal.state in TERMINAL_STATES]
    assert len(finished) > 15
    for journal, body, program in replayed(folder, finished):
        assert_ends_alike(journal, body, program)


def test_journal_cut_anywhere_requests_the_next_saved_step(folder: Path) -> None:
    """At each place of each journal the body wants just what stands there: the same next command."""
    _, registry = load(folder)
    checked = 0
    for journal in journals_of(folder):
        for count, outcome in enumerate(journal.outcomes):
            if outcome.kind in _STOPS or outcome.state == "cancelled":
                continue
            body, _ = body_of(journal, registry, count)
            assert body.drift is None
            assert outcome.ident in body.waiting, (journal.run.automation, outcome.ident)
            body.close()
            checked += 1
    assert checked > 80


def test_unfinished_journals_wait_for_what_they_waited_for(folder: Path) -> None:
    """The body of a run that was open goes through its history without drift and is not done."""
    open_ones = [journal for journal in journals_of(folder) if journal.state not in TERMINAL_STATES]
    assert open_ones
    for journal, body, _ in replayed(folder, open_ones):
        assert body.drift is None
        assert not body.unclaimed
        assert not body.done
        assert body.waiting, journal.run.automation


def test_a_missing_outcome_is_noticed(folder: Path) -> None:
    """The look at a finished run bites: one without its last saved step is not taken for one that ends alike."""
    _, registry = load(folder)
    journal = next(journal for journal in journals_of(folder) if journal.run.automation == "steps")
    body, program = body_of(journal, registry, len(journal.outcomes) - 1)
    with pytest.raises(AssertionError):
        assert_ends_alike(journal, body, program)
    body.close()


@pytest.mark.parametrize("settings", [AT_ONCE, WorkerOptions()], ids=["replayed", "at ease"])
def test_a_golden_store_continues(folder: Path, stored: tuple[World, Recording], settings: WorkerOptions) -> None:
    """Brought to today's form, each open run ends as it should, no finished one is touched, no saved step is called again."""
    world, known = stored
    module, registry = load(folder)
    scenes: list[dict[str, Any]] = module.SCENES

    async def play() -> None:
        async with world.engine(registry, settings) as engine:
            stage = Stage(engine, module)
            before = {journal.run.id: journal for journal in stage.journals()}
            await declare_all_dead(engine)
            for scene in scenes:
                await stage.finish(scene, known.runs[scene["name"]])
            after = {journal.run.id: journal for journal in stage.journals()}
        for run, old in before.items():
            new = after[run]
            stored_rows = {(o.rank, o.generation): o for o in (*new.outcomes, *new.superseded)}
            for outcome in (*old.outcomes, *old.superseded):
                now = stored_rows[outcome.rank, outcome.generation]
                assert msgspec.structs.replace(now, superseded=outcome.superseded) == outcome
            if old.state in ("succeeded", "cancelled"):
                assert new == old
        again = calls(module) & set(known.done)
        assert not again, [name for key, name in module.CALLS if key in again]
        for journal in after.values():
            if journal.state in TERMINAL_STATES:
                body, program = body_of(journal, registry)
                assert_ends_alike(journal, body, program)
                body.close()

    asyncio.run(play())


async def declare_all_dead(engine: Engine) -> None:
    """Let the sessions that were alive be found dead: their machine is gone."""
    for session, *_ in engine.working.store.reader.read("list_live_sessions", (100,)):
        if session != engine.working.store.session:
            await engine.working.apply(DeclareSessionDead(session))


def test_stores_with_one_first_migration_have_the_same_tables(folder):
    """A first migration whose tables change needs another name: by that a store of a development version is refused."""
    migration = migrations()[0]
    golden, first = apsw.Connection(":memory:"), apsw.Connection(":memory:")
    oldest = FOLDERS[0]  # the stores of later versions have the changes of later migrations
    golden.deserialize("main", lzma.decompress((oldest / "store.db.xz").read_bytes()))
    assert golden.execute("select value from meta where key = 'first_migration'").get == label_of(migration)
    for statement in statements(migration[2]):
        first.execute(statement)

    def tables(connection):
        rows = connection.execute("select name, sql from sqlite_master where name not like 'sqlite_%' order by name")
        return {name: re.sub(r"\s*--[^\n]*", "", text) for name, text in rows}

    assert tables(first) == tables(golden)
