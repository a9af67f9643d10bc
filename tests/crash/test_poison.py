"""Runs that take their worker down are set apart, those that shared its fate continue; whatever else is killed sets no one apart."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainspring.domain.processes.crash_blame import CRASH_LIMIT
from mainspring.domain.processes.worker_loss import UNEXPLAINED_LIMIT, LossDetection
from mainspring.domain.states import FailureReason, RunState, SessionState
from tests.crash.experiments import World
from tests.crash.scenarios import ALL
from tests.crash.supervised import Supervised
from tests.sampling import sample

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def supervised(world: World, request: pytest.FixtureRequest) -> Iterator[Supervised]:
    made = Supervised(world, **getattr(request, "param", {}))
    yield made
    made.close()


def start_steady(supervised: Supervised, count: int) -> None:
    """Start so many harmless runs."""
    for n in range(count):
        supervised.client.start("steady", b'{"n":%d}' % n, f"start-{n}")


_ENDS = {
    "exit1": "exit 1",
    "exit0": "exit 0",
    "exit75": "exit 75",
    "sigterm": "SIGTERM without a request to stop",
    "segfault": "SIGSEGV",
}


@pytest.mark.parametrize("experiment", range(10 if ALL else 1))
@pytest.mark.parametrize("method", sample("deaths of a worker", [*_ENDS], one_in=2))
def test_only_poison_is_quarantined(supervised: Supervised, method: str, experiment: int) -> None:
    """Of 64 runs in flight one ends its worker, however that looks: exactly that one needs attention, until a person says again."""
    poison = supervised.client.start("poison", b'{"method":"%s"}' % method.encode(), "poison")
    start_steady(supervised, 63)
    supervised.start(hold=f"{supervised.name}-gate")
    supervised.until_called(64)
    supervised.effects.release(f"{supervised.name}-gate")
    supervised.until(lambda: not supervised.unfinished(), within=150)  # each drain lasts two seconds
    view = supervised.client.view(poison)
    assert supervised.states() == {("steady", RunState.SUCCEEDED): 63, ("poison", RunState.NEEDS_ATTENTION): 1}
    assert view.reason == FailureReason.CRASHES_WORKER
    assert view.failure is not None
    assert view.failure.headline.startswith(f"crashes worker: {_ENDS[method]}")
    losses = supervised.client.history(poison).losses
    assert losses[0].ending == _ENDS[method]
    assert losses[0].noticed == (LossDetection.OWN_REPORT if method == "sigterm" else LossDetection.CRASH)
    assert all(loss.role in ("worker", "probation") and loss.hostname and loss.pid for loss in losses)
    assert losses[0].resumed_at is None
    assert all(loss.resumed_role in ("worker", "probation") for loss in losses[1:])
    assert view.crashes >= CRASH_LIMIT  # more where this machine is so slow that other processes die too
    assert supervised.client.rows("select count(*) from runs where crashes > 0") == [(1,)]
    assert supervised.doubled() == []
    supervised.client.retry(poison)
    assert supervised.client.rows("select crashes, drains, probation from runs where id = ?", poison) == [(0, 0, 0)]
    assert supervised.stop() == 0


@pytest.mark.timeout(360)  # the later supervisors wait 40 s before they start a probation process
def test_run_that_kills_its_supervisor_too_is_quarantined(supervised: Supervised) -> None:
    """No supervisor survives that could blame it. After a few restarts it needs attention, and all other runs end."""
    poison = supervised.client.start("poison", b'{"method":"tree"}', "poison")
    start_steady(supervised, 20)
    starts = 0
    while supervised.unfinished():
        starts += 1
        assert starts <= UNEXPLAINED_LIMIT + CRASH_LIMIT + 3, supervised.describe()
        supervised.start()
        supervised.until(lambda: not supervised.is_running or not supervised.unfinished(), 120)
        if supervised.unfinished():
            supervised.kill_all()
    assert supervised.states() == {("steady", RunState.SUCCEEDED): 20, ("poison", RunState.NEEDS_ATTENTION): 1}
    failure = supervised.client.view(poison).failure
    assert failure is not None
    assert failure.headline == "crashes worker: it died with its supervisor in step deadly"
    assert starts > UNEXPLAINED_LIMIT + 1
    assert supervised.doubled() == []
    assert supervised.stop() == 0


@pytest.mark.timeout(360)  # a supervisor with a worker a round: on a busy machine 5 s
@pytest.mark.parametrize("supervised", [{"concurrency": 8}], indirect=True)
def test_killing_everything_quarantines_nothing(supervised: Supervised) -> None:
    """Many kills of supervisor, worker and children under load: everything ends, nothing twice, no one is blamed."""
    for n in range(4):
        supervised.client.start("offspring", command=f"offspring-{n}")
    start_steady(supervised, 300)
    for round_ in range(20 if ALL else 6):
        seen = supervised.called()
        supervised.start()
        supervised.until_called(seen + 8)
        if round_ % 2:
            supervised.kill_all()
        else:
            # Only the two: what a worker started must die with it, without anyone's help.
            supervised.kill(supervised.supervisor, *supervised.workers())
        supervised.until(lambda: not children_of(supervised), 5)
    supervised.start()
    supervised.until(lambda: not supervised.unfinished(), 120)  # it may wait 32 s before it starts a probation process
    assert supervised.states() == {("steady", RunState.SUCCEEDED): 300, ("offspring", RunState.SUCCEEDED): 4}
    assert supervised.client.rows("select id from runs where crashes > 0 or probation > 0") == []
    assert supervised.doubled() == []
    assert supervised.stop() == 0
    assert supervised.processes() == []


def children_of(supervised: Supervised) -> list[str]:
    """Return the command lines of what is left of us; a script's own children are left to the takeover."""
    found = []
    for pid in supervised.processes():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "mainspring" in words:
            found.append(words)
    return found


