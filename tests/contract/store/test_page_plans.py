"""What pages of dead letters, bulk acts and the search read goes by an index, however much there is."""

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
select 'r_' || n, 'a' || n % 50, 'task', 1, case when n % 10 = 0 then 'failed' else 'succeeded' end, 'default', n, n, n, n, 1, 0, 'json',
       '[]', 'test' from generate_series(1, 20000) as n;
insert into faults (run, automation, state, at, fingerprint)
select 'r_' || n, 'a' || n % 50, 'failed', n, 'f' || n % 100 from generate_series(1, 20000) as n;
insert into run_keys (automation, key, run, input_hash, state)
select 'a' || n % 50, 'key-' || n, 'r_' || n, 'h', 'succeeded' from generate_series(1, 20000) as n;
insert into automations (name, kind, version, definition, fingerprint, deploy, announced_at)
select 'a' || n, 'task', 1, '{}', 'f', 1, n from generate_series(0, 49) as n;
insert into events (id, name, data, at, keep_until) select 'e_' || n, 'paid', '{}', n, n from generate_series(1, 20000) as n;
insert into deliveries (id, trigger, key, state, received_at, changed_at)
select 'd_' || n, 't' || n % 50, 'k' || n, 'started', n, n from generate_series(1, 20000) as n;
insert into audit_log (seq, at, command, actor, verb, subject, result, prev_hash, hash)
select n, n, 'c_' || n, 'api:bot', 'start', 'run:r_' || n, '{}', 'h', 'h' from generate_series(1, 20000) as n;
insert into bulk_acts (id, verb, state, which, automations, piece, every_ms, actor, total, made_at, changed_at, due_at, ended_at)
select 'c_' || n, 'retry', 'done', '{}', '[]', 100, 0, 'cli:a', 100, n, n, n, n from generate_series(1, 2000) as n;
insert into bulk_parts (bulk, run) select 'c_' || n % 2000, 'r_' || n from generate_series(1, 20000) as n
"""
_LARGE = ("runs", "faults", "later", "run_keys", "events", "deliveries", "bulk_acts", "bulk_parts", "audit_log")
_PARAMS = {
    "count_standing_of_error": ("a", "f", 1, None),
    "list_standing_of_error": ("a", "f", 1, 1, None),
    "list_standing_among": ("[]",),
    "list_failures_of": ("[]",),
    "list_runs_from": ("r", "s", 1),
    "list_automations_with_key": ("k", "l", 1),
    "list_runs_of_key": ("a", "k", "l", 1),
    "list_events_from": ("e", "f", 1),
    "list_deliveries_from": ("d", "e", 1),
    "list_due_bulk_acts": (1,),
    "list_running_bulk_acts": (1,),
    "list_bulk_acts": (1, 1),
    "list_bulk_todo": ("c", "", 1),
    "list_bulk_parts": ("c", "", 1),
    "list_bulk_refused": ("c", "", 1),
    "list_audit_of_doors": (1, 1, "[]", 1),
}


def test_reads_of_pages_go_by_an_index_on_a_file(tmp_path):
    """No statement walks over a whole table."""
    database = SqliteDatabase(tmp_path / "s.db", clock=SystemClock(), handlers=HANDLERS)
    connection = apsw.Connection(str(tmp_path / "s.db"))
    for name, params in _PARAMS.items():
        plan = [row[3] for row in connection.execute(f"explain query plan {SQLITE_TEXTS[name]}", params)]
        bad = [line for line in plan if line.startswith(tuple(f"SCAN {table}" for table in _LARGE))]
        assert not [line for line in bad if "INDEX" not in line], json.dumps([name, *plan], indent=1)
    connection.close()
    database.close()


def test_reads_of_pages_go_by_an_index_on_a_server(postgres):
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
