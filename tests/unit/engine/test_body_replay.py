"""The same history gives the same outcomes and the same requests, whatever the order was in which things came to an end."""

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mainspring.domain.errors import MiddlewareError
from mainspring.domain.states import OutcomeState
from mainspring.engine.body.body import Body
from tests.unit.engine.body_programs import PROGRAMS, main_of
from tests.unit.engine.body_world import Life, World, new_body

# What a body had only just made when it ended or was unloaded is never begun.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SEEDS = st.integers(0, 2**32)
STARTED_AGAIN = frozenset({OutcomeState.SUCCEEDED, OutcomeState.FAILED, OutcomeState.CANCELLED})


@given(node=PROGRAMS, seed=SEEDS)
@settings(max_examples=150)
def test_a_replay_displays_the_same_as_the_life_it_repeats(node, seed):
    """Trace, requests (with the due times of timers) and end are the same, and nothing is executed."""
    lived = World(seed).live(main_of(node))
    again = World(seed + 1, stops=False).live(main_of(node), lived.journal)
    assert again.trace == lived.trace
    assert again.requested == lived.requested
    assert again.end == lived.end
    assert not again.executed
    assert not again.body.unclaimed
    assert again.journal == lived.journal
    assert (again.body.streams.counts, again.body.streams.retained) == (
        lived.body.streams.counts,
        lived.body.streams.retained,
    )


