"""Runs that end their workers, and kills that are no run's fault: who is set apart, by the real store and the real rule.

A fleet of one worker and one probation process lives in virtual time. TESTS_LONG=1 lives 400 trials and 5,000 kills.
"""

import os
import random
from pathlib import Path

import pytest

from mainspring.domain.processes.crash_blame import (
    PROBATION_MS,
    REMEMBERED_LOSSES_MS,
    CrashHistory,
    assign_blame,
    first_probation_ms,
    next_probation_ms,
    probation_wait_ms,
)
from mainspring.domain.states import FailureReason
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.commands.runs import ReopenRun
from mainspring.store.commands.sessions import ClearProbation, CloseSession, DeclareSessionDead
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import SqliteProcess, finish, outcome

ALL = os.environ.get("TESTS_LONG") == "1"
REPEATS = 400 if ALL else 10
KILLS = 5_000 if ALL else 200
TICK_MS = 100
CONCURRENCY = 16
ENDINGS = ("exit 0", "exit 75", "exit 1", "signal", "drain")


class Live:
    """A run as its process knows it."""

    def __init__(self, claimed, now, steps):
        self.claimed = claimed
        self.loaded_at = self.step_at = now
        self.steps = steps
        self.rank = 0
        self.is_cleared = False


class Fleet:
    """A store, a supervisor's rule, and at most one process a role. `poison` = how each of these runs ends its process."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.clock = FakeClock()
        self._path = folder / f"{seed}.db"
        self.observer = self._process("observer")
        self.lives: dict[str, tuple[SqliteProcess, dict[str, Live]]] = {}
        self.poison: dict[str, str] = {}
        self.steps: dict[str, int] = {}
        self.survive_ms = PROBATION_MS
        self.deaths = 0
        self.record = CrashHistory()
        self.probation_from = 0
        self.step_ms = 500

    def _process(self, role: str) -> SqliteProcess:
        process = SqliteProcess(self._path, self.clock)
        process.open(role)
        process.announce("a")
        return process

    def start(self, count: int, way: str | None = None) -> list[str]:
        runs = [self.observer.start().run for _ in range(count)]
        for run in runs:
            self.steps[run] = self.dice.randint(1, 6)
            if way is not None:
                self.poison[run] = way
        return runs

    def tick(self) -> None:
        """Let each process work for a moment; those that died were replaced."""
        self.clock.forward(TICK_MS)
        has_probation_runs = self.observer.reader.read("count_probation_runs")[0][0]
        for role in ("worker", "probation"):
            is_probation_due = has_probation_runs and self.clock.now() >= self.probation_from
            if role not in self.lives and (role == "worker" or is_probation_due):
                self.lives[role] = self._process(role), {}
        for role in list(self.lives):
            self._work(role)

    def _work(self, role: str) -> None:
        process, claimed_runs = self.lives[role]
        now = self.clock.now()
        for run, life in list(claimed_runs.items()):
            if role == "probation" and now - life.loaded_at >= self.survive_ms:
                self._clear(process, life, progressed=False)
            if now - life.step_at < self.step_ms:
                continue
            if run in self.poison:
                self.end(role, self.poison[run], by=run)
                return
            life.step_at, life.rank, life.steps = now, life.rank + 1, life.steps - 1
            process.do(outcome(life.claimed, life.claimed.rank + life.rank))
            self.steps[run] = life.steps
            if life.steps <= 0:
                process.do(finish(life.claimed, rank=life.claimed.rank + life.rank))
                del claimed_runs[run]
            elif role == "probation":
                self._clear(process, life, progressed=True)
        on_probation = sum(not life.is_cleared for life in claimed_runs.values())
        free_slots = 1 - on_probation if role == "probation" else CONCURRENCY - len(claimed_runs)
        if free_slots > 0:
            for claimed in process.claim(free_slots, probation=role == "probation").runs:
                claimed_runs[claimed.id] = Live(claimed, now, self.steps[claimed.id])

    def _clear(self, process: SqliteProcess, life: Live, *, progressed: bool) -> None:
        if not life.is_cleared:
            life.is_cleared = True
            process.do(ClearProbation(life.claimed.id, life.claimed.claim, progressed))

    def end(self, role: str, way: str, by: str | None = None) -> None:
        """End a process: by a drain in order that no one asked for, or at once; the supervisor judges what it finds."""
        process, claimed_runs = self.lives.pop(role)
        self.deaths += 1
        now = self.clock.now() / 1_000
        if way == "drain":
            process.do(
                CloseSession(
                    tuple((run, life.claimed.claim) for run, life in claimed_runs.items()), self.record.limit(now)
                )
            )
        else:
            read = self.observer.reader.read
            blame = assign_blame(
                is_excused=False,
                is_at_work=True,
                on_probation=role == "probation",
                claimed_runs=[row[0] for row in read("list_runs_of_session", (process.session,))],
                probation_runs=[row[0] for row in read("list_probation_runs_of_session", (process.session,))],
            )
            if role == "probation" and blame.counts:
                self.survive_ms = next_probation_ms(self.survive_ms, blame)
            self.record.note(now, blame)
            limit = self.record.limit(now)
            answer = self.observer.do(
                DeclareSessionDead(process.session, crashed=blame.counts, probation_run=blame.run, limit=limit)
            )
            assert isinstance(answer, NumberAnswer)
        process.close()

    def end_all(self) -> None:
        """End each process together with the supervisor, and start another supervisor."""
        for process, _ in self.lives.values():
            process.close()
            self.observer.do(DeclareSessionDead(process.session))
        self.lives.clear()
        self.record = CrashHistory()
        now = self.clock.now()
        deaths = self.observer.reader.read("count_probation_deaths", (now - REMEMBERED_LOSSES_MS,))[0][0]
        self.survive_ms = first_probation_ms(deaths)
        self.probation_from = now + probation_wait_ms(deaths)

    def quarantined(self) -> list[str]:
        text = "select id, reason from runs where state = 'needs_attention' order by seq"
        rows = self.observer.reader.read_text(text)
        assert {reason for _, reason in rows} <= {FailureReason.CRASHES_WORKER}
        return [run for run, _ in rows]

    def is_over(self) -> bool:
        text = "select 1 from runs where finished_at is null and state <> 'needs_attention' limit 1"
        return not self.observer.reader.read_text(text)

    def close(self) -> None:
        for process, _ in self.lives.values():
            process.close()
        self.observer.close()


def test_poison_is_quarantined_however_it_ends_its_worker(tmp_path):
    """Of each way, among harmless runs: the poison alone is set apart, after a bounded number of dead workers, and all others end."""
    for experiment in range(REPEATS):
        fleet = Fleet(tmp_path, experiment)
        fleet.start(fleet.dice.randint(0, 12))
        poison = fleet.start(1, ENDINGS[experiment % len(ENDINGS)])
        fleet.start(fleet.dice.randint(0, 12))
        for _ in range(5_000):
            fleet.tick()
            if fleet.is_over():
                break
        assert fleet.is_over(), (experiment, fleet.deaths)
        assert fleet.quarantined() == poison, experiment
        assert fleet.deaths <= 8, (experiment, fleet.deaths)
        fleet.close()


def test_random_kills_quarantine_at_most_three_innocent_runs(tmp_path):
    """Anyone who kills them, workers and probation processes alike; one command releases each run that was taken for poison."""
    fleet = Fleet(tmp_path, 1)
    innocent: list[str] = []
    while fleet.deaths < KILLS:
        unfinished = fleet.observer.reader.read_text("select count(*) from runs where finished_at is null")[0][0]
        fleet.start(max(0, 24 - unfinished))
        fleet.tick()
        if fleet.dice.random() < 0.15:
            fleet.end(fleet.dice.choice(sorted(fleet.lives)), fleet.dice.choice(ENDINGS))
        for run in fleet.quarantined():
            innocent.append(run)
            fleet.observer.do(ReopenRun(run))
            assert run not in fleet.quarantined()
    while not fleet.is_over():
        fleet.tick()
    assert len(innocent) <= 3
    fleet.close()


@pytest.mark.parametrize("interval_ms", [500, 1_500, 5_000, 9_000, 15_000, 40_000, 100_000])
def test_kills_of_everything_count_against_a_run_at_most_once(tmp_path, interval_ms):
    """Everything dies again and again at a constant interval that is too short for a step."""
    fleet = Fleet(tmp_path, interval_ms)
    fleet.step_ms = 2 * interval_ms
    fleet.start(4)
    for _ in range(20):
        for _ in range(interval_ms // TICK_MS):
            fleet.tick()
        fleet.end_all()
    assert fleet.observer.reader.read_text("select 1 from runs where crashes > 1") == []
    assert fleet.quarantined() == []
    fleet.step_ms = 500
    for _ in range(10_000):
        fleet.tick()
        if fleet.is_over():
            break
    assert fleet.is_over()
    assert fleet.quarantined() == []
    fleet.close()