def test_killing_the_worker_quarantines_nothing(supervised: Supervised) -> None:
    """Five kills of the worker alone, by someone else: its runs go through probation and end, none is blamed."""
    start_steady(supervised, 200)
    supervised.start()
    for _ in range(5):
        supervised.until(supervised.workers)
        worker = supervised.workers()[0]
        supervised.until_called(supervised.called() + 8)
        supervised.kill(worker)
        supervised.wait_until_ended(worker)
    supervised.until(lambda: not supervised.unfinished())
    assert supervised.states() == {("steady", RunState.SUCCEEDED): 200}
    assert supervised.doubled() == []
    assert supervised.stop() == 0


def test_worker_drains_when_its_supervisor_dies(supervised: Supervised) -> None:
    """A worker whose supervisor was killed gives its runs back in order and ends; the next supervisor continues with them."""
    start_steady(supervised, 100)
    supervised.start()
    supervised.until_called(20)
    (worker,) = supervised.workers()
    supervised.kill(supervised.supervisor)
    supervised.until(lambda: not supervised.processes(), 15)
    assert supervised.client.rows("select state from sessions where pid = ?", worker) == [(SessionState.CLOSED,)]
    supervised.start()
    supervised.until(lambda: not supervised.unfinished())
    assert supervised.states() == {("steady", RunState.SUCCEEDED): 100}
    assert supervised.client.rows("select id from runs where crashes > 0") == []
    assert supervised.doubled() == []
    assert supervised.stop() == 0


def test_stop_signal_ends_everything(supervised: Supervised) -> None:
    """SIGTERM to the supervisor: the worker drains, nothing of ours is left, and the runs are as they were."""
    start_steady(supervised, 50)
    supervised.start()
    supervised.until_called(10)
    os.kill(supervised.supervisor, signal.SIGTERM)
    assert supervised.stop() == 0
    assert supervised.processes() == []
    assert supervised.client.rows("select count(*) from runs where state = 'running'") == [(0,)]
    supervised.start()
    supervised.until(lambda: not supervised.unfinished())
    assert supervised.doubled() == []
