"""Wrapped commands in the store: described beside workers, recorded once, corrected by their owner only."""

from pathlib import Path

import pytest

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import AttemptRecord, Outcome, OutcomeKind
from mainspring.domain.states import AttemptState, FailureReason, OutcomeState, RunState
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, RetireAutomation, ScheduleRow
from mainspring.store.commands.exec_runs import DescribeExecAutomation, RecordExecRun
from mainspring.store.commands.journal import SaveAttempt
from mainspring.store.commands.results import DONE, Refused, StartAnswer
from mainspring.store.commands.runs import GiveResult, ReopenRun, RunKey
from mainspring.store.commands.sessions import CloseSession, DeclareSessionDead
from mainspring.store.sqlite.database import SqliteDatabase
from tests.unit.store.sqlite.stores import START_AT, StoppedClock, do, open_database, opening, starting

MINUTE = 60_000


@pytest.fixture
def database(tmp_path: Path):
    made = open_database(tmp_path / "s.db")
    yield made
    made.close()


def described(kind: str = "exec", definition: bytes = b"{}", *slots: str) -> DescribeExecAutomation:
    row = AutomationRow("a", kind, 1, "f", definition)
    return DescribeExecAutomation(row, tuple(ScheduleRow(name, "a", b'{"every":1000}', None) for name in slots))


def record(run: str = "r", state: RunState = RunState.SUCCEEDED, **more) -> RecordExecRun:
    failed = state is RunState.FAILED
    failure = Failure(type="X", code="x", message="no") if failed else None
    step = OutcomeState.FAILED if failed else OutcomeState.SUCCEEDED
    outcome = Outcome(1, "a#1", "a", OutcomeKind.STEP, step, 1, 2, 0, 5, START_AT - MINUTE, 7, failure=failure)
    first = AttemptRecord("a#1", "a", 0, 1, AttemptState.FAILED, 1, 1, 2, 3, Failure(type="X", code="x", message="no"))
    reason = FailureReason.RETRIES_EXHAUSTED if failed else None
    ended = {"outcome": outcome, "attempts": (first,), "failure": failure, "reason": reason}
    spans = {"started_at": START_AT - 2 * MINUTE, "finished_at": START_AT - MINUTE}
    return RecordExecRun(run, "a", "exec", 1, "a", "exec", "json", b"{}", state, **{**spans, **ended, **more})


def rows(database: SqliteDatabase, text: str) -> list[tuple]:
    return database.connection.execute(text).fetchall()


def states(database: SqliteDatabase) -> list[tuple]:
    return rows(database, "select state, reason from runs order by seq")


def test_description_numbers_no_deployment(database: SqliteDatabase) -> None:
    """Describing makes nothing claimable and gives no deployment a number, so no worker is overruled by a crontab line."""
    do(database, opening(role="exec"))
    assert do(database, described("exec", b"{}", "a")) == DONE
    assert rows(database, "select name, kind, deploy from automations") == [("a", "exec", 0)]
    assert rows(database, "select count(*) from deployments") == [(0,)]
    assert rows(database, "select count(*) from session_automations") == [(0,)]
    assert rows(database, "select name, next_slot_at, retired_at from schedules") == [("a", None, None)]


def test_description_leaves_what_a_worker_announced(database: SqliteDatabase) -> None:
    """A script of the same name stays what it is."""
    do(database, AnnounceDefinitions("f", (AutomationRow("a", "script", 3, "f", b'{"x":1}'),), ()))
    refused = do(database, described())
    assert isinstance(refused, Refused)
    assert refused.code == "taken"
    assert rows(database, "select kind, version, definition from automations") == [("script", 3, b'{"x":1}')]


def test_a_call_by_hand_does_not_erase_the_schedule(database: SqliteDatabase) -> None:
    """It states none: definition and watch stay those of the crontab, until the crontab states other ones."""
    of_crontab, by_hand = (
        b'{"options":{"cron":["0 3 * * *"],"tier":"page"},"schedules":[{"every":1000}]}',
        b'{"options":{}}',
    )
    do(database, described("exec", of_crontab, "a"))
    assert do(database, described("exec", by_hand)) == DONE
    assert rows(database, "select definition from automations") == [(of_crontab,)]
    assert rows(database, "select count(*) from schedules where retired_at is null") == [(1,)]
    changed = of_crontab.replace(b"page", b"notify")
    do(database, described("exec", changed, "a"))
    assert rows(database, "select definition from automations") == [(changed,)]


def test_a_call_by_hand_describes_what_has_no_schedule(database: SqliteDatabase) -> None:
    """The newest call counts there."""
    do(database, described("exec", b'{"options":{}}'))
    do(database, described("exec", b'{"options":{"owner":"ann"}}'))
    assert rows(database, "select definition from automations") == [(b'{"options":{"owner":"ann"}}',)]


def test_description_of_what_is_retired_is_refused(database: SqliteDatabase) -> None:
    """Retired means that no one expects it any more, no matter who still calls it."""
    do(database, described("exec", b"{}", "a"))
    do(database, RetireAutomation("a"))
    refused = do(database, described("exec", b"{}", "a"))
    assert isinstance(refused, Refused)
    assert refused.code == "retired"
    assert rows(database, "select retired_at is null from schedules") == [(0,)]


