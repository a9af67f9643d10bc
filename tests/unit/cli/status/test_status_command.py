"""The verdict."""

import os

import msgspec
import pytest

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.engine.definitions.load_problem import PROBLEMS_KEY, LoadProblem
from mainspring.insight.status.handover import MOST
from mainspring.insight.status.project_status import evaluate_status, read_unresolved
from mainspring.store.commands.automations import PauseAutomation, PauseQueue, RetireAutomation, SetMeta
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.incidents import ErrorGroup, EvaluatedFinding, GroupedFailure, RecordEvaluation
from mainspring.store.commands.sessions import CloseSession
from mainspring.store.read.incidents import ungrouped_failures
from tests.contract.store.process import fail, halt, suspend
from tests.unit.cli.conftest import BACKUP, ORDER


@pytest.fixture
def look(stage):
    """Writes down that a watcher found something; ids are i_1, i_2 and so on."""
    made = 0

    def written(subject, severity, text, *, faults=(), groups=()):
        nonlocal made
        made += 1
        finding = Finding(subject=subject, severity=severity, text=text, since_at=stage.now)
        stage.do(
            RecordEvaluation(
                started_at=stage.now,
                groups=groups,
                found=(EvaluatedFinding(id=f"i_{made}", finding=finding, faults=faults),),
            )
        )

    return written


def test_what_needs_a_person_is_told_with_the_command_that_shows_it(cli, stage):
    """Failed and undecided, needing attention, failing to load: each a line, and 9."""
    stage.do(fail(stage.begin()))
    stage.do(halt(stage.begin(), "pay"))
    stage.announce(BACKUP, problem="SyntaxError: oops")
    said = cli("status")
    assert said.code == 9
    assert said.out.startswith("✗ 2 things need you; 1 failed run and 1 stopped run need a decision: ")
    assert "1 run needs a person. See: mainspring failed list --state needs_attention" in said.out
    assert "  1 failed run and 1 stopped run need a decision: mainspring failed list" in said.out
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


def test_runs_of_a_retired_automation_that_no_worker_has_need_a_person(cli, stage):
    """No run waits for ever unseen: status names them with the command that cancels them, and is green again after it."""
    run = stage.start()
    stage.do(RetireAutomation("backup"))
    assert cli("status").code == 0  # the worker has loaded it and takes the run
    stage.announce(ORDER)
    said = cli("status")
    assert said.code == 9
    assert (
        "backup is retired, and 1 run of it has not ended: no running worker has loaded it, so that run waits until you act."
        " Cancel: mainspring runs cancel --name backup -y. Or end the retirement: mainspring auto resume backup"
    ) in said.out
    assert said.out.startswith("✗ 1 thing needs you")
    assert cli("runs", "cancel", run).code == 0
    assert cli("status").code == 0


def test_runs_of_an_automation_that_is_retired_and_paused_need_a_person(cli, stage):
    """A worker that has loaded it does not take them either."""
    stage.start()
    stage.do(PauseAutomation("backup", None, "ann", None))
    stage.do(RetireAutomation("backup"))
    said = cli("status")
    assert said.code == 9
    assert "1 run of it has not ended: it is paused, so that run waits until you act." in said.out


def test_waiting_run_of_a_retired_automation_needs_a_person(cli, stage):
    """What it waits for may come: no worker continues it then."""
    stage.do(suspend(stage.begin(ORDER, b'{"customer": "a"}')))
    stage.announce(BACKUP)
    stage.do(RetireAutomation("order"))
    assert "order is retired, and 1 run of it has not ended" in cli("status").out


@pytest.mark.parametrize(
    ("pause", "what", "resume"),
    [
        (PauseAutomation("backup", None, "ann", None), "backup", "mainspring auto resume backup"),
        (PauseQueue("default", True, "ann"), "queue default", "mainspring queues resume default"),
    ],
)
def test_run_past_its_deadline_in_a_pause_needs_a_person(cli, stage, pause, what, resume):
    """A deadline ends a run only after the pause: status names the run and the command, but not before the deadline."""
    run = stage.start(msgspec.structs.replace(BACKUP, options={"deadline": "10m"}))
    stage.do(pause)

    def overdue(later: int) -> list[str]:
        reader = stage.store.reader
        found = evaluate_status(reader, stage.now + later, read_unresolved(reader), store="s", environment="e").untold
        return [text for text in found if "past its deadline" in text]

    assert overdue(0) == []
    assert overdue(3_600_000) == [
        (
            f"1 run of backup is past its deadline and ends only after the pause of {what}."
            f" End the pause: {resume}. See: mainspring explain {run}"
        )
    ]


