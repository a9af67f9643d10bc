"""What a wrapped command does for people after its end: it looks where something is untold or wrong, and never harms the command."""

import os

import pytest

from mainspring.app.alerting import watcher
from mainspring.app.exec.self_watch import watch_own_automation
from mainspring.config import load
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.domain.states import FailureReason, RunState
from mainspring.store.commands.exec_runs import RecordExecRun
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.sqlite.store import SqliteStore
from tests.contract.store.clock import FakeClock

CHANNEL = {"MAINSPRING_NOTIFY_CHANNELS__OPS": "webhook+http://127.0.0.1:9/t?secret=told"}


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "state.db", clock=FakeClock())
    store.open()
    yield store
    store.close()


@pytest.fixture
def evaluations(monkeypatch):
    """The looks that were made."""
    made = []
    monkeypatch.setattr(watcher, "evaluate_and_notify", lambda _settings, _store, **options: made.append(options))
    return made


def settings(folder, **env):
    return load(env=env, cwd=folder, uid=os.getuid(), flags={})


def fail(store):
    store.apply(
        RecordExecRun(
            id="w1", automation="backup", kind="exec", version=1, title=None, trigger="exec", codec="json", input=b"[]",
            state=RunState.FAILED, started_at=1, finished_at=2, failure=Failure("ValueError", "", "boom"),
            reason=FailureReason.PERMANENT_ERROR,
        )
    )  # fmt: skip


def observe(store, *, healthy=()):
    subject = Subject("backup", IncidentKind.SILENCE)
    finding = Finding(subject=subject, severity=Severity.NOTIFY, text="no success", since_at=1)
    found = () if healthy else (EvaluatedFinding(id="i1", finding=finding, to=(NotificationTarget(0, "ops"),)),)
    store.apply(RecordEvaluation(started_at=store.clock.now(), found=found, healthy=(subject,) if healthy else ()))


def test_success_of_a_healthy_automation_costs_no_evaluation(store, tmp_path, evaluations):
    """It is what happens a thousand times a day."""
    watch_own_automation(settings(tmp_path, **CHANNEL), store, "backup")
    assert evaluations == []


@pytest.mark.parametrize("automation", ["backup", "other"])
def test_unreported_failure_is_evaluated_by_the_next_call(store, tmp_path, evaluations, automation):
    """Its own process may have died before it could tell."""
    fail(store)
    watch_own_automation(settings(tmp_path, **CHANNEL), store, automation)
    assert len(evaluations) == 1


def test_open_incident_is_read_by_its_own(store, tmp_path, evaluations):
    """A success may be its end; another command has no part in what is wrong and was reported."""
    observe(store)
    watch_own_automation(settings(tmp_path, **CHANNEL), store, "backup")
    assert len(evaluations) == 1


def test_unsent_alert_is_sent_by_the_next_call(store, tmp_path, evaluations):
    """The channel was away when the incident ended: nothing is wrong any more, but its end is untold."""
    observe(store)
    store.clock.forward(1_000)
    observe(store, healthy=("backup",))
    watch_own_automation(settings(tmp_path, **CHANNEL), store, "backup")
    assert len(evaluations) == 1


def test_without_channels_no_one_is_reported(store, tmp_path, evaluations):
    """Anyone who called the command has its exit code and its words."""
    fail(store)
    watch_own_automation(settings(tmp_path), store, "backup")
    assert evaluations == []


def test_fault_of_the_watch_is_no_fault_of_the_command(store, tmp_path, monkeypatch, capfd):
    """It is said, and that is all."""
    fail(store)

    def away(*_args, **_options):
        raise StoreUnavailableError("the server is away")

    monkeypatch.setattr(watcher, "evaluate_and_notify", away)
    watch_own_automation(settings(tmp_path, **CHANNEL), store, "backup")
    assert "backup: its end could not be notified" in capfd.readouterr().err
