"""The verdict."""

from mainspring.store.commands.automations import RetireAutomation
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.sessions import CloseSession
from tests.contract.store.process import fail, halt, suspend
from tests.unit.cli.conftest import BACKUP, ORDER


def test_nothing_has_run_yet_is_healthy(cli, store_path):
    """No store, no problem, nothing made."""
    said = cli("status")
    assert said.code == 0
    assert "Nothing has run yet" in said.out
    assert not store_path.exists()


def test_what_needs_a_person_is_told_with_the_command_that_shows_it(cli, stage):
    """Failed within a day, needing attention, failing to load: each a line, and 9."""
    stage.do(fail(stage.begin()))
    stage.do(halt(stage.begin(), "pay"))
    stage.announce(BACKUP, problem="SyntaxError: oops")
    said = cli("status")
    assert said.code == 9
    assert said.out.startswith("✗ 3 things need you: ")
    assert "1 run needs a person. See: mainspring failed list --state needs_attention" in said.out
    assert "1 run failed within a day" in said.out
    assert "1 automation failed to load: backup" in said.out


def test_retried_run_counts_no_longer(cli, stage):
    """A failure that was continued is no problem any more."""
    run = stage.begin()
    stage.do(fail(run))
    cli("runs", "retry", run.id)
    assert cli("status").code == 0


def test_missing_worker_is_a_problem_only_where_one_is_needed(cli, stage):
    """Definitions that a worker serves want one; retired ones do not."""
    stage.do(CloseSession())
    said = cli("status")
    assert said.code == 9
    assert "No worker is running" in said.out
    for name in ("backup", "order"):
        cli("auto", "retire", name, "-y")
    assert cli("status").code == 0


def test_open_questions_are_counted(cli, stage):
    """Waiting for a person is told, and is no problem."""
    run = stage.begin(ORDER, b'{"customer": "a"}')
    stage.do(OpenWait(run.id, run.claim, "q1", "ask", "Go?", question=b'{"text": "Go?"}'))
    stage.do(suspend(run))
    said = cli("status", "--json")
    assert said.code == 0
    assert said.json["questions"] == 1
    assert "1 question waits for an answer" in said.json["sentence"]


def test_wait_healthy_ends_at_once_or_with_7(cli, stage):
    """Healthy now: 0. Still not when the time is over: 7, with the reason."""
    assert cli("status", "--wait-healthy").code == 0
    stage.do(halt(stage.begin(), "pay"))
    said = cli("status", "--wait-healthy", "--timeout", "0s")
    assert said.code == 7
    assert "needs a person" in said.err


def test_retired_automations_are_not_counted(cli, stage):
    """They are gone for good."""
    stage.do(RetireAutomation("backup"))
    assert cli("status", "--json").json["automations"] == 1