def test_open_incidents_come_first_by_severity(cli, stage, look):
    """The loudest leads, whatever was found first; the sentence names the command that lists them."""
    look(Subject("order", IncidentKind.TOO_SLOW), Severity.NOTIFY, "slow")
    look(Subject("backup", IncidentKind.SILENCE), Severity.PAGE, "no success for 26 h")
    said = cli("status")
    assert said.code == 9
    first, second, third, *_ = said.out.splitlines()
    assert first.startswith("✗ 2 things need you: 2 open incidents (1 page, 1 notify: mainspring incidents list), ")
    assert second == "  [page] backup: no success for 26 h. See: mainspring incidents show i_2"
    assert third.startswith("  [notify] order: slow.")


def test_since_tells_what_a_shift_hands_over(cli, stage, look):
    """The verdict, and part by part what was and still is; as JSON it is what the API gives."""
    look(Subject("backup", IncidentKind.SILENCE), Severity.PAGE, "no success for 26 h")
    look(Subject("order", IncidentKind.TOO_SLOW), Severity.NOTIFY, "slow")
    stage.do(halt(stage.begin(), "pay"))
    cli("incidents", "resolve", "i_2", "--reason", "a \x1b[31mlock", "--actor", "ann")
    said = cli("status", "--since", "8h")
    assert said.code == 9
    parts = (
        "things need",
        "Open incidents",
        "Waiting for an answer",
        "Opened",
        "Closed",
        "Operations of people",
        "ann  resolve incident:i_2 of order",
    )
    places = [said.out.index(part) for part in parts]
    assert places == sorted(places)
    assert "\x1b" not in said.out
    found = cli("status", "--since", "8h", "--json").json
    assert [one["incident"]["id"] for one in found["closed"]] == ["i_2"]
    assert [one["id"] for one in found["incidents"]] == ["i_1"]


def test_since_says_how_much_it_left_out(cli, look):
    """Of each part that is longer than is told."""
    for place in range(MOST + 4):
        look(Subject(f"x{place}", IncidentKind.SILENCE), Severity.NOTIFY, "no success")
    said = cli("status", "--since", "8h")
    assert said.out.count("  at least 4 more\n") == 2
    assert "There is more. See" in said.out


@pytest.mark.parametrize("more", [["--here"], ["--wait-healthy"]])
def test_since_stands_alone(cli, stage, more):
    """With a probe it has nothing to do; a time that is none is told."""
    assert cli("status", "--since", "8h", *more).code == 2
    assert "Write a span" in cli("status", "--since", "soon").err


def test_bare_call_tells_incidents(cli, look):
    """What a bare call says in a project is the same sentence."""
    look(Subject("backup", IncidentKind.SILENCE), Severity.PAGE, "no success for 26 h")
    assert cli().out == cli("status").out
    assert cli().code == 9


def test_incident_that_somebody_looks_after_is_no_problem(cli, stage, look):
    """It is counted, so that it is not forgotten; what wakes people is told in place of "all is well"."""
    look(Subject("backup", IncidentKind.SILENCE), Severity.PAGE, "no success for 26 h")
    cli("incidents", "ack", "i_1")
    said = cli("status", "--json")
    assert said.code == 0
    assert (said.json["incidents"], said.json["looked_after"]) == (0, 1)
    assert said.json["sentence"].startswith("1 problem is acknowledged by ")
    assert "1 incident acknowledged" in said.json["sentence"]
    assert cli("status").out.startswith("! 1 problem is acknowledged by ")


