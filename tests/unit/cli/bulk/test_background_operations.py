"""`failed retry --background`, and `bulk` list, show, pause, resume, stop."""

from contextlib import closing

import apsw
import pytest

from mainspring.service.bulk_operation import run_next_piece
from tests.contract.store.process import fail


@pytest.fixture
def bulk(cli, stage):
    """A bulk operation on two failed runs that has not started."""
    for _ in range(2):
        stage.do(fail(stage.begin()))
    return cli("failed", "retry", "--state", "failed", "--background", "-y", "--json").json["bulk"]


def test_background_puts_an_operation_on_record(cli, stage, bulk):
    """It says how many and goes; anyone who works does it."""
    view = cli("bulk", "show", bulk)
    assert "Retry failed runs: running" in view.out
    assert "0 of 2 runs done; 2 left." in view.out
    assert run_next_piece(stage.store)
    (row,) = cli("bulk", "list", "--json").json
    assert (row["id"], row["state"], row["done"], row["total"]) == (bulk, "done", 2, 2)
    assert cli("failed", "list", "--json").json == []


def test_dry_run_counts_and_requests_nothing(cli, stage):
    """Of a discard too; nothing fits is reported."""
    stage.do(fail(stage.begin()))
    result = cli("failed", "retry", "--state", "failed", "--background", "--dry-run")
    assert "1 run; nothing was done" in result.out
    assert cli("failed", "discard", "--error", "ffff", "--background", "-y").code != 0
    assert cli("bulk", "list", "--json").json == []


def test_repeated_request_is_the_same_operation(cli, stage):
    """Under one command id, also when nothing fits any more."""
    for _ in range(2):
        stage.do(fail(stage.begin()))
    words = ("--state", "failed", "--background", "-y", "--command-id", "night-1", "--json")
    first = cli("failed", "retry", *words).json
    assert run_next_piece(stage.store)
    assert cli("failed", "retry", *words).json == first == {"bulk": "night-1", "runs": 2}
    assert cli("failed", "list", "--json").json == []
    assert len(cli("bulk", "list", "--json").json) == 1


def test_operation_is_paused_resumed_and_stopped(cli, stage, bulk):
    """Each says how it stands then; what does not fit is refused."""
    assert "is paused" in cli("bulk", "pause", bulk).out
    assert not run_next_piece(stage.store)
    assert cli("bulk", "pause", bulk).code == 8
    assert "is resumed" in cli("bulk", "resume", bulk).out
    assert cli("bulk", "stop", bulk, "--json").json == {"bulk": bulk, "state": "stopped"}
    refused = cli("bulk", "resume", bulk)
    assert (refused.code, f"mainspring bulk show {bulk}" in refused.err) == (8, True)
    assert cli("bulk", "list", "--state", "stopped", "--json").json[0]["id"] == bulk
    assert cli("bulk", "show", "nope").code == 3


def test_background_takes_a_filter(cli, stage):
    """Not runs by name, not everything there is, no time to begin at."""
    run = stage.begin()
    for words in ([], [run.id], ["--state", "failed", "--at", "10m"]):
        assert cli("failed", "retry", *words, "--background", "-y").code == 2
    assert cli("failed", "discard", "--name", "backup", "--rate", "1/s", "-y").code == 2


def test_all_runs_of_a_filter_are_cancelled(cli, stage):
    """Paced, paused and stopped as any other bulk act; a run by name, a word on undo, and a rate alone do not go with it."""
    stage.begin()
    words = ("runs", "cancel", "--name", "backup", "--until", "2099-01-01", "--rate", "60/m", "--background")
    assert "Cancel runs of backup until 2099-01-01: 1 run; nothing was done" in cli(*words, "--dry-run").out
    bulk = cli(*words, "-y", "--json").json["bulk"]
    assert run_next_piece(stage.store)
    view = cli("bulk", "show", bulk, "--json").json["bulk"]
    assert (view["verb"], view["rate"], view["done"], view["state"]) == ("cancel", "60/m", 1, "done")
    for invalid in (["--undo", "--background"], ["--rate", "1/s"]):
        assert cli("runs", "cancel", "--name", "backup", "-y", *invalid).code == 2


def test_failed_runs_are_chosen_by_when_they_failed(cli, stage):
    """However long ago they were created."""
    run = stage.begin()
    with closing(apsw.Connection(str(stage.store.path))) as connection:
        connection.execute("update runs set created_at = created_at - 7200000")
    stage.do(fail(run))
    words = ("failed", "retry", "--background", "--dry-run", "--json")
    assert cli(*words, "--since", "1h").json["runs"] == 0
    assert cli(*words, "--ended-since", "1h").json["runs"] == 1
    assert cli(*words, "--ended-until", "1h").json["runs"] == 0
    assert cli("failed", "retry", "--ended-since", "1h", "--dry-run", "--json").json["runs"] == [run.id]
    assert [row["id"] for row in cli("failed", "list", "--ended-since", "1h", "--json").json] == [run.id]
    assert cli("failed", "list", "--since", "1h", "--json").json == []


def test_list_of_what_failed_has_what_retry_means(cli, stage):
    """What `status` counts is there, by the command that it names; a child that failed is its parent's to tell."""
    run, child = stage.begin(), stage.begin()
    with closing(apsw.Connection(str(stage.store.path))) as connection:
        connection.execute("update runs set created_at = created_at - 172800000")
        connection.execute("update runs set parent = ?1, parent_ident = 'root/x#1' where id = ?2", (run.id, child.id))
    for run_id in (run, child):
        stage.do(fail(run_id))
    (problem,) = [problem for problem in cli("status", "--json").json["problems"] if "needs a decision" in problem]
    assert problem == "1 failed run still needs a decision: mainspring failed list"
    assert [row["id"] for row in cli("failed", "list", "--ended-since", "24h", "--json").json] == [run.id]
    assert cli("failed", "retry", "--ended-since", "24h", "--dry-run", "--json").json["runs"] == [run.id]


def test_list_of_failed_runs_reports_that_it_is_cut(cli, stage):
    """A person or script that decides on each of them must not miss the rest."""
    for _ in range(4):
        stage.do(fail(stage.begin()))
    cut = cli("failed", "list", "--limit", "3", "--json")
    assert (len(cut.json), cut.err) == (3, "There are more than these 3: --limit 30\n")
    whole = cli("failed", "list", "--limit", "4", "--json")
    assert (len(whole.json), whole.err) == (4, "")
