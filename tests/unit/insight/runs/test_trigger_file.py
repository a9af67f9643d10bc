"""How a failed run of a file is run again: by its trigger, which leaves the file where it was or moves it."""

import os
import subprocess

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.triggers.trigger import Trigger
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.service.runs.run import discard
from mainspring.store.commands.runs import StartRun
from mainspring.web.pages.linked_run import read_linked_run
from tests.contract.store.process import fail, finish
from tests.unit.cli.trigger_shop import take_in
from tests.unit.insight.runs.test_decisions import by_ann, commands, explained

FILE = b'{"file": {"path": "/srv/in/a/x y.csv", "size": 1, "sha256": "ab", "modified": "2026-01-05T03:00:00Z", "raw": null}}'
MOVE_BACK = "mv -n '/srv/in/failed/a/x y.csv' '/srv/in/a/x y.csv'"


def book(kind=DefinitionKind.TASK, **files):
    source = WatchedFolder.parse("/srv/in", pattern="**/*.csv", **files)
    return Definition(kind=kind, name="book", options={"healthy": "item"}, triggers={"files": Trigger(source=source)})


def failed(stage, definition, data=FILE):
    """Return a run that a file started and that failed."""
    stage.announce(definition)
    id = "r_01kb00000000000000000000aa"
    kind = str(definition.kind)
    start = StartRun(id=id, automation="book", kind=kind, version=1, input=data, codec="json", trigger="t", item="x")
    take_in(stage, "book/files", "a/x y.csv@ab", start=start)
    run = stage.claim()
    assert run.id == id
    stage.do(fail(run))
    return id


def test_task_whose_file_was_moved_offers_to_move_it_back_and_no_retry(cli, stage):
    """A retry would find no file; the file that comes back starts a new run."""
    run = failed(stage, book(after_failure="failed"))
    found = explained(cli, run)
    assert commands(found) == [MOVE_BACK, f"mainspring failed discard {run} -y"]
    assert "its file is moved to /srv/in/failed, so a retry would not find it" in found["next"][1]
    assert "move the file back to /srv/in/a/x y.csv: that starts a new run" in found["next"][1]


@pytest.mark.parametrize(
    "name",
    [b"a  b.csv", "\u202ecod'$(x)\n2.csv".encode(), b"M\xfcller.csv", b"$(touch y);'.csv", "\u00fc.csv".encode()],
    ids=["two blanks", "controls", "latin-1", "shell", "text"],
)
def test_command_that_moves_a_file_back_works_whatever_its_name_is(cli, stage, tmp_path, name):
    """It is printed as one plain line, and a shell finds the file by it."""
    folder = tmp_path / "in"
    (folder / "failed").mkdir(parents=True)
    (folder / "failed" / os.fsdecode(name)).write_text("x")
    file = ms.File.at(os.fsencode(folder) + b"/" + name, size=1, sha256="ab", modified_ns=0)
    source = WatchedFolder.parse(str(folder), pattern="*.csv", after_failure="failed")
    trigger = Trigger(source=source)
    definition = Definition(
        kind=DefinitionKind.TASK, name="book", options={"healthy": "item"}, triggers={"files": trigger}
    )
    run = failed(stage, definition, msgspec.json.encode({"file": file}))
    command = commands(explained(cli, run))[0]
    assert command.isprintable()
    assert f"$ {command}\n" in cli("explain", run).out
    subprocess.run(["bash", "-c", command], check=True)
    assert os.listdir(os.fsencode(folder / "failed")) == []
    assert name in os.listdir(os.fsencode(folder))


def test_workflow_whose_file_was_moved_may_continue_behind_the_file(cli, stage):
    """What is left of it may not need the file: only then is a retry right."""
    run = failed(stage, book(DefinitionKind.WORKFLOW, after_failure="../failed"))
    found = explained(cli, run)
    assert commands(found)[0] == "mv -n '/srv/in/../failed/a/x y.csv' '/srv/in/a/x y.csv'"
    assert found["can"][1]["command"] == f"mainspring runs retry {run}"
    assert found["can"][1]["does"].startswith("only if the remaining steps do not read the file: ")


def test_retry_of_a_file_that_stays_states_what_it_needs(cli, stage):
    """The same content at the same place: other content is another run."""
    run = failed(stage, book())
    found = explained(cli, run)
    assert commands(found)[0] == f"mainspring runs retry {run}"
    assert found["next"][1].startswith("A retry reads its file /srv/in/a/x y.csv again")
    assert found["next"][1].endswith("If you changed the content, do not retry: the file starts a new run.")


@pytest.mark.parametrize("data", [b'{"__mainspring__": 1}', b'{"files": []}'], ids=["other", "empty"])
def test_file_whose_name_is_not_known_is_reported_by_its_folder(cli, stage, data):
    """Of sealed input, or of a batch."""
    run = failed(stage, book(after_failure="failed"), data)
    found = explained(cli, run)
    assert commands(found) == [f"mainspring failed discard {run} -y"]
    assert "move the file back to /srv/in: that starts a new run" in found["next"][1]


def test_settled_run_of_a_file_is_offered_no_more_than_its_decision_allows(cli, stage):
    """Discarded by mistake, its file comes back; overtaken by a success, nothing has to be done."""
    run = failed(stage, book(after_failure="failed"))
    discard(stage.store, run, act=by_ann(stage))
    (can,) = explained(cli, run)["can"]
    assert can["command"] == MOVE_BACK
    assert can["does"].startswith("only if that was a mistake: ")


def test_run_of_a_moved_file_that_a_success_settled_has_no_word_of_a_retry(cli, stage):
    """It would fail."""
    definition = book(after_failure="failed")
    run = failed(stage, definition)
    stage.do(finish(stage.begin(definition, item="x")))
    found = explained(cli, run)
    assert found["settlement"]["how"] == "item_succeeded"
    assert not any("retry" in sentence for sentence in found["next"])


def test_page_behind_a_link_has_no_button_to_retry_a_run_of_a_moved_file(stage):
    """What the run was given is not named there."""
    run = failed(stage, book(after_failure="failed"))
    found = read_linked_run(stage.store.reader, run, stage.now, "UTC")
    assert not found.is_plain
    assert [can.command for can in found.can] == [f"mainspring explain {run}"]
    assert "x y.csv" not in repr((found.can, found.what, found.why))
