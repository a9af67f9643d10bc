"""The mover of runs with a real store and a real process for the replays."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mainspring.app.deploy import run_mover
from mainspring.app.deploy.run_mover import RunMover
from mainspring.app.replay.replay_protocol import ReplaySpec
from mainspring.domain.clock import SystemClock
from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.domain.states import RolloutMove
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.insight.rollouts.rollout_view import read_rollout_views
from mainspring.store.commands.rollouts import MoveRollout, StartRollout
from mainspring.store.commands.runs import StartRun
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.read.status.status import audit_rows
from tests.crash.stores import open_store

CODE = """
import mainspring as ms

@ms.workflow
async def order(run: ms.Run, number: int) -> int:
    return number

@ms.workflow(name="order", version=2, rollout=True)
async def order_v2(run: ms.Run, number: int | str) -> int | str:
    return number

@ms.workflow(name="order", version=3, rollout=True)
async def order_v3(run: ms.Run, number: int) -> int:
    return number
"""
ALL = 1_000_000


class Site:
    """A worker that has the versions of `order`; none of its runs is claimed."""

    def __init__(self, folder: Path) -> None:
        (folder / "work.py").write_text(CODE)
        (folder / "mainspring.toml").write_text('[project]\nautomations = ["work.py"]\n')
        self.store: ProcessStore = open_store(str(folder / "state.db"), SystemClock())
        self.store.open()
        self.store.open_session("worker")
        registry = Registry.load(["work.py"], folder)
        self.store.apply(build_announcement(registry, self.store.clock.now(), PLAIN_SEALING))
        spec = ReplaySpec({}, str(folder / "mainspring.toml"), ())
        self.mover = RunMover(self.store, PLAIN_SEALING, registry, spec)

    def start_rollout(self, version: int) -> None:
        """Start one that gives the version all new runs."""
        plan: dict[str, Any] = {"steps": (ALL,), "hold_ms": 3_600_000, "age_ms": 1_000, "margin": 50_000}
        policy = InFlightPolicy.MOVE
        self.store.apply(StartRollout(automation="order", new_version=version, in_flight=policy, **plan))

    def move_rollout(self, move: RolloutMove) -> None:
        """Move the last rollout."""
        self.store.apply(MoveRollout(automation="order", move=move))

    def start(self, run: str, **arguments: Any) -> None:
        """Start a run."""
        data = msgspec.json.encode(arguments)
        values: dict[str, Any] = {"kind": "workflow", "version": 1, "codec": "json", "trigger": "test"}
        self.store.apply(StartRun(id=run, automation="order", input=data, **values))

    def versions(self, *runs: str) -> list[int]:
        """Return the versions of runs."""
        return [run_view(self.store.reader, run).version for run in runs]


@pytest.fixture
def site(tmp_path: Path) -> Any:
    made = Site(tmp_path)
    yield made
    made.store.close()


def test_run_moves_although_more_runs_than_a_page_cannot(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that the old code cannot continue stay, and keep no later run from its move."""
    monkeypatch.setattr(run_mover, "_PAGE", 1)
    site.start_rollout(2)
    site.start("r1", number="one")
    site.start("r2", number="two")
    site.start("r3", number=3)
    site.move_rollout(RolloutMove.ABORT)
    for _ in range(3):
        site.mover.run_once()
    assert site.versions("r1", "r2", "r3") == [2, 2, 1]
    (row,) = (row for row in audit_rows(site.store.reader) if row.subject == "run:r3")
    assert (row.actor, row.verb, row.reason) == ("worker:rollouts", "move to another version", "rollout 1 is aborted")
    (view,) = read_rollout_views(site.store.reader, site.store.clock.now(), "UTC", "order")
    assert view.moved == 1


def test_runs_move_back_while_the_next_rollout_is_in_progress(site: Site) -> None:
    """They do not move any more when another version than their old one is in force."""
    site.start_rollout(2)
    site.start("r1", number=1)
    site.move_rollout(RolloutMove.ABORT)
    site.start_rollout(3)
    site.mover.run_once()
    assert site.versions("r1") == [1]


def test_runs_stay_when_their_old_version_is_no_longer_in_force(site: Site) -> None:
    """No one keeps the code of that version for new runs."""
    site.start_rollout(2)
    site.start("r1", number=1)
    site.move_rollout(RolloutMove.ABORT)
    site.start_rollout(3)
    site.move_rollout(RolloutMove.FINISH)
    site.mover.run_once()
    assert site.versions("r1") == [2]
