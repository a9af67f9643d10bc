"""Histories are read in bulk: each run gets its own, in the order asked for, and no more at once than fits."""

from mainspring.domain.states import AttemptState, OutcomeState
from mainspring.store.commands.journal import SaveAttempt, SaveCheckpoint
from mainspring.store.commands.runs import ReopenRun
from tests.contract.store.process import fail, outcome, signal


def tried(run, ident, number):
    return SaveAttempt(
        run.id, run.claim, ident, ident, run.generation, number, AttemptState.FAILED, number, 5, run.automation
    )


def test_each_run_gets_its_own_history_in_the_order_requested(store):
    """Outcomes by rank, failures of what is still open, checkpoints and facts: of each run its own."""
    full, bare, other = store.begin(), store.begin(), store.begin()
    store.do(
        outcome(full, 1),
        outcome(other, 1, "x"),
        outcome(full, 2, output=b'"second"'),
        tried(full, "s2", 1),
        tried(full, "s3", 1),
        tried(full, "s3", 2),
        tried(other, "y", 1),
        SaveCheckpoint(full.id, full.claim, "s3", b"5", 1, 10),
        SaveCheckpoint(other.id, other.claim, "y", b"6", None, None),
    )
    store.do(signal(full.id, "one"), signal(other.id), signal(full.id, "two"))
    of_other, of_full, of_bare = store.engine_reads.histories([other.id, full.id, bare.id])
    assert [(o.rank, o.ident, o.output) for o in of_full.outcomes] == [(1, "s1", b"1"), (2, "s2", b'"second"')]
    assert [(a.ident, a.attempt) for a in of_full.attempts] == [("s3", 1), ("s3", 2)]
    assert [(c.ident, c.value, c.done, c.total) for c in of_full.checkpoints.values()] == [("s3", b"5", 1, 10)]
    assert [(fact.run, fact.source) for fact in of_full.facts] == [(full.id, "one"), (full.id, "two")]
    assert [o.ident for o in of_other.outcomes] == ["x"]
    assert [a.ident for a in of_other.attempts] == ["y"]
    assert [c.value for c in of_other.checkpoints.values()] == [b"6"]
    assert [fact.run for fact in of_other.facts] == [other.id]
    assert (of_bare.outcomes, of_bare.attempts, of_bare.checkpoints, of_bare.facts) == ([], [], {}, [])


def test_histories_hold_what_no_longer_counts_apart(store):
    """What a generation superseded stands beside what counts, also among others."""
    failed, plain = store.begin(), store.begin()
    store.do(outcome(failed, 1), outcome(failed, 2, "bad", state=OutcomeState.FAILED), outcome(plain, 1))
    store.do(fail(failed, "bad"))
    store.do(ReopenRun(failed.id))
    of_plain, of_failed = store.engine_reads.histories([plain.id, failed.id])
    assert [o.ident for o in of_failed.outcomes] == ["s1"]
    assert [o.ident for o in of_failed.superseded] == ["bad"]
    assert of_plain.superseded == []


def test_histories_end_where_enough_is_in_memory_but_hold_one(store):
    """Values of 1,000 bytes each: a bound of one byte gives one run, of 2,500 bytes those up to it, and asking again the rest."""
    runs = [store.begin() for _ in range(5)]
    store.do(*(outcome(run, 1, output=b"1" * 1_000) for run in runs))
    ids = [run.id for run in runs]
    assert len(store.engine_reads.histories(ids, about_bytes=1)) == 1
    some = store.engine_reads.histories(ids, about_bytes=2_500)
    assert 1 < len(some) < 5
    rest = store.engine_reads.histories(ids[len(some) :])
    assert [len(history.outcomes) for history in some + rest] == [1] * 5
