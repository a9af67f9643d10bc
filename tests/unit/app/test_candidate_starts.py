"""A program that has several versions of an automation starts runs with the options of the version in force."""

import asyncio

import pytest

import mainspring as ms
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ArgumentError, ConflictError
from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.domain.states import RolloutMove
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.results import RolloutMoved
from mainspring.store.commands.rollouts import MoveRollout, StartRollout
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.sqlite.store import SqliteStore


def declare(*, has_old: bool = True) -> Registry:
    with Registry() as registry:
        if has_old:

            @ms.task(name="order", version=1, queue="slow")
            def order(number: int = 0) -> None: ...

        @ms.task(name="order", version=2, rollout=True, queue="fast", title="New {number}")
        def new_order(number: int = 0, gift: bool = False) -> None: ...

    return registry


@pytest.fixture
def worker(tmp_path):
    """A worker's session on the store."""
    store = SqliteStore(tmp_path / "state.db", clock=SystemClock())
    store.open()
    store.open_session("worker")
    yield store
    store.close()


def announce(worker, registry):
    worker.apply(build_announcement(registry, worker.clock.now()))


def start_rollout(worker, version=2):
    command = StartRollout(
        automation="order", new_version=version, steps=(1_000_000,), hold_ms=1_000, in_flight=InFlightPolicy.FINISH,
        age_ms=1_000, margin=50_000,
    )  # fmt: skip
    assert isinstance(worker.apply(command), RolloutMoved)


def move(worker, move):
    assert isinstance(worker.apply(MoveRollout(automation="order", move=RolloutMove(move))), RolloutMoved)


def start(worker, app, target="order"):
    """Start a run, and return its version, queue and title."""

    async def begin():
        return (await app.start(target, number=7)).id

    view = run_view(worker.reader, asyncio.run(begin()))
    return view.version, view.queue, view.title


@pytest.fixture
def make_app(tmp_path):
    made = []

    def make(registry):
        made.append(ms.App(tmp_path / "state.db", registry=registry))
        return made[-1]

    yield make
    for app in made:
        app.close()


def test_start_has_the_options_of_the_version_in_force(worker, make_app):
    """Those of the old version until the finish, and those of the new one afterwards, whichever function is named."""
    registry = declare()
    announce(worker, registry)
    app = make_app(registry)
    new = registry.get("order", 2)
    assert start(worker, app) == (1, "slow", None)
    assert start(worker, app, new) == (1, "slow", None)
    start_rollout(worker)
    assert start(worker, app) == (2, "slow", None)
    move(worker, "finish")
    assert start(worker, app) == (2, "fast", "New 7")
    assert start(worker, app, new) == (2, "fast", "New 7")


def test_start_by_name_accepts_the_arguments_of_the_version_in_force(worker, make_app):
    """A finish brings its arguments into force, too."""
    registry = declare()
    announce(worker, registry)
    app = make_app(registry)
    with pytest.raises(ArgumentError):
        asyncio.run(app.start("order", number=1, gift=True))
    start_rollout(worker)
    move(worker, "finish")
    assert asyncio.run(app.start("order", number=1, gift=True)).created


def test_start_after_an_abort_has_the_options_of_the_old_version(worker, make_app):
    """The candidate stays in the code."""
    registry = declare()
    announce(worker, registry)
    app = make_app(registry)
    start_rollout(worker)
    move(worker, "abort")
    assert start(worker, app) == (1, "slow", None)


def test_program_with_only_the_candidate_starts_runs_of_the_version_in_force(worker, make_app):
    """The store decides on the version; the old one need not be in the program."""
    announce(worker, declare())
    app = make_app(declare(has_old=False))
    assert start(worker, app)[0] == 1


def test_candidate_without_another_version_is_refused(worker, make_app):
    """The message has what to do."""
    registry = declare(has_old=False)
    announce(worker, registry)
    with pytest.raises(ConflictError, match="version 2 of 'order' waits for a rollout") as refused:
        start(worker, make_app(registry))
    assert "Remove rollout=True" in refused.value.hint
