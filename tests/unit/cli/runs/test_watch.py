"""runs watch: the end decides the exit code."""

import msgspec
import pytest

from mainspring.domain.states import RunState
from mainspring.store.commands.automations import PauseQueue
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.read.status import status
from mainspring.store.sqlite.store import SqliteStore
from tests.contract.store.process import fail, finish, halt, outcome, suspend

JOBS = """
import mainspring as ms

@ms.task
def nap() -> int:
    return 1
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (finish, 0),
        (fail, 5),
        (lambda run: finish(run, RunState.CANCELLED), 5),
        (lambda run: halt(run, "s1", rank=1), 6),
    ],
    ids=["succeeded", "failed", "cancelled", "needs_attention"],
)
def test_end_of_the_run_is_the_exit_code(cli, stage, end, code):
    """0 succeeded, 5 failed or cancelled, 6 needs a person; its steps were printed."""
    run = stage.begin()
    stage.do(outcome(run, 1, "dump"))
    stage.do(end(run))
    result = cli("runs", "watch", run.id)
    assert result.code == code
    assert "dump succeeded" in result.out


def test_open_question_ends_the_watch_without_a_terminal(cli, stage):
    """Without a terminal it does not hang: 6, and the command that answers."""
    run = stage.begin()
    stage.do(OpenWait(run.id, run.claim, "q1", "ask", "ask", question=b'{"text": "Go?", "choices": ["yes"]}'))
    stage.do(suspend(run))
    result = cli("runs", "watch", run.id)
    assert result.code == 6
    assert f"mainspring runs answer {run.id} yes" in result.err


def test_waiting_is_reported_once_and_with_what_is_waited_for(cli, stage, monkeypatch):
    """No sentence without the one that it belongs to, and none again with each second that passes."""
    run = stage.begin()
    waiting = [{"kind": "signal", "name": "go", "ident": "go#1", "until_at": stage.now + 3_600_000}]
    stage.do(msgspec.structs.replace(suspend(run), waiting_for=msgspec.json.encode(waiting)))
    result = cli("runs", "watch", run.id, "--timeout", "1.2s")
    lines = [line.strip() for line in (result.out + result.err).splitlines()]
    (place,) = [number for number, line in enumerate(lines) if line.startswith("While it waits, it uses")]
    assert lines[place - 1].startswith("It waits for signal go")


def test_timeout_ends_with_7(cli, stage):
    """The run continues; only the wait is over."""
    run = stage.start()
    result = cli("runs", "watch", run, "--timeout", "0s")
    assert result.code == 7
    assert f"mainspring explain {run}" in result.err


def test_json_is_one_document_at_the_end(cli, stage):
    """Programs get the whole run once."""
    run = stage.begin()
    stage.do(finish(run))
    assert cli("runs", "watch", run.id, "--json").json["state"] == "succeeded"


def halted(result, run):
    """Return the lines on stderr that say the run does not continue."""
    return [line for line in result.err.splitlines() if line.startswith(f"run {run} does not continue.")]


def test_watch_states_once_that_no_worker_is_running(cli, stage):
    """On stderr, with the command that starts one; then it waits on."""
    run = stage.start()
    stage.store.close()
    result = cli("runs", "watch", run, "--timeout", "1.5s")
    assert halted(result, run) == [f"run {run} does not continue. No running worker has loaded backup."]
    assert result.err.count("To start a worker: mainspring up -m /srv/scripts.toml\n") == 1
    assert "worker" not in result.out
    assert result.code == 7


def test_watch_of_a_waiting_run_reports_that_no_worker_is_running(cli, stage):
    """What it waits for would come, and no one would take it."""
    run = stage.begin()
    stage.do(suspend(run))
    stage.store.close()
    result = cli("runs", "watch", run.id, "--timeout", "0s", "--json")
    assert halted(result, run.id) == [f"run {run.id} does not continue. No running worker has loaded backup."]


def test_watch_reports_nothing_while_a_worker_is_there(cli, stage):
    """Queued, waiting and running."""
    queued, running = stage.start(due_at=stage.now + 60_000), stage.begin()
    assert halted(cli("runs", "watch", queued, "--timeout", "0s"), queued) == []
    assert halted(cli("runs", "watch", running.id, "--timeout", "0s"), running.id) == []
    stage.do(suspend(running))
    assert halted(cli("runs", "watch", running.id, "--timeout", "0s"), running.id) == []


def test_watch_reports_that_its_queue_is_paused(cli, stage):
    """By whom and why, and how to resume it."""
    run = stage.start()
    stage.do(PauseQueue("default", True, "cli:bob@box", "disk swap"))
    result = cli("runs", "watch", run, "--timeout", "0s")
    assert "Queue default was paused now by cli:bob@box: disk swap." in result.err
    assert "mainspring queues resume default" in result.err


def test_watch_of_a_run_whose_worker_died_has_the_start_command(cli, stage, monkeypatch):
    """Nothing continues it, and no process is there to note that."""
    run = stage.begin()
    monkeypatch.setattr(status, "has_process_ended", lambda host, pid, started: True)
    result = cli("runs", "watch", run.id, "--timeout", "0s")
    assert halted(result, run.id) == [f"run {run.id} does not continue. Its process died, and no worker is running."]
    assert "To start a worker: mainspring up" in result.err


def test_run_that_waits_states_once_that_its_worker_is_gone(cli, stage, folder, monkeypatch):
    """`mainspring run` found a worker, and nothing takes the run."""
    (folder / "jobs.py").write_text(JOBS)
    monkeypatch.setattr("mainspring.cli.runs.run_command._has_live_worker", lambda *_: True)
    result = cli("run", "nap", "-m", "jobs.py", "--timeout", "1.5s")
    assert result.code == 7
    assert result.err.count("does not continue. No running worker has loaded nap") == 1
    assert "It goes on." not in result.err


def test_watch_reports_nothing_while_a_supervisor_starts_a_worker_again(cli, stage, monkeypatch):
    """Its worker died: that is no halt, unless none comes in time; then the way out is not a second `up`, which would be refused."""
    run = stage.start()
    stage.store.close()
    supervisor = SqliteStore(stage.store.path, clock=stage.clock)
    supervisor.open()
    supervisor.open_session("supervisor", posts=("scheduler", "worker"))
    try:
        assert halted(cli("runs", "watch", run, "--timeout", "1.2s"), run) == []
        monkeypatch.setattr("mainspring.cli.runs.halt_notice._RESTART_S", 0.0)
        result = cli("runs", "watch", run, "--timeout", "0s")
    finally:
        supervisor.close()
    text = "No running worker has loaded backup. The supervisor starts a worker, and again after each crash."
    assert halted(result, run) == [f"run {run} does not continue. {text}"]
    assert "mainspring down; mainspring up" in result.err
