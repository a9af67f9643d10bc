"""Ranks and parts of what a fork inherits."""

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.runs.fork_origin import (
    ForkOrigin,
    InheritedPart,
    find_rank_ranges,
    make_parts,
    read_fork_origin,
)

RANKS = st.sets(st.integers(1, 60)).map(sorted)


@given(RANKS)
def test_ranges_renumber_ranks_from_one_without_gaps(ranks):
    """Each rank once, in order."""
    ranges = find_rank_ranges(ranks)
    found = [rank - part.shift for part in ranges for rank in range(part.first, part.last + 1)]
    assert found == list(range(1, len(ranks) + 1))
    assert [rank for part in ranges for rank in range(part.first, part.last + 1)] == ranks


@given(RANKS, st.integers(0, 60))
def test_parts_name_the_run_of_each_outcome(ranks, inherited):
    """Those that the source itself had inherited keep their run."""
    parts = (InheritedPart(inherited, "first", 1),) if inherited else ()
    made = make_parts(ForkOrigin("zero", "s", parts), "second", 2, ranks)
    origin = ForkOrigin("second", "s", made)
    assert origin.last_rank == len(ranks)
    for number, rank in enumerate(ranks, 1):
        part = origin.find_part(number - 1)
        assert (part.run, part.started_at) == (("first", 1) if rank <= inherited else ("second", 2))
    assert origin.find_part(len(ranks)) is None


def test_origin_is_read_as_it_was_written():
    """Also none."""
    origin = ForkOrigin("r_1", "s#1", (InheritedPart(2, "r_0", 5), InheritedPart(3, "r_1", 9)))
    assert read_fork_origin(origin.write()) == origin
    assert read_fork_origin(None) is None


@given(RANKS, st.integers(0, 60))
def test_origin_that_is_cut_names_the_same_runs_up_to_there(ranks, last_rank):
    """Outcomes after it no longer count."""
    origin = ForkOrigin("b", "s", make_parts(ForkOrigin("a", "s", (InheritedPart(9, "a", 1),)), "b", 2, ranks))
    cut = origin.cut(last_rank)
    assert cut.last_rank == min(origin.last_rank, last_rank)
    assert [cut.find_part(rank).run for rank in range(cut.last_rank)] == [
        origin.find_part(rank).run for rank in range(cut.last_rank)
    ]
