"""Lists of the first pages go by an index: a million runs in the store cost them nothing."""

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
select 'old-' || n, 'a' || n % 50, 'task', 1, 'failed', 'default', n, n, n, n, 1, 0, 'json', '[]', 'test'
from generate_series(1, 20000) as n;
insert into faults (run, automation, fingerprint, state, at)
select 'old-' || n, 'a' || n % 50, 'f' || n % 7, 'failed', n from generate_series(1, 20000) as n;
insert into incidents (id, automation, kind, fingerprint, state, severity, text, facts, since_at, opened_at, changed_at, seen_at,
                       opened, number)
select 'i' || n, 'a' || n % 50, 'silence', 'f' || n, 'resolved', 'page', 't', '{}', n, n, n, n, 1, 1 from generate_series(1, 5000) as n;
insert into incident_moves (incident, move, at) select 'i' || n % 5000, 'open', n from generate_series(1, 20000) as n
"""
_LARGE = ("runs", "faults", "incident_moves")
_PARAMS = {
    "list_newest_runs": ("[]", 50),
    "list_automations_of_runs": ("[]",),
    "list_runs_of_error": ("a", "f", "[]", 50),
    "list_moves_since": (0, 100),
    "count_unattended": (100,),
    "count_failed_since": (0, 100),
}


def test_lists_go_by_an_index_on_a_file(tmp_path):
    """No statement walks over all runs, all failures, or all that ever became of incidents."""
    database = SqliteDatabase(tmp_path / "s.db", clock=SystemClock(), handlers=HANDLERS)
    connection = apsw.Connection(str(tmp_path / "s.db"))
    for name, params in _PARAMS.items():
        plan = [row[3] for row in connection.execute(f"explain query plan {SQLITE_TEXTS[name]}", params)]
        bad = [line for line in plan if line.startswith(tuple(f"SCAN {table}" for table in _LARGE))]
        assert not [line for line in bad if "INDEX" not in line], json.dumps([name, *plan], indent=1)
    plan = [
        row[3]
        for row in connection.execute(
            f"explain query plan {SQLITE_TEXTS['list_incident_page']}", (0, 1, "", None, None, None, None, 1, 50)
        )
    ]
    assert "incidents_changed" in plan[0], plan
    connection.close()
    database.close()


def test_lists_go_by_an_index_on_a_server(postgres):
    """With a history that was counted, as a reader plans it."""
    url = postgres.new_store()
    address = read_address(url)
    with connect(address) as connection:
        migrate(connection, address)
    where, _, schema = url.partition("?schema=")
    with psycopg.connect(where, options=f"-csearch_path={schema} -cplan_cache_mode=force_generic_plan") as connection:
        for statement in _HISTORY.split(";"):
            connection.execute(statement)
        connection.execute("analyze")
        for name in _PARAMS:
            plan = plan_of(connection, POSTGRES_TEXTS[name])
            assert not [line for line in plan if any(f"Seq Scan on {table}" in line for table in _LARGE)], "\n".join(
                [name, *plan]
            )
