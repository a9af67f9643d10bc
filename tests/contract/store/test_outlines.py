"""A run with any number of steps is reported within bounds: what matters first, all of it page by page, by its own rows alone."""

from mainspring.domain.runs.log_chunk import LogChunk
from mainspring.domain.states import AttemptState, OutcomeState
from mainspring.store.commands.journal import SaveAttempt, SaveCheckpoint
from mainspring.store.commands.logs import SaveLogs
from tests.contract.store.plans import check_no_walk, plans_on_a_file, plans_on_a_server
from tests.contract.store.process import BOOM, fail, outcome

READS = {
    "read_journal_outline": ("r", 1, "s"),
    "list_newest_attempts": ("r", 1),
    "list_journal": ("r", 1, 1),
    "list_request_order": ("r", 1),
    "read_step_outcomes": ("r", "s", 1),
    "list_attempts_of_step": ("r", "s", 1),
    "list_last_logs_of": ("r", "s", 1, 1),
}
_HISTORY = """
insert into journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, started_at, at, duration_us)
select 'r' || n % 2000, n, 's' || n, 's', 'step', 'succeeded', n, 1, 0, 1, n, n, n from generate_series(1, 20000) as n;
insert into attempts (run, ident, generation, attempt, name, state, request_number, claim, started_at)
select 'r' || n % 2000, 's' || n, 0, 1, 's', 'failed', n, 1, n from generate_series(1, 20000) as n;
insert into logs (run, seq, ident, attempt, first_at, last_at, lines, size, upto, body)
select 'r' || n % 2000, n, 's', 1, n, n, 1, 1, 1, '' from generate_series(1, 20000) as n
"""
OF_RUNS = ("journal", "attempts", "logs")


def save_many(store):
    """A run of twelve steps that stopped at its fourth; its second ended badly, its third has an undo."""
    run = store.begin()
    marked = {2: {"state": OutcomeState.FAILED, "failure": BOOM}, 3: {"undo": "m:back"}}
    store.do(*(outcome(run, rank, **marked.get(rank, {})) for rank in range(1, 13)))
    store.do(fail(run, "s4", rank=12))
    return run


def test_outline_holds_what_matters_and_the_newest(store):
    """However old that is; values of steps are not in it."""
    run = save_many(store)
    found = store.read("outline", run.id, 2)
    assert [outcome.ident for outcome in found.outcomes] == ["s1", "s2", "s3", "s4", "s11", "s12"]
    assert {(outcome.input, outcome.output) for outcome in found.outcomes} == {(None, None)}
    assert found.outcomes[1].failure == BOOM
    assert found.run == store.run(run.id)
    assert [outcome.rank for outcome in store.read("outline", run.id).outcomes] == list(range(1, 13))


def test_outline_holds_the_newest_attempts(store):
    """In the order in which they were made."""
    run = store.begin()
    attempts = [
        SaveAttempt(
            run=run.id,
            claim=run.claim,
            ident="s1",
            name="s1",
            generation=run.generation,
            attempt=number,
            state=AttemptState.FAILED,
            request_number=1,
            started_at=number,
            automation="a",
            input=b"[1]",
        )
        for number in range(1, 6)
    ]
    store.do(*attempts)
    assert [attempt.attempt for attempt in store.read("outline", run.id, 2).attempts] == [4, 5]
    store.do(SaveCheckpoint(run.id, run.claim, "s1", b"7", 7, 9))
    found = store.read("step", run.id, "s1")
    assert [(attempt.attempt, attempt.input) for attempt in found.attempts] == [(n, b"[1]") for n in range(1, 6)]
    assert (found.checkpoint.value, found.checkpoint.done, found.outcomes) == (b"7", 7, [])


def test_outline_has_no_attempt_of_a_step_whose_outcome_it_leaves_out(store):
    """Such a step is done; its failed attempt alone would look like one after which another comes."""
    run = store.begin()
    for number in range(1, 7):
        failed = SaveAttempt(
            run=run.id,
            claim=run.claim,
            ident=f"s{number}",
            name="s",
            generation=run.generation,
            attempt=1,
            state=AttemptState.FAILED,
            request_number=number,
            started_at=number,
            automation="a",
        )
        store.do(failed)
        if number != 3:
            store.do(outcome(run, number if number < 3 else number - 1, f"s{number}", attempt=2, request_number=number))
    store.do(fail(run, rank=5))
    found = store.read("outline", run.id, 2)
    known = {outcome.ident for outcome in found.outcomes}
    assert known == {"s1", "s5", "s6"}
    assert {attempt.ident for attempt in found.attempts} <= known
    assert [attempt.ident for attempt in store.read("outline", run.id, 10).attempts] == [
        "s1",
        "s2",
        "s3",
        "s4",
        "s5",
        "s6",
    ]


def test_journal_is_read_page_by_page_with_its_values(store):
    """Newest first; the outcomes of one step are found by its identity."""
    run = save_many(store)
    first = store.read("journal", run.id, limit=5)
    rest = store.read("journal", run.id, limit=50, cursor=first[-1].rank)
    assert [outcome_row.rank for outcome_row in (*first, *rest)] == list(range(12, 0, -1))
    assert {outcome_row.output for outcome_row in rest} == {b"1"}
    found = store.read("step", run.id, "s7")
    assert [(outcome.rank, outcome.input) for outcome in found.outcomes] == [(7, b"[]")]
    assert (found.attempts, found.checkpoint) == ([], None)
    assert store.read("step", run.id, "s99").outcomes == []


def test_results_before_each_request_are_known(store):
    """Of what counts."""
    run = store.begin()
    store.do(*(outcome(run, rank, requested_after=rank // 2) for rank in range(1, 6)))
    assert store.read("read_request_order", run.id, 4) == {1: 0, 2: 1, 3: 1, 4: 2}


def test_last_lines_are_read_backwards(store):
    """Of a step or of the whole run; the newest part of all is known without looking for it."""
    assert store.read("newest_part") is None
    run = store.begin()
    parts = [
        LogChunk(ident=f"s{n % 2}", attempt=1, first_at=n, last_at=n, lines=2, size=9, body=b"\x00z")
        for n in range(1, 7)
    ]
    store.do(SaveLogs(run.id, tuple(parts)))
    assert [part.seq for part in store.read("last_parts", run.id, None, 2)] == [9, 11]
    assert [part.seq for part in store.read("last_parts", run.id, None, 9, 9)] == [1, 3, 5, 7]
    assert [part.seq for part in store.read("last_parts", run.id, "s1", 2)] == [5, 9]
    assert store.read("newest_part") == (6, run.id, 13)


def test_reads_of_one_run_touch_no_other_on_a_file(tmp_path):
    """Each table is searched by its key."""
    with plans_on_a_file(tmp_path) as plans:
        for name, params in READS.items():
            found = plans.of(name, params)
            assert not [line for line in found if line.startswith(tuple(f"SCAN {table}" for table in OF_RUNS))], found


def test_reads_of_one_run_touch_no_other_on_a_server(postgres):
    """With a history that was counted, as a reader plans it."""
    with plans_on_a_server(postgres, _HISTORY) as plans:
        check_no_walk(plans, READS, OF_RUNS)
