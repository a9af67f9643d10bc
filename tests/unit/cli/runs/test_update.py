"""runs update: the reply of a workflow on standard output, its errors by exit code."""

import pytest

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import OutcomeState
from mainspring.store.commands.updates import RejectUpdate
from mainspring.store.read.runs.run_views import run_history
from tests.contract.store.process import halt
from tests.contract.store.test_updates import accept, reply
from tests.unit.cli.conftest import ORDER

NO = Failure("mainspring.Permanent", "permanent", "too much")


@pytest.fixture
def run(stage):
    return stage.begin(ORDER, b'{"customer": "a"}')


def place_of(stage, run):
    """Return the place of the newest update in the inbox."""
    facts = run_history(stage.store.reader, run.id).facts
    return [fact.seq for fact in facts if fact.kind is FactKind.UPDATE][-1]


def send(cli, run, *args):
    """Send an update and do not wait for its reply."""
    return cli("runs", "update", run.id, "add", *args, "--timeout", "1ms")


def test_reply_is_printed(cli, stage, run):
    """The first call stops waiting, the second one with its id finds the reply."""
    late = send(cli, run, "5", "--id", "r1")
    assert (late.code, "--id r1" in late.err) == (7, True)
    stage.do(accept(run, 1, place_of(stage, run)))
    stage.do(reply(run, 2, output=b'{"total":5}'))
    assert cli("runs", "update", run.id, "add", "5", "--id", "r1").out == '{"total":5}\n'
    found = cli("runs", "update", run.id, "add", "5", "--id", "r1", "--json").json
    assert (found["run"], found["state"], found["result"]) == (run.id, "done", {"total": 5})
    conflict = cli("runs", "update", run.id, "add", "6", "--id", "r1")
    assert (conflict.code, "was used for another update" in conflict.err) == (8, True)


def test_rejected_and_failed_updates_end_with_5(cli, stage, run):
    """The reason is printed."""
    assert send(cli, run, "1", "--id", "a").code == 7
    stage.do(RejectUpdate(run.id, run.claim, place_of(stage, run), NO))
    rejected = cli("runs", "update", run.id, "add", "1", "--id", "a")
    assert (rejected.code, "too much" in rejected.err) == (5, True)
    assert send(cli, run, "2", "--id", "b").code == 7
    stage.do(accept(run, 1, place_of(stage, run)))
    stage.do(reply(run, 2, state=OutcomeState.FAILED, output=None, failure=NO))
    failed = cli("runs", "update", run.id, "add", "2", "--id", "b", "--json")
    assert (failed.code, "update_failed" in failed.out + failed.err) == (5, True)


def test_run_that_needs_attention_ends_the_wait_with_6(cli, stage, run):
    """The update stays in its inbox."""
    stage.do(halt(run))
    assert send(cli, run, "1").code == 6
    assert place_of(stage, run)


def test_bad_input_is_explained(cli, stage, run):
    """No JSON, no time, an empty name, a run that has ended."""
    assert cli("runs", "update", run.id, "add", "five").code == 2
    assert cli("runs", "update", run.id, "add", "5", "--timeout", "soon").code == 2
    assert cli("runs", "update", run.id, "").code == 2
    assert cli("runs", "cancel", stage.start()).code == 0
    backup = stage.start()
    refused = cli("runs", "update", backup, "add")
    assert (refused.code, "only a workflow" in refused.err) == (8, True)


def test_show_and_explain_name_updates(cli, stage, run):
    """One that no handler has taken yet."""
    send(cli, run, "1")
    assert "not processed yet: update add" in cli("runs", "show", run.id).out
