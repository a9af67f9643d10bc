"""Reads of measurements find the rows of a run by its id, however many other runs have measured."""

from tests.contract.store.plans import check_no_walk, plans_on_a_file, plans_on_a_server

_READS = {"list_measurements_of_run": ("r1",), "list_last_measurements": ("a", 1, 200)}
_TABLES = ("measurements", "journal", "runs")
_HISTORY = """
insert into runs (id, automation, kind, version, state, queue, place, created_at, finished_at, changed_at, claim, fresh, codec, input,
                  trigger, parent)
select 'r' || n, 'a' || n % 50, 'task', 1, 'succeeded', 'default', n, n, n, n, 1, 0, 'json', INPUT, 'test', 'r' || n / 2 from NUMBERS;
insert into journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, started_at, at, duration_us)
select 'r' || n, 1, 's#1', 's', 'step', 'succeeded', 1, 1, 0, 1, n, n, 1 from NUMBERS;
insert into measurements (run, rank, numbers) select 'r' || n, 1, '{}' from NUMBERS
"""
_OF_FILE = "(with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 20000) select n from numbers)"
_OF_SERVER = "generate_series(1, 200000) as n"


def test_reads_of_measurements_walk_over_no_table_of_a_file(tmp_path):
    """The count of a rollout reads them inside a write transaction, for each run."""
    with plans_on_a_file(tmp_path, _HISTORY.replace("NUMBERS", _OF_FILE).replace("INPUT", "x'5b5d'")) as plans:
        check_no_walk(plans, _READS, _TABLES)


def test_count_of_a_rollout_walks_over_no_table_of_a_server(postgres):
    """With fewer rows, a server may read a whole table, because that is faster."""
    with plans_on_a_server(postgres, _HISTORY.replace("NUMBERS", _OF_SERVER).replace("INPUT", "'[]'")) as plans:
        check_no_walk(plans, {"list_measurements_of_run": ("r1",)}, _TABLES)
