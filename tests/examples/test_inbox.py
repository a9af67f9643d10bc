"""The inbox: each file once, the good and the bad to their folders, and what was fixed restarts."""

import json
import shutil
from decimal import Decimal

import mainspring as ms
from tests.examples.lab import EXAMPLES, Lab, await_that


def test_files_are_booked_once_and_lie_where_their_runs_ended(lab: Lab) -> None:
    """A good file goes to done, a bad one to failed; fixed and moved back it is booked; a repeated one is not booked again."""
    inbox = lab.folder / "inbox"
    inbox.mkdir()
    (inbox / "good \n one.csv").write_text("name,amount\nAnn,12.50\nBob,7\n")
    (inbox / "bad.csv").write_text("name,amount\nAnn,much\n")
    (inbox / "half.csv.part").write_text("name,am")
    program = str(shutil.copy(EXAMPLES / "inbox.py", lab.folder))
    up = lab.start("-m", "mainspring", "up", "-m", program)
    await_that(lambda: (inbox / "done" / "good \n one.csv").exists(), "the good file")
    await_that(lambda: (inbox / "failed" / "bad.csv").exists(), "the bad file")
    failed_file = inbox / "failed" / "bad.csv"
    failed_file.write_text("name,amount\nAnn,1\n")
    failed_file.rename(inbox / "bad.csv")
    (inbox / "good \n one.csv").write_text("name,amount\nAnn,12.50\nBob,7\n")
    await_that(lambda: (inbox / "done" / "bad.csv").exists(), "the mended file")
    await_that(lambda: (inbox / "done" / "good \n one-2.csv").exists(), "the repeated file")
    up.terminate()
    up.communicate(timeout=60)
    states = sorted(run["state"] for run in json.loads(lab.call("runs", "list", "--json")))
    assert states == ["failed", "succeeded", "succeeded"]
    assert (inbox / "half.csv.part").exists()


def test_amounts_are_added_up(lab: Lab) -> None:
    """The task is a function like any other."""
    from examples import inbox

    path = lab.folder / "a.csv"
    path.write_text("name,amount\nAnn,12.50\nBob,7\n")
    file = ms.File.at(bytes(path), size=1, sha256="0" * 64, modified_ns=0)
    assert inbox.book(file) == Decimal("19.50")