def test_what_is_an_incident_is_told_once(cli, stage, look):
    """Failed runs, a run that needs a person, a broken definition, a lost worker: what an incident says is said by it alone."""
    stage.do(fail(stage.begin()))
    run = stage.begin()
    stage.do(halt(run, "pay"))
    stage.announce(BACKUP, problem="SyntaxError: oops")
    stage.do(CloseSession())
    reader = stage.store.reader
    told = {one.state: one for one in ungrouped_failures(reader)}
    for state, kind in (
        ("failed", IncidentKind.PERMANENT_ERROR),
        ("needs_attention", IncidentKind.NEEDS_ATTENTION),
    ):
        one = told[state]
        group = ErrorGroup("backup", f"f{one.seq}", "E", "e", "p", "m", (GroupedFailure(one.seq, one.run, one.at),))
        look(Subject("backup", kind, f"f{one.seq}"), Severity.NOTIFY, state, groups=(group,), faults=(one.seq,))
    look(Subject("backup", IncidentKind.DEFINITION_LOST), Severity.NOTIFY, "it fails to load")
    look(Subject("", IncidentKind.WORKER_LOST, "worker"), Severity.NOTIFY, "no worker")
    found = cli("status", "--json").json
    assert len(found["problems"]) == 5
    assert all(problem.startswith("[notify]") for problem in found["problems"][:4])
    assert found["problems"][4] == "1 failed run and 1 stopped run need a decision: mainspring failed list"
    assert (found["failed"], found["needs_attention"]) == (1, 1)


def test_file_that_fails_to_load_is_named_once(cli, stage, look):
    """By its file until the incident of an automation of it says the same; another file is still named."""
    files = [
        LoadProblem(where=f"/srv/{name}.py:1", what="failed to load: ValueError: x", how="Mend it.")
        for name in ("nightly", "other")
    ]
    stage.do(SetMeta(PROBLEMS_KEY, msgspec.json.encode(files).decode()))
    stage.announce(BACKUP, problem="/srv/nightly.py:1\nValueError: x")

    def about_loading():
        return [problem for problem in cli("status", "--json").json["problems"] if "load" in problem]

    assert [problem.partition(":")[0] for problem in about_loading()] == ["/srv/nightly.py", "/srv/other.py"]
    look(Subject("backup", IncidentKind.DEFINITION_LOST), Severity.NOTIFY, "it fails to load: ValueError: x")
    assert [problem.partition(":")[0] for problem in about_loading()] == ["[notify] backup", "/srv/other.py"]


def test_file_that_no_worker_has_loaded_is_named_and_not_imported(cli, stage, folder):
    """A note, for it may be well: whether it loads is told by `auto list` and `doctor`."""
    (folder / "mainspring.toml").write_text('[project]\nautomations = ["automations/*.py"]\n')
    (folder / "automations").mkdir()
    for name, at in (("old", stage.now - 60_000), ("new", stage.now + 60_000)):
        file = folder / "automations" / f"{name}.py"
        file.write_text("from pathlib import Path\nPath('imported').touch()\n")
        os.utime(file, (at / 1_000, at / 1_000))
    said = cli("status")
    note = (
        "No running worker has loaded automations/new.py as it is now. Check: mainspring auto list."
        " Load: mainspring down, then mainspring up"
    )
    assert (said.code, said.out.splitlines()[1:]) == (0, [f"  {note}"])
    assert cli("status", "--json").json["notes"] == [note]
    assert not (folder / "imported").exists()


def test_many_incidents_are_counted_not_listed(cli, look):
    """Ten lines, and how many more."""
    for number in range(13):
        look(Subject(f"a{number}", IncidentKind.SILENCE), Severity.NOTIFY, "silent")
    said = cli("status")
    assert said.out.startswith("✗ 13 things need you: 13 open incidents (13 notify")
    assert "3 more incidents. See: mainspring incidents list" in said.out


def test_run_that_still_waits_counts_after_its_incident_is_over(cli, stage, look):
    """Somebody said that it was over, and it was not: the run itself is told."""
    stage.do(halt(stage.begin(), "pay"))
    (one,) = ungrouped_failures(stage.store.reader)
    group = ErrorGroup("backup", "f1", "E", "e", "p", "m", (GroupedFailure(one.seq, one.run, one.at),))
    subject = Subject("backup", IncidentKind.NEEDS_ATTENTION, "f1")
    look(subject, Severity.NOTIFY, "needs a person", groups=(group,), faults=(one.seq,))
    cli("incidents", "resolve", "i_1")
    assert "1 run needs a person." in cli("status").out
