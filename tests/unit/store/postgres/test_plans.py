"""How the server finds the rows of a group: by an index from the first group on, whatever lies in the tables."""

import re

import pytest

from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.postgres.transaction import run
from mainspring.store.write.command_handlers import HANDLERS
from tests.contract.store.clock import FakeClock
from tests.postgres_plans import plan_of

HOT = (
    *("save_outcomes", "save_attempts", "save_checkpoints", "annotate_runs", "suspend_runs", "finish_runs", "complete_runs"),
    *("list_linked_runs", "lock_runs", "list_runs_waited_for", "list_partitions_of"),
    *("consume_facts", "delete_started_attempts_of", "close_waits_of"),
    *("delete_checkpoints_of", "close_waits_of_runs", "set_run_key_states"),
    *("list_ready_groups", "list_candidates", "claim_runs", "list_facts_of_claimed"),
    *("list_due_runs", "list_due_partitions", "find_next_due_time", "find_next_deadline"),
    *("release_overdue_runs", "read_queue", "is_run_owner", "list_free_workers", "list_run_places"),
)  # fmt: skip
BY_ID = (
    *("save_outcome", "save_attempt", "save_checkpoint", "annotate_run", "suspend_run"),
    *("release_run", "halt_run", "finish_run", "is_run_owner", "wake_run"),
    *("save_outcomes", "save_attempts", "save_checkpoints", "annotate_runs"),
    *("suspend_runs", "finish_runs", "list_linked_runs", "lock_runs"),
    *("claim_runs", "make_runs_ready", "clear_probation", "complete_runs", "list_partitions_of"),
)  # fmt: skip
HISTORY = """
insert into runs (id, automation, kind, version, state, queue, place, created_at, finished_at, changed_at, claim, fresh, codec, input,
                  trigger)
select 'old-' || n, 'a', 'task', 1, 'succeeded', 'default', n, n, n, n, 1, 0, 'json', '[]', 'test' from generate_series(1, 2000) as n
"""


@pytest.fixture(scope="module")
def group(postgres):
    """The inside of a group, in a store that has a history no one has counted yet."""
    database = PostgresDatabase(read_address(postgres.new_store()), clock=FakeClock(), handlers=HANDLERS, own_time=True)
    connection = database.connection
    connection.execute("begin")
    run(connection.cursor(), TEXTS["prepare_group"], database._opening)
    connection.execute(HISTORY)
    connection.execute("set local plan_cache_mode = force_generic_plan")
    yield connection
    database.close()


@pytest.mark.parametrize("name", HOT)
def test_hot_statement_goes_by_an_index(group, name):
    """No plan reads a whole table."""
    plan = plan_of(group, TEXTS[name])
    assert not [line for line in plan if "Seq Scan" in line], "\n".join(plan)


@pytest.mark.parametrize("name", BY_ID)
def test_statement_about_named_runs_reads_no_other_run(group, name):
    """Runs that are named are found one by one, however few seemed ready, running or unfinished when the plan was made."""
    plan = plan_of(group, TEXTS[name])
    reads = [
        (line, after)
        for line, after in zip(plan, [*plan[1:], ""], strict=True)
        if re.search(r"(using|Index Scan on) runs_", line)
    ]
    assert reads
    for line, after in reads:
        assert re.search(r"runs_(id_key|pkey|parent)\b", line), "\n".join(plan)
        assert "Index Cond" in after, "\n".join(plan)


@pytest.mark.parametrize("name", BY_ID)
def test_statement_about_named_runs_could_go_by_no_partial_index(group, name):
    """Once many runs were owned their index seemed the shortest way to any of them, and each was looked for among all of those."""
    partial = group.execute(
        "select indexname from pg_indexes where tablename = 'runs' and indexdef like '% WHERE %'"
    ).fetchall()
    group.execute("savepoint whole")
    group.execute("alter table runs drop constraint runs_id_key")
    plan = plan_of(group, TEXTS[name])
    group.execute("rollback to savepoint whole")
    used = {index for (index,) in partial for line in plan if re.search(rf"\b{index}\b", line)} - {"runs_parent"}
    assert not used, "\n".join(plan)
