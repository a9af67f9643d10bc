"""`crash` while the worker starts: a start from the code is stored before any worker has announced the automation."""

import pytest

from mainspring.app.workers.upkeep import CRASH_ARMED_KEY
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.store.commands.automations import SetMeta

QUICK = Definition(kind=DefinitionKind.TASK, name="quick")


@pytest.fixture
def after_sleeps(stage, monkeypatch):
    """Let the worker take the order while the command sleeps first, and do the rest at the later sleeps."""
    stage.start(QUICK)
    ahead = []

    def sleep(seconds):
        return ahead.pop(0)() if ahead else None

    def plan(*later):
        ahead.extend([lambda: stage.do(SetMeta(CRASH_ARMED_KEY, "quick\x1fone")), *later])
        monkeypatch.setattr("mainspring.cli.fleet.crash_command.time.sleep", sleep)

    return plan


def test_announcement_of_a_worker_that_starts_is_awaited(cli, after_sleeps, stage):
    """The order is taken, the code is announced later: the run starts then."""
    after_sleeps(lambda: None, lambda: stage.announce(QUICK))
    result = cli("crash", "-y", "quick", "--after", "one", "--timeout", "0")
    assert "has not ended; it is queued" in result.err
    assert len(cli("runs", "list", "--name", "quick", "--json").json) == 2


def test_automation_that_no_worker_announces_is_refused(cli, after_sleeps, monkeypatch):
    """Nothing starts, and the message tells this from a worker that takes no order."""
    monkeypatch.setattr("mainspring.cli.fleet.crash_command._ARM_TIMEOUT_S", 0.1)
    after_sleeps()
    result = cli("crash", "-y", "quick", "--after", "one")
    assert (result.code, result.err) == (8, "error: no worker has loaded quick\nStart one: mainspring dev\n")
    assert len(cli("runs", "list", "--name", "quick", "--json").json) == 1
