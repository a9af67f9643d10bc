"""The night: three automations in a row, a failure in the middle, and a retry that lets the rest continue."""

import json

from tests.examples.lab import EXAMPLES, Lab, await_that

NIGHT = str(EXAMPLES / "night_chain.py")


def runs_of(lab: Lab, name: str) -> list[dict]:
    return json.loads(lab.call("runs", "list", "--name", name, "--json"))


def states(lab: Lab, name: str) -> list[str]:
    return [run["state"] for run in runs_of(lab, name)]


def test_retry_of_what_failed_lets_the_report_follow(lab: Lab) -> None:
    """The load of a night fails and says what it holds up; continued, it ends well, and the report of that night is written once."""
    lab.start("-m", "mainspring", "up", "-m", NIGHT)
    await_that(lambda: (lab.folder / "state" / "store.db").exists(), "the store")
    await_that(lambda: "extract" in lab.call("auto", "list"), "the automations")
    lab.call("auto", "backfill", "extract", "--from", "1d", "-y")
    await_that(lambda: states(lab, "load") == ["failed"], "the load fails")
    (failed,) = runs_of(lab, "load")
    output = lab.call("explain", failed["id"])
    assert "It blocks report (slot " in output
    assert "does not exist" in output
    assert runs_of(lab, "report") == []
    waiting = json.loads(lab.call("triggers", "show", "report", "--json"))["waits_for"]
    assert [(delivery["here"], delivery["missing"]) for delivery in waiting] == [(["extract"], ["load"])]

    (lab.folder / "night" / "warehouse.db").touch()
    lab.call("runs", "retry", failed["id"])
    await_that(lambda: states(lab, "report") == ["succeeded"], "the report")
    assert len(list((lab.folder / "night").glob("report-*.txt"))) == 1
    assert states(lab, "load") == ["succeeded"]
    assert json.loads(lab.call("triggers", "show", "report", "--json"))["waits_for"] == []


def test_graph_of_the_night_is_rendered_from_the_code(lab: Lab) -> None:
    """Nothing has to run for it."""
    lines = lab.call("auto", "graph", "-m", NIGHT).splitlines()
    assert lines[0].startswith("extract  (")
    assert lines[1:] == [
        "├─ load",
        "│  └─ report  (with extract, for one slot, within 2h)",
        "└─ report  (with load, for one slot, within 2h)",
    ]
