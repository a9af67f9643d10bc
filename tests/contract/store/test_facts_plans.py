"""Reads for monitors go by an index: what a look costs depends on what is there, not on all that ever was."""

import json

import apsw
import psycopg

from mainspring.domain.clock import SystemClock
from mainspring.store.handlers.table import HANDLERS
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.migrate import migrate
from mainspring.store.postgres.texts import TEXTS as POSTGRES_TEXTS
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.texts import TEXTS as SQLITE_TEXTS
from tests.postgres_plans import plan_of

_HISTORY = """
insert into runs (id, automation, kind, version, state, queue, place, created_at, finished_at, changed_at, claim, fresh, codec, input,
                  trigger)
select 'old-' || n, 'a' || n % 50, 'task', 1, 'succeeded', 'default', n, n, n, n, 1, 0, 'json', '[]', 'test'
from generate_series(1, 20000) as n;
insert into rollups (session, automation, minute_at, started, succeeded)
select 0, 'a' || n % 50, n * 60000, 1, 1 from generate_series(1, 20000) as n;
insert into rollup_details (session, automation, minute_at, what, n)
select 0, 'a' || n % 50, n * 60000, 'ms<=2^5', 1 from generate_series(1, 20000) as n;
insert into slots (schedule, slot_at, verdict, run, made_at)
select 'a' || n % 50, n * 60000, 'run', 'old-' || n, n from generate_series(1, 20000) as n
"""
_LARGE = ("runs", "rollups", "rollup_details", "slots")
_PARAMS = {
    "watch_waiting": (0, 1),
    "watch_ends": ("[]", 1),
    "watch_gaps": ("[]", 1),
    "watch_durations": ("[]", 0, 1),
    "watch_busiest": ("[]", 0, 1),
    "watch_sizes": ("[]", 0, 1),
    "watch_slots": ("[]", 0, 1, 1),
    "watch_started": ("[]", 0),
    "watch_ended": (0,),
    "watch_arrived": ("r", 1),
    "watch_queue_ends": (0, 1),
    "watch_questions": (1,),
    "watch_successes": (),
    "watch_running": (),
    "watch_schedules": (),
    "watch_schedules_of": ("[]",),
    "watch_successes_of": ("[]",),
    "watch_running_of": ("[]",),
    "list_run_marks": ("[]", 1),
    "sum_rollups_of": ("[]", 0, 1),
    "sum_details_of": ("a", 0, 1),
    "list_hours": ("a", 0),
    "list_hours_took": ("a", 0),
    "list_irregular_slots": ("[]", 0, "run", 0, 1),
}


_BY_AUTOMATION = ("sum_rollups_of", "watch_busiest", "watch_durations", "watch_sizes")
"""What sums the figures of some automations over weeks: read by time, those of one would cost what those of all do."""


def test_circumstance_is_compared_with_its_own_subject_first(tmp_path):
    """Ten thousand automations that changed once are no hundred million pairs, within the commit that prunes."""
    database = SqliteDatabase(tmp_path / "s.db", clock=SystemClock(), handlers=HANDLERS)
    connection = apsw.Connection(str(tmp_path / "s.db"))
    plan = [row[3] for row in connection.execute(f"explain query plan {SQLITE_TEXTS['prune_circumstances']}", (0,))]
    searched = [line for line in plan if line.startswith("SEARCH newer")]
    assert searched[0].endswith("(kind=? AND subject=? AND at>?)"), plan
    connection.close()
    database.close()


def test_reads_of_facts_go_by_an_index_on_a_file(tmp_path):
    """No statement walks over all runs, nor over all figures."""
    database = SqliteDatabase(tmp_path / "s.db", clock=SystemClock(), handlers=HANDLERS)
    connection = apsw.Connection(str(tmp_path / "s.db"))
    for name, params in _PARAMS.items():
        plan = [row[3] for row in connection.execute(f"explain query plan {SQLITE_TEXTS[name]}", params)]
        bad = [line for line in plan if line.startswith(tuple(f"SCAN {table}" for table in _LARGE))]
        assert not [line for line in bad if "INDEX" not in line], json.dumps([name, *plan], indent=1)
        if name in _BY_AUTOMATION:
            assert any("(automation=? AND minute_at>? AND minute_at<?)" in line for line in plan), plan
    connection.close()
    database.close()


def test_reads_of_facts_go_by_an_index_on_a_server(postgres):
    """With a history that was counted, as a reader plans it."""
    url = postgres.new_store()
    address = read_address(url)
    with connect(address) as connection:
        migrate(connection, address)
    where, _, schema = url.partition("?schema=")
    with psycopg.connect(
        where, autocommit=True, options=f"-c search_path={schema}", cursor_factory=psycopg.RawCursor
    ) as ours:
        for statement in _HISTORY.split(";"):
            ours.execute(statement)
        ours.execute("analyze")
        ours.execute("set plan_cache_mode = force_generic_plan")
        for name in _PARAMS:
            plan = plan_of(ours, POSTGRES_TEXTS[name])
            bad = [line for line in plan for table in _LARGE if f"Seq Scan on {table}" in line]
            assert not bad, "\n".join([name, *plan])
            if name in _BY_AUTOMATION:
                assert any("_pkey" in line for line in plan), "\n".join([name, *plan])
                assert not any("_minute" in line for line in plan), "\n".join([name, *plan])