def test_new_cadence_replaces_the_old_one(database: SqliteDatabase) -> None:
    """Schedules that are given replace those on record; none given leaves them."""
    do(database, described("exec", b"{}", "a#1", "a#2"))
    do(database, described("exec", b'{"y":1}'))
    assert rows(database, "select count(*) from schedules where retired_at is null") == [(2,)]
    do(database, described("exec", b"{}", "a"))
    assert rows(database, "select name from schedules where retired_at is null") == [("a",)]


@pytest.mark.parametrize("again", [False, True])
def test_recorded_run_is_there_once(database: SqliteDatabase, again: bool) -> None:
    """A record told twice is one run, one outcome, one count, all with their own instants."""
    assert do(database, record(), again=again) == StartAnswer("r", created=True, state="succeeded")
    assert do(database, record(), again=again) == StartAnswer("r", created=False, state="succeeded")
    assert rows(database, "select state, started_at, finished_at, steps, rank, ready, session from runs") == [
        ("succeeded", START_AT - 2 * MINUTE, START_AT - MINUTE, 1, 1, 0, None)
    ]
    assert rows(database, "select rank, attempt, state from journal") == [(1, 2, "succeeded")]
    assert rows(database, "select attempt, state from attempts") == [(1, "failed")]
    minute = (START_AT - MINUTE) // MINUTE * MINUTE
    assert rows(database, "select minute_at, started, succeeded, failed, steps from rollups") == [(minute, 1, 1, 0, 1)]


def test_record_does_not_change_an_end_that_is_known(database: SqliteDatabase) -> None:
    """What has ended by itself stays as it ended."""
    do(database, record())
    do(database, record(state=RunState.FAILED))
    assert states(database) == [("succeeded", None)]


def owned(database: SqliteDatabase) -> int:
    """Start a run here as `exec` does, with a start mark of its second attempt."""
    session = do(database, opening("u1", "exec")).number
    do(database, starting("r", here=True, run_key=RunKey("k", "h", "restart")))
    do(database, SaveAttempt("r", 1, "a#1", "a", 0, 2, AttemptState.STARTED, 1, 5, "a"))
    return session


def test_record_of_the_owner_ends_its_run(database: SqliteDatabase, tmp_path: Path) -> None:
    """A run on record as running gets its end from its own session's record, and from no one else's."""
    session = owned(database)
    refused = do(database, record(session=session + 1))
    assert isinstance(refused, Refused)
    assert refused.code == "owned"
    assert do(database, record(session=session)).created
    assert states(database) == [("succeeded", None)]
    assert rows(database, "select attempt, state from attempts") == [(1, "failed")]
    assert rows(database, "select started, succeeded from rollups where succeeded or started") != []
    assert rows(database, "select sum(started), sum(succeeded) from rollups") == [(1, 1)]


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED])
def test_record_corrects_a_run_that_was_declared_lost(
    database: SqliteDatabase, tmp_path: Path, state: RunState
) -> None:
    """Lost means that no one knew the end: its owner's word, even late, tells it; its key follows."""
    session = owned(database)
    other = open_database(tmp_path / "s.db", clock=StoppedClock())
    try:
        do(other, DeclareSessionDead(session))
        assert states(other) == [("failed", "process_lost")]
        assert rows(other, "select state from attempts") == [("lost",)]
        key = RunKey("k", "h", "restart")
        assert do(other, record(state=state, session=session, run_key=key)).created
        assert not do(other, record(state=state, session=session, run_key=key)).created
        assert states(other) == [(state.value, "retries_exhausted" if state is RunState.FAILED else None)]
        assert rows(other, "select attempt, state from attempts") == [(1, "failed")]
        assert rows(other, "select run, state from run_keys") == [("r", state.value)]
    finally:
        other.close()


def test_recorded_key_counts_once(database: SqliteDatabase) -> None:
    """A failure recorded late does not take the key from the run that succeeded under it."""
    key = RunKey("k", "h", "restart")
    do(database, record("r_1", RunState.FAILED, run_key=key))
    do(database, record("r_2", run_key=key))
    do(database, record("r_3", RunState.FAILED, run_key=key))
    assert rows(database, "select run, state from run_keys") == [("r_2", "succeeded")]
    found = do(database, starting("r_4", run_key=key))
    assert found == StartAnswer("r_2", created=False, state="succeeded", by_key=True)


def test_late_start_finds_the_recorded_run(database: SqliteDatabase) -> None:
    """A start that was still on its way when its end was recorded makes no second run."""
    do(database, opening("u1", "exec"))
    do(database, record())
    assert do(database, starting("r", here=True)) == StartAnswer("r", created=False, state="succeeded")
    do(database, CloseSession())
    assert states(database) == [("succeeded", None)]


def test_wrapped_run_is_not_continued_by_workers(database: SqliteDatabase) -> None:
    """No one but its caller can run it again, so continuing it is refused and it does not wait for ever."""
    do(database, record(state=RunState.FAILED))
    for act in (ReopenRun("r"), GiveResult("r", "a#1", "c", b"1")):
        refused = do(database, act)
        assert isinstance(refused, Refused)
        assert refused.code == "wrapped"
    assert states(database) == [("failed", "retries_exhausted")]
