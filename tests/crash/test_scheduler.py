"""PEERS 1: the scheduler is killed at every statement of its commits, and the schedule continues: nothing doubled, lost, or standing still.

On both databases. TESTS_LONG=1 kills at each point; without it at a share of them, the commits among them.
"""

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.clock import SystemClock
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.service.slot_check import unaccounted
from mainspring.store.commands.schedules import CreateSchedule
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.read.runs.worker_reads import WorkerReads
from tests.crash.effects import ROOT
from tests.crash.experiments import World
from tests.crash.stores import open_store
from tests.polling import polls
from tests.sampling import sample_points

ALL = os.environ.get("TESTS_LONG") == "1"
HOUR = 3_600_000


def declared() -> Registry:
    with Registry() as registry:

        @ms.task(every="1h", misfire="all", overlap="allow", jitter="5m")
        def each() -> None: ...

        @ms.task(every="1h", misfire="all", overlap="replace")
        def newest() -> None: ...

        @ms.task(every="1h", misfire="last", overlap="queue")
        def last() -> None: ...

        @ms.task(every="1h", misfire="none")
        def none() -> None: ...

    return registry


class Template:
    """The process that schedulers are forked from."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.scheduling"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def schedule(self, url: str, die_at: int = 0) -> dict[str, Any]:
        """Let a scheduler work until nothing is due, or until it is killed; return how it ended and what it passed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"url": url, "die_at": die_at}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=10)


@pytest.fixture
def template() -> Iterator[Template]:
    made = Template()
    yield made
    made.close()


class Place:
    """A store of its own, on which four schedules are three hours behind."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.folder: Path = world.fresh()
        self.url = world.urls[self.folder.name]
        self.store = open_store(self.url, SystemClock())
        self.store.open()
        self.started_at = self.store.clock.now()
        self.store.apply(
            build_announcement(Registry(), self.started_at - 4 * HOUR)
        )  # in use: on a new store no interval begins in the past
        self.store.apply(build_announcement(declared(), self.started_at - 3 * HOUR))

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        return self.store.reader.read_text(text)

    def faults(self) -> list[str]:
        """Return what is not as it must be once the scheduler is through."""
        top = self.started_at - self.started_at % HOUR
        expected = [top - n * HOUR for n in (3, 2, 1, 0)]
        errors: list[str] = []
        for name in ("each", "newest", "last", "none"):
            slots = self.rows(f"select slot_at, verdict, run from slots where schedule = '{name}' order by slot_at")
            # an interval begins at once, unless what is late is not made up for
            if [at for at, *_ in slots] != expected[name == "none" :]:
                errors.append(f"{name} has slots {slots}")
            runs = {run for (run,) in self.rows(f"select id from runs where automation = '{name}'")}
            if runs != {run for *_, run in slots if run is not None}:
                errors.append(f"{name} has runs {runs} and slots {slots}")
            (next_at,) = self.rows(f"select next_slot_at from schedules where name = '{name}'")[0]
            if next_at != top + HOUR:
                errors.append(f"{name} goes on at {next_at}")
            made = {"each": 4, "newest": 4, "last": 1, "none": 0}[name]
            if len(runs) != made and not (name == "none" and self.started_at - top <= 60_000):
                errors.append(f"{name} has {len(runs)} runs")
        states = [state for (state,) in self.rows("select state from runs where automation = 'newest' order by seq")]
        if states[:-1] != ["cancelled"] * 3:
            errors.append(f"runs that were replaced are {states}")
        now = self.store.clock.now()
        errors += [f"not accounted for: {slot}" for slot in unaccounted(OperationReads(self.store.reader), 0, now, now)]
        return errors

    def close(self) -> None:
        self.store.close()
        self._world.drop(self.folder)


@pytest.mark.timeout(0 if ALL else 200)
def test_peer_windmill_10168_schedule_continues_wherever_its_scheduler_is_killed(
    world: World, template: Template
) -> None:
    """Killed before each statement and around each commit, the next one makes what is missing, once."""
    undisturbed = Place(world)
    points = template.schedule(undisturbed.url)["points"]
    assert undisturbed.faults() == []
    undisturbed.close()
    assert points > 40, "so few statements prove too little"
    killed, tried = 0, sample_points("statements of a scheduler", points, one_in=40 if world.stores.is_dear else 18)
    for die_at in tried:
        place = Place(world)
        first = template.schedule(place.url, die_at)
        killed += first["code"] == -9
        assert template.schedule(place.url)["code"] == 0
        assert place.faults() == [], f"killed at point {die_at} of {points}"
        place.close()
    print(f"{points} points, {killed} kills")
    assert killed >= len(tried) * (0.8 if ALL else 0.5)


class PlaceOfOneSlot(Place):
    """A store on which a program has created a schedule with one slot, which is due now and which no scheduler has made."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.store.apply(build_announcement(Registry(), self.started_at))  # the four schedules end
        self.slot_at = (self.started_at // 1_000 + 2) * 1_000
        moment = datetime.datetime.fromtimestamp(self.slot_at / 1_000, datetime.UTC).isoformat()
        self.store.apply(CreateSchedule("acme", "each", {"at": [moment], "jitter": "0s"}, None, b"{}", "UTC"))

    def wait_until_due(self) -> None:
        reads = WorkerReads(self.store.reader)
        for _ in polls(20):
            if "acme" in {schedule.name for schedule in reads.due_schedules(self.store.clock.now())}:
                return

    def faults(self) -> list[str]:
        """Return what is not as it must be once the scheduler is through."""
        runs = [run for (run,) in self.rows("select id from runs where schedule = 'acme'")]
        slots = self.rows("select slot_at, verdict, run from slots where schedule = 'acme'")
        return [] if len(runs) == 1 and slots == [(self.slot_at, "run", runs[0])] else [f"{runs} and {slots}"]


@pytest.mark.timeout(0 if ALL else 200)
def test_created_schedule_makes_its_first_slot_although_its_scheduler_is_killed(
    world: World, template: Template
) -> None:
    """Killed at a statement between the creation and the first slot, the next one makes the slot, once."""
    undisturbed = PlaceOfOneSlot(world)
    undisturbed.wait_until_due()
    points = template.schedule(undisturbed.url)["points"]
    assert undisturbed.faults() == []
    undisturbed.close()
    killed = 0
    for die_at in range(1, points + 1, 1 if ALL else max(points // 5, 1)):
        place = PlaceOfOneSlot(world)
        place.wait_until_due()
        killed += template.schedule(place.url, die_at)["code"] == -9
        assert template.schedule(place.url)["code"] == 0
        assert place.faults() == [], f"killed at point {die_at} of {points}"
        place.close()
    assert killed >= 4
