"""What a supervisor has on record: it owns no run, so it may open another session, and tells who was taken out of service."""

import os
import time
from pathlib import Path

import pytest

from mainspring.app.processes import supervisor_session
from mainspring.app.processes.supervisor_session import SupervisorSession
from mainspring.app.project import Project
from mainspring.domain.processes.worker_loss import UNEXPLAINED_LIMIT
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.runs import ClaimRuns, StartRun
from mainspring.store.commands.sessions import DeclareSessionDead
from tests.postgres_server import PostgresServer

TIMEOUT_S = 60.0


@pytest.mark.timeout(90)
def test_supervisor_whose_session_was_declared_dead_opens_another_one(postgres: PostgresServer, tmp_path: Path) -> None:
    """A machine that was cut off for longer than its lease comes back by itself; what it keeps is on record again."""
    config = tmp_path / "mainspring.toml"
    config.write_text(f'[store]\nurl = "{postgres.new_store()}"\n[worker]\nlease = "2s"\n')
    project = Project.find(config=config)
    record = SupervisorSession(project, ("worker", "web"))
    other = project.open_store()
    record.open()
    try:
        text = "select id, posts from sessions where role = 'supervisor' and state = 'alive'"
        ((first, posts),) = other.reader.read_text(text)
        other.apply(DeclareSessionDead(first))
        until = time.monotonic() + TIMEOUT_S
        while not (found := other.reader.read_text(text)):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert found == [(found[0][0], posts)]
        assert found[0][0] > first
        assert posts == '["worker","web"]'.replace(",", ", ")
        record.check()
    finally:
        record.close()
        other.close()


def test_supervisor_sends_heartbeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file too, where the kernel tells of its death, but not that it was stopped."""
    monkeypatch.setattr(supervisor_session, "_HEARTBEAT_INTERVAL_S", 0.01)
    config = tmp_path / "mainspring.toml"
    config.write_text(f'[store]\nurl = "{tmp_path}/state.db"\n')
    record = SupervisorSession(Project.find(config=config), ("worker",))
    record.open()
    try:
        assert record._store is not None
        text = "select count(*) from sessions where role = 'supervisor' and beat_at > opened_at and memory > 0"
        until = time.monotonic() + TIMEOUT_S
        while record._store.reader.read_text(text) != [(1,)]:
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        record.close()


@pytest.mark.parametrize("is_stopped_before", [True, False])
def test_death_within_two_seconds_of_a_stop_is_no_runs_fault(tmp_path: Path, *, is_stopped_before: bool) -> None:
    """Anyone who ends all of us ends workers too, before this process or after it; another death puts runs on probation."""
    config = tmp_path / "mainspring.toml"
    config.write_text(f'[store]\nurl = "{tmp_path}/state.db"\n')
    project = Project.find(config=config)
    record, worker = SupervisorSession(project, ("worker",)), project.open_store()
    record.open()
    try:
        worker.open_session("worker")
        worker.apply(AnnounceDefinitions("code", (AutomationRow("a", "task", 1, "code", b"{}"),), ()))
        worker.apply(StartRun("r_1", automation="a", kind="task", version=1, input=b"[]", codec="json", trigger="test"))
        worker.apply(ClaimRuns("c_1", 1))
        worker.close(drain=False)

        def wait_for_probation(number: int) -> None:
            until = time.monotonic() + TIMEOUT_S
            while record.is_busy or record._store.reader.read("count_probation_runs")[0][0] != number:  # type: ignore[union-attr]
                assert time.monotonic() < until
                time.sleep(0.05)

        if is_stopped_before:
            record.pardon()
        record.died(os.getpid(), counts=True, probation=False)
        if not is_stopped_before:
            wait_for_probation(1)
            record.pardon()
        wait_for_probation(0)
        assert record._store is not None
        assert record._store.reader.read_text("select state from runs") == [("queued",)]
    finally:
        record.close()


@pytest.mark.parametrize("deaths", [0, 1, 2])
def test_new_supervisor_waits_before_it_starts_a_probation_process(tmp_path: Path, deaths: int) -> None:
    """The wait grows with the probation processes that died unseen, also if the last death is not declared yet."""
    config = tmp_path / "mainspring.toml"
    config.write_text(f'[store]\nurl = "{tmp_path}/state.db"\n')
    project = Project.find(config=config)
    other = project.open_store()
    for name in ("r_1", "r_2"):
        other.apply(StartRun(name, automation="a", kind="task", version=1, input=b"[]", codec="json", trigger="test"))
    for number in range(UNEXPLAINED_LIMIT + deaths):
        is_probation = number >= UNEXPLAINED_LIMIT
        process = project.open_store()
        session = process.open_session("probation" if is_probation else "worker")
        process.apply(AnnounceDefinitions("code", (AutomationRow("a", "task", 1, "code", b"{}"),), ()))
        process.apply(ClaimRuns(f"c_{number}", 1 if is_probation else 2, probation=is_probation))
        process.close(drain=False)
        if number != UNEXPLAINED_LIMIT + 1:
            other.apply(DeclareSessionDead(session))
    record = SupervisorSession(project, ("worker",))
    record._open_store()
    wait_s = (0, 8, 32)[deaths]
    try:
        record._run_round()
        assert record.is_probation_due == (not deaths)
        assert record.survive_ms == (wait_s or 2) * 1_000
        assert record._probation_seen_at is not None
        record._probation_seen_at -= wait_s
        record._run_round()
        assert record.is_probation_due
    finally:
        record.close()
        other.close()