@given(node=PROGRAMS, seed=SEEDS, other=SEEDS)
@settings(max_examples=60)
def test_a_run_cut_anywhere_continues_without_repeating_a_committed_step(node, seed, other):
    """For each prefix of the journal: what it holds is not executed again, what it showed is shown again, and the run ends."""
    main = main_of(node)
    lived = World(seed).live(main)
    length = len(lived.journal)
    for cut in range(0, length + 1, max(1, length // 12)):
        journal = lived.journal[:cut]
        again = World(other + cut).live(main, journal)
        _same_until(lived, again, cut)
        committed = {o.ident for o in journal if o.state in STARTED_AGAIN}
        assert not committed & set(again.executed)
        assert max(again.executed.values(), default=1) == 1
        assert again.end not in ("waits", "stuck")
        assert again.journal[:cut] == journal


@given(node=PROGRAMS, seed=SEEDS)
@settings(max_examples=40)
def test_a_twice_continued_run_can_be_replayed(node, seed):
    """A journal written by three lives, each cut short, is one history: its replay shows what the last life showed."""
    main = main_of(node)
    first = World(seed).live(main)
    second = World(seed + 1).live(main, first.journal[: len(first.journal) // 2])
    third = World(seed + 2).live(main, second.journal[: len(second.journal) * 2 // 3])
    again = World(seed + 3, stops=False).live(main, third.journal)
    assert (again.trace, again.requested, again.end) == (third.trace, third.requested, third.end)
    assert not again.executed


@given(node=PROGRAMS, seed=SEEDS, other=SEEDS, place=st.integers(0, 30))
@settings(max_examples=100)
def test_fork_inherits_what_was_requested_before_any_request(node, seed, other, place):
    """It executes nothing of that again, ends, and can be replayed; `run.uuid` and others are in tests/acceptance/test_engine_forks.py."""
    main = main_of(node)
    source = World(seed, stops=False).live(main)
    numbers = sorted({o.request_number for o in source.journal})
    number = numbers[place % len(numbers)] if numbers else 0
    inherited = [o for o in source.journal if o.request_number < number]
    journal = [replace(outcome, rank=rank) for rank, outcome in enumerate(inherited, 1)]
    fork = World(other, stops=False, inherited=len(journal)).live(main, journal)
    assert fork.end not in ("waits", "stuck")
    assert not {o.ident for o in journal if o.state in STARTED_AGAIN} & set(fork.executed)
    assert fork.journal[: len(journal)] == journal
    again = World(other + 1, stops=False, inherited=len(journal)).live(main, fork.journal)
    assert (again.trace, again.requested, again.end) == (fork.trace, fork.requested, fork.end)
    assert not again.executed
    assert not again.body.drift


class Curious:
    """A middleware that yields, swallows refused requests, and gives back what the run returned or raised."""

    async def around_run(self, run: Any, proceed: Any) -> Any:
        await asyncio.sleep(0)
        for request in (lambda: asyncio.sleep(1), lambda: asyncio.create_task(asyncio.sleep(0))):
            with contextlib.suppress(MiddlewareError):
                await request()
        run.now()
        try:
            return await proceed()
        finally:
            with contextlib.suppress(MiddlewareError):
                asyncio.get_running_loop().call_later(1, print)


@given(node=PROGRAMS, seed=SEEDS, other=SEEDS)
@settings(max_examples=60)
def test_middleware_changes_neither_a_life_nor_its_replay(node, seed, other):
    """With it the same world shows the same trace, requests and journal; a run cut anywhere continues with or without it."""
    main, middleware = main_of(node), [Curious(), Curious()]
    plain = World(seed).live(main)
    lived = World(seed, middleware=middleware).live(main)
    assert (lived.trace, lived.requested, lived.end) == (plain.trace, plain.requested, plain.end)
    assert lived.journal == plain.journal
    length = len(plain.journal)
    for cut in range(0, length + 1, max(1, length // 6)):
        journal = plain.journal[:cut]
        again = World(other + cut, middleware=middleware if cut % 2 else ()).live(main, journal)
        _same_until(lived, again, cut)
        assert again.end not in ("waits", "stuck")


@given(node=PROGRAMS, seed=SEEDS, at=st.integers(0, 30))
@settings(max_examples=40)
def test_unloading_a_body_with_middleware_requests_nothing(node, seed, at):
    """The middleware is closed with the body, and holds no task."""
    main = main_of(node)
    lived = World(seed).live(main)
    life = Life(lived.journal[: min(at, len(lived.journal))])
    body = new_body(main, life.journal, life, [Curious()])
    body.begin()
    body.new.clear()
    request_count = len(life.requested)
    body.close()
    assert len(life.requested) == request_count
    assert not body.new
    assert not body.waiting
    assert not body.loop.tasks


@given(node=PROGRAMS, seed=SEEDS, at=st.integers(0, 30))
@settings(max_examples=60)
def test_unloading_requests_nothing(node, seed, at):
    """A body that is unloaded anywhere runs its finally blocks, but no request comes of it and it holds no task any more."""
    world = World(seed)
    main = main_of(node)
    lived = world.live(main)
    journal = lived.journal[: min(at, len(lived.journal))]
    life = Life(list(journal))
    body = new_body(main, journal, life)
    body.begin()
    body.new.clear()
    request_count = len(life.requested)
    body.close()
    assert len(life.requested) == request_count
    assert not body.new
    assert not body.waiting
    assert not body.loop.tasks


def test_history_handed_over_in_another_order_is_noticed(monkeypatch):
    """These properties can fail: a body that takes its history in the order of asking shows something else."""
    original = Body.__init__

    def init(self, run_id, generation, main, outcomes, *rest):
        original(self, run_id, generation, main, sorted(outcomes, key=lambda o: o.request_number), *rest)

    main = main_of(("completed", [("step", name, False) for name in "abcd"]))
    lives = [World(seed, stops=False).live(main) for seed in range(10)]
    monkeypatch.setattr(Body, "__init__", init)
    again = [World(99, stops=False).live(main, life.journal) for life in lives]
    assert [life.trace for life in again] != [life.trace for life in lives]


def _same_until(lived: Life, again: Life, cut: int) -> None:
    seen, requests = lived.marks[cut]
    assert again.trace[:seen] == lived.trace[:seen]
    assert again.requested[:requests] == lived.requested[:requests]
