"""What arrived long ago costs nothing: every statement about what is undecided goes by an index, before and after a history was counted."""

import json
import re

import apsw
import psycopg
import pytest

from mainspring.domain.clock import SystemClock
from mainspring.store.handlers.table import HANDLERS
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.migrate import migrate
from mainspring.store.postgres.texts import TEXTS as POSTGRES_TEXTS
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.texts import TEXTS as SQLITE_TEXTS
from tests.postgres_plans import plan_of

HOT = (
    *(
        "find_delivery",
        "read_delivery_state",
        "settle_delivery",
        "count_held",
        "drop_held",
        "hasten_held",
        "postpone_held",
    ),
    *("list_waiting_triggers", "list_received", "list_due_groups", "next_held", "list_held", "start_deliveries"),
    *("list_complete_gatherings", "list_gathered", "read_gathering", "list_listeners", "read_pace"),
    *("list_events_of", "list_ends_of", "list_prunable_deliveries", "list_prunable_events", "trim_refused"),
    *("show_event", "list_events_by_name", "show_delivery", "list_runs_given"),
)
BIG = ("deliveries", "gathered", "gatherings", "paces", "events", "runs", "facts_taken")
_ROWS = """
insert into deliveries (id, trigger, key, state, body, by_key, received_at, changed_at)
select 'd' || n, 'a/hook', 'k' || n, case when n % 50 = 0 then 'failed' else 'started' end, '{}', '', n, n from numbers;
insert into events (id, name, data, at, keep_until) select 'e' || n, 'paid', '{}', n, n + 1000000 from numbers;
insert into facts_taken (run, kind, source) select 'r' || n, 'event', 'e' || n from numbers;
insert into paces (trigger, by_key, keep_until) select 'a/hook', 'k' || n, n from numbers;
insert into gatherings (trigger, per, wanted, here, deadline_at, run, changed_at) select 'b/runs', 'k' || n, 2, 2, n, 'r', n from numbers;
insert into gathered (trigger, per, automation, run, state, counts, delivery, at)
select 'b/runs', 'k' || n, 'a', 'r', 'succeeded', 1, 'd' || n, n from numbers
"""
MANY = 20_000


@pytest.mark.parametrize("counted", [False, True], ids=["uncounted", "counted"])
def test_what_is_undecided_is_found_by_an_index_on_a_file(tmp_path, counted):
    """No statement walks over all deliveries."""
    SqliteDatabase(tmp_path / "s.db", clock=SystemClock(), handlers=HANDLERS).close()
    connection = apsw.Connection(str(tmp_path / "s.db"))
    if counted:
        numbers = f"with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {MANY}) "
        for statement in _ROWS.replace("'{}'", "x'7b7d'").split(";"):
            connection.execute(
                re.sub(r"(?s)(insert into .*?\))\s*(select)", rf"\1 {numbers} \2", statement.strip(), count=1)
            )
        connection.execute("analyze")
    for name in HOT:
        text = SQLITE_TEXTS[name]
        count = max(map(int, re.findall(r"\?(\d+)", text)), default=text.count("?"))
        plan = [row[3] for row in connection.execute(f"explain query plan {text}", (None,) * count)]
        bad = [line for line in plan if re.match(rf"SCAN ({'|'.join(BIG)})\b(?!.* USING )", line)]
        assert not bad, f"{name}: {json.dumps(plan, indent=1)}"
        if name == "list_due_groups":
            assert "USING INDEX deliveries_due" in plan[0], "what is held and not due is not walked over"
        if name == "trim_refused":
            assert all("INDEX deliveries_refused" in line for line in plan if "SEARCH" in line), (
                "only what was refused is looked at"
            )
    connection.close()


@pytest.fixture
def server(postgres):
    """A connection of a reader to an empty store."""
    url = postgres.new_store()
    address = read_address(url)
    with connect(address) as connection:
        migrate(connection, address)
    where, _, schema = url.partition("?schema=")
    with psycopg.connect(
        where, autocommit=True, options=f"-c search_path={schema}", cursor_factory=psycopg.RawCursor
    ) as ours:
        ours.execute("set plan_cache_mode = force_generic_plan")
        yield ours


def test_what_is_undecided_is_found_by_an_index_on_a_server(server):
    """With a history that was counted."""
    for statement in _ROWS.split(";"):
        server.execute(statement.replace("from numbers", f"from generate_series(1, {MANY}) as n").encode())
    server.execute("analyze")
    for name in (*HOT, "settle_deliveries"):
        plan = plan_of(server, POSTGRES_TEXTS[name])
        assert not [
            line for line in plan if re.search(rf"Seq Scan on ({'|'.join((*BIG[:4], 'facts_taken'))})\b", line)
        ], "\n".join([name, *plan])
        if name == "trim_refused":
            assert "deliveries_refused" in "".join(plan), "only what was refused is looked at"
