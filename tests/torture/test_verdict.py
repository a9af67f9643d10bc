"""The judge of the fleets: each thing that must not be is found where it was planted, and nothing where nothing was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.fleet import Fleet
from tests.postgres_server import PostgresServer
from tests.torture import shop, verdict

RUN = (
    "insert into runs (id, automation, kind, version, state, queue, place, created_at, changed_at, finished_at, session, crashes,"
    " codec, input, trigger)"
    " values ('r1', 'order', 'workflow', 1, '{state}', 'default', 0, 0, 0, {finished}, {session}, {crashes}, 'json', '[]', 'test')"
)
OUTCOME = (
    "insert into journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, started_at, at, duration_us)"
    " values ('r1', {rank}, 'a', 'a', 'step', 'succeeded', 1, 1, 0, {claim}, 0, 0, 0)"
)

SESSION = (
    "insert into sessions (id, uuid, role, state, host, hostname, pid, pid_started, lock_path, opened_at, beat_at)"
    " values (7, 'u', 'worker', 'alive', 'h', 'h', 1, '', '', 0, 0)"
)


def run(state: str = "succeeded", finished: str = "1", session: str = "null", crashes: int = 0) -> str:
    """Return a run as a row."""
    return RUN.format(state=state, finished=finished, session=session, crashes=crashes)


PLANTED = {
    "not ended": [run("running", "null", "1")],
    "failed": [run("failed")],
    "a run that has ended and has an owner": [run(session="1")],
    "what an ended run waits for": [
        run(),
        "insert into waits (run, ident, kind, name, opened_at) values ('r1', 'w', 'event', 'paid', 0)",
    ],
    "a partition that an ended run holds": [run(), "insert into partition_holds values ('default', 'p', 'r1', 0)"],
    "a queue that counts what has ended": [
        run(),
        "insert into queue_backlogs (queue, session, n) values ('default', 0, 1)",
    ],
    "two outcomes of one request": [run(), OUTCOME.format(rank=1, claim=0), OUTCOME.format(rank=2, claim=0)],
    "a journal with a gap": [run(), OUTCOME.format(rank=2, claim=0)],
    "an outcome of a later claim": [run(), OUTCOME.format(rank=1, claim=5)],
    "a lock whose holder is gone": ["insert into locks values ('l', 'r1', null, 1, 0, null)"],
    "a lock of a run that has ended": [
        run(),
        SESSION,
        "insert into locks values ('l', 'r1/sale#1 (attempt 1)', 7, 1, 0, null)",
    ],
    "a slot without its run": ["insert into slots values ('nightly', 1, 'run', 'r9', null, 0)"],
    "a run that is blamed for a death": [run(crashes=1)],
}


@pytest.fixture
def fleet(tmp_path: Path, postgres: PostgresServer) -> Iterator[Fleet]:
    made = Fleet(tmp_path, postgres.new_store(), code="", config="")
    made.call("db", "migrate", "--create")
    yield made
    made.close()


def test_leftover_files_are_found(fleet: Fleet) -> None:
    """Each row that must not be there is named, once it is there."""
    assert verdict.list_errors(fleet, []) == []
    for finding, statements in PLANTED.items():
        with fleet.database.transaction(force_rollback=True):
            for statement in statements:
                fleet.database.execute(statement)
            assert [found for found in verdict.list_errors(fleet, []) if found.startswith(finding)], finding


def test_payments_that_are_missing_or_there_twice_are_found(fleet: Fleet) -> None:
    """What is written in the users' own database is counted there, against the runs that have succeeded."""
    fleet.database.execute(
        run().replace("'order', 'workflow'", "'payment', 'task'").replace("'[]'", "'{\"number\":3}'")
    )
    with fleet.database.transaction(force_rollback=True):
        fleet.database.execute(f"create schema {shop.SCHEMA}")
        fleet.database.execute(f"create table {shop.SCHEMA}.payments (number int)")
        fleet.database.execute(f"insert into {shop.SCHEMA}.payments values (4), (5), (5)")
        assert verdict.list_errors(fleet, []) == ["acknowledged and lost: payment 3", "paid twice: payment 5"]


def test_lost_and_doubled_work_is_found(fleet: Fleet) -> None:
    """An acknowledged run that is not there, an effect under two keys, and one that must not be repeated at all."""
    fleet.database.execute(run())
    fleet.effects.write_text("a-1 k1 send 1\nb-1 k1 send 1\na-1 k2 bet 1\nb-1 k2 bet 1\na-1 k3 pay 1\nb-1 k4 pay 1\n")
    assert verdict.list_errors(fleet, ["r1", "r2"]) == [
        "acknowledged and lost: r2",
        "done under two keys: pay 1",
        "repeated though it must not be: bet 1",
    ]
    assert verdict.repeated(fleet) == 2


def test_lock_that_two_held_is_found(fleet: Fleet) -> None:
    """One token belongs to one attempt; that it writes twice, or another one later under a higher token, is no fault."""
    till = Path(f"{fleet.effects}.till")
    till.write_text("1 k1 1\n2 k2 1\n2 k2 1\n5 k1 2\n")
    assert verdict.list_errors(fleet, []) == []
    till.write_text("1 k1 1\n2 k2 1\n2 k3 1\n3 k1 2\n3 k1 3\n")
    assert sorted(verdict.list_errors(fleet, [])) == [f"{verdict.SHARED}: 2", f"{verdict.SHARED}: 3"]
