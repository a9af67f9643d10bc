"""Sessions: opened once, drained, closed, and declared dead with all they held in one commit."""

import pytest

from mainspring.domain.errors import ConflictError, FencedError
from mainspring.domain.states import AttemptState
from mainspring.store.commands.journal import RecordProcessGroup, SaveAttempt
from mainspring.store.commands.results import CLAIM_LOST, DONE, NumberAnswer, Refused
from mainspring.store.commands.sessions import (
    ClearProbation,
    CloseSession,
    DeclareSessionDead,
    DrainSession,
    RecordHeartbeat,
)
from tests.unit.store.sqlite.stores import allow_claims, claim, do, open_database, opening, starting


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


@pytest.fixture
def worker(path):
    """A database whose session may run automation `a`."""
    database = open_database(path)
    do(database, opening("w1"))
    allow_claims(database, "a")
    yield database
    database.close()


@pytest.fixture
def other(path, worker):
    """Another process's database, with a session of its own."""
    database = open_database(path)
    do(database, opening("w2"))
    yield database
    database.close()


def rows(database, text, *params):
    return database.connection.execute(text, params).fetchall()


def test_opening_twice_finds_the_same_session(path):
    """The uuid is the command's identity: an unknown commit sent again does not open a second session."""
    database = open_database(path)
    first = do(database, opening("x"))
    assert do(database, opening("x"), again=True) == first
    assert database.session == first.number
    with pytest.raises(ConflictError, match="session already"):
        do(database, opening("y"))
    assert rows(database, "select count(*) from sessions") == [(1,)]
    database.close()


def test_death_declaration_sets_runs_free_loses_attempts_and_fences_in_one_commit(worker, other):
    """After it the runs are ready, open attempts are lost, locks and groups are gone, and the zombie's next write is refused."""
    for run in ("r1", "r2"):
        do(worker, starting(run))
    claimed = claim(worker)
    assert {run.id for run in claimed.runs} == {"r1", "r2"}
    mark = SaveAttempt(
        run="r1",
        claim=1,
        ident="s",
        name="s",
        generation=0,
        attempt=1,
        state=AttemptState.STARTED,
        request_number=1,
        started_at=5,
        automation="a",
    )
    assert do(worker, mark) == DONE
    assert do(worker, RecordProcessGroup(pgid=77, started="9")) == DONE
    worker.connection.execute(
        "insert into locks (name, owner, session, token, acquired_at) values ('l', 'r1', ?, 1, 0)", (worker.session,)
    )
    report = other.commit([DeclareSessionDead(worker.session)])
    assert report.results == [NumberAnswer(2)]
    assert report.changes.ready
    assert rows(other, "select id, state, ready, session, probation from runs order by id") == [
        ("r1", "queued", 1, None, 0),
        ("r2", "queued", 1, None, 0),
    ]
    assert rows(other, "select state, ended_at is not null from attempts") == [("lost", 1)]
    assert rows(other, "select count(*) from process_groups union all select count(*) from locks") == [(0,), (0,)]
    with pytest.raises(FencedError, match="dead"):
        worker.commit([mark])
    assert rows(other, "select state from attempts") == [("lost",)]


def test_death_declaration_sent_again_gives_its_first_answer_and_a_second_one_is_refused(worker, other):
    """An unknown commit is resolved by sending it again; two buriers do not both set free."""
    do(worker, starting("r1"))
    claim(worker)
    assert do(other, DeclareSessionDead(worker.session)) == NumberAnswer(1)
    assert do(other, DeclareSessionDead(worker.session), again=True) == NumberAnswer(1)
    refused = do(other, DeclareSessionDead(worker.session))
    assert isinstance(refused, Refused)
    assert refused.code == "not_alive"
    assert do(other, DeclareSessionDead(999)).code == "not_alive"
    assert do(other, DeclareSessionDead(other.session)).code == "not_alive"


def test_crash_puts_runs_on_probation_and_only_a_single_death_counts(worker, other):
    """Runs that shared a crash continue probation uncounted."""
    for run in ("r1", "r2"):
        do(worker, starting(run))
    claim(worker)
    do(other, DeclareSessionDead(worker.session, crashed=True))
    assert rows(other, "select id, probation, crashes, ready from runs order by id") == [
        ("r1", 1, 0, 1),
        ("r2", 1, 0, 1),
    ]


def test_third_single_death_quarantines_that_run_only(path):
    """Two deaths alone set the run free again; the third moves it to needs_attention and out of every claim."""
    checker = open_database(path)
    do(checker, opening("judge"))
    do(checker, starting("r1"))
    for death in range(1, 4):
        prober = open_database(path)
        do(prober, opening(f"p{death}", role="probation"))
        prober.connection.execute(
            "update runs set state = 'running', session = ?, ready = 0, claim = claim + 1", (prober.session,)
        )
        assert do(checker, DeclareSessionDead(prober.session, crashed=True, probation_run="r1")) == NumberAnswer(1)
        state = rows(checker, "select state, reason, crashes, ready, session from runs")[0]
        expected = ("queued", None, death, 1, None) if death < 3 else ("needs_attention", "crashes_worker", 3, 0, None)
        assert state == expected
        prober.close()
    assert rows(checker, "select sum(attention) from rollups") == [(1,)]
    checker.close()


def test_a_dead_wrapped_command_fails_and_is_not_repeated(path):
    """No one can continue what an exec process ran: its run ends as process_lost."""
    database, checker = open_database(path), open_database(path)
    do(database, opening("e", role="exec"))
    do(checker, opening("j"))
    do(database, starting("r1", here=True))
    assert do(checker, DeclareSessionDead(database.session)) == NumberAnswer(1)
    assert rows(checker, "select state, reason, finished_at is not null, session from runs") == [
        ("failed", "process_lost", 1, None)
    ]
    database.close()
    checker.close()


def test_closing_gives_back_what_is_owned_and_survives_being_sent_again(worker):
    """A closed session owns nothing; the same closing again is not taken for a zombie."""
    do(worker, starting("r1"))
    claim(worker)
    session = worker.session
    assert do(worker, CloseSession()) == DONE
    assert worker.session is None
    assert rows(worker, "select state, ready, session from runs") == [("queued", 1, None)]
    worker.session = session  # as after a commit that reported failure
    assert do(worker, CloseSession(), again=True) == DONE
    worker.session = session
    with pytest.raises(FencedError):
        do(worker, RecordHeartbeat())


def test_draining_keeps_a_session_writing(worker, other):
    """A draining session may still save; an ended one cannot be drained."""
    assert do(other, DrainSession(worker.session)) == DONE
    assert do(other, DrainSession(worker.session)) == DONE
    assert do(worker, RecordHeartbeat()) == DONE
    do(worker, CloseSession())
    assert do(other, DrainSession(1)).code == "not_found"


def test_probation_is_cleared_by_its_owner_only(worker):
    """Progress on probation makes a run ordinary again; a foreign claim changes nothing."""
    do(worker, starting("r1"))
    claim(worker)
    worker.connection.execute("update runs set probation = 1")
    assert do(worker, ClearProbation("r1", 7)) == CLAIM_LOST
    assert do(worker, ClearProbation("r1", 1)) == DONE
    assert rows(worker, "select probation from runs") == [(0,)]


def test_process_groups_are_remembered_and_forgotten(worker):
    """A group that ended is not killed later."""
    do(worker, RecordProcessGroup(pgid=5, started="1", run="r1"))
    do(worker, RecordProcessGroup(pgid=6, started="1"))
    do(worker, RecordProcessGroup(pgid=5, started="1", ended=True))
    assert rows(worker, "select pgid from process_groups") == [(6,)]
