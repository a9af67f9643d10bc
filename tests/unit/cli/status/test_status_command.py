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
def evaluate(stage):
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


def test_needed_decision_is_listed_with_its_command(cli, stage):
    """Failed and undecided, needing attention, failing to load: each a line, and 9."""
    stage.do(fail(stage.begin()))
    stage.do(halt(stage.begin(), "pay"))
    stage.announce(BACKUP, problem="SyntaxError: oops")
    result = cli("status")
    assert result.code == 9
    assert result.out.startswith("✗ 2 things need you: 1 failed run and 1 stopped run need a decision, 2 automations, ")
    assert "1 run needs a person. See: mainspring failed list --state needs_attention" in result.out
    assert "  1 failed run and 1 stopped run need a decision: mainspring failed list" in result.out
    assert "1 automation failed to load: backup" in result.out


def test_retried_run_counts_no_longer(cli, stage):
    """A failure that was continued is no problem any more."""
    run = stage.begin()
    stage.do(fail(run))
    cli("runs", "retry", run.id)
    assert cli("status").code == 0


def test_missing_worker_is_a_problem_only_where_one_is_needed(cli, stage):
    """Definitions that a worker serves want one; retired ones do not."""
    stage.do(CloseSession())
    result = cli("status")
    assert result.code == 9
    assert "No worker is running" in result.out
    for name in ("backup", "order"):
        cli("auto", "retire", name, "-y")
    assert cli("status").code == 0


def test_open_questions_are_counted(cli, stage):
    """Waiting for a person is notified, and is no problem."""
    run = stage.begin(ORDER, b'{"customer": "a"}')
    stage.do(OpenWait(run.id, run.claim, "q1", "ask", "ask", question=b'{"text": "Go?"}'))
    stage.do(suspend(run))
    result = cli("status", "--json")
    assert result.code == 0
    assert result.json["questions"] == 1
    assert "1 question waits for an answer" in result.json["sentence"]


def test_wait_healthy_ends_at_once_or_with_7(cli, stage):
    """Healthy now: 0. Still not when the time is over: 7, with the reason."""
    assert cli("status", "--wait-healthy").code == 0
    stage.do(halt(stage.begin(), "pay"))
    result = cli("status", "--wait-healthy", "--timeout", "0s")
    assert result.code == 7
    assert "needs a person" in result.err


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
    result = cli("status")
    assert result.code == 9
    assert (
        "backup is retired, and 1 run of it has not ended: no running worker has loaded it, so that run waits until you act."
        " Cancel: mainspring runs cancel --name backup -y. Or end the retirement: mainspring auto resume backup"
    ) in result.out
    assert result.out.startswith("✗ 1 thing needs you")
    assert cli("runs", "cancel", run).code == 0
    assert cli("status").code == 0


def test_runs_of_an_automation_that_is_retired_and_paused_need_a_person(cli, stage):
    """A worker that has loaded it does not take them either."""
    stage.start()
    stage.do(PauseAutomation("backup", None, "ann", None))
    stage.do(RetireAutomation("backup"))
    result = cli("status")
    assert result.code == 9
    assert "1 run of it has not ended: it is paused, so that run waits until you act." in result.out


def test_waiting_run_of_a_retired_automation_needs_a_person(cli, stage):
    """What it waits for may come: no worker continues it then."""
    stage.do(suspend(stage.begin(ORDER, b'{"customer": "a"}')))
    stage.announce(BACKUP)
    stage.do(RetireAutomation("order"))
    assert "order is retired, and 1 run of it has not ended" in cli("status").out


@pytest.mark.parametrize(
    ("pause", "reason", "resume"),
    [
        (PauseAutomation("backup", None, "ann", None), "backup", "mainspring auto resume backup"),
        (PauseQueue("default", True, "ann"), "queue default", "mainspring queues resume default"),
    ],
)
def test_run_past_its_deadline_in_a_pause_needs_a_person(cli, stage, pause, reason, resume):
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
            f"1 run of backup is past its deadline and ends only after the pause of {reason}."
            f" End the pause: {resume}. See: mainspring explain {run}"
        )
    ]


def test_open_incidents_come_first_by_severity(cli, stage, evaluate):
    """The loudest leads, whatever was found first; the sentence names the command that lists them."""
    evaluate(Subject("order", IncidentKind.TOO_SLOW), Severity.NOTIFY, "slow")
    evaluate(Subject("backup", IncidentKind.SILENCE), Severity.PAGE, "no success for 26 h")
    result = cli("status")
    assert result.code == 9
    first, second, third, *_ = result.out.splitlines()
    assert first.startswith("✗ 2 things need you: 2 open incidents (1 page, 1 notify: mainspring incidents list), ")
    assert second == "  [page] backup: no success for 26 h. See: mainspring incidents show i_2"
    assert third.startswith("  [notify] order: slow.")


def test_since_reports_what_a_shift_hands_over(cli, stage, evaluate):
    """The verdict, and part by part what was and still is; as JSON it is what the API gives."""
    evaluate(Subject("backup", IncidentKind.SILENCE), Severity.PAGE, "no success for 26 h")
    evaluate(Subject("order", IncidentKind.TOO_SLOW), Severity.NOTIFY, "slow")
    stage.do(halt(stage.begin(), "pay"))
    cli("incidents", "resolve", "i_2", "--reason", "a \x1b[31mlock", "--actor", "ann")
    result = cli("status", "--since", "8h")
    assert result.code == 9
    parts = (
        "things need",
        "Open incidents",
        "Waiting for an answer",
        "Opened",
        "Closed",
        "Operations of people",
        "ann  resolve incident:i_2 of order",
    )
    places = [result.out.index(part) for part in parts]
    assert places == sorted(places)
    assert "\x1b" not in result.out
    found = cli("status", "--since", "8h", "--json").json
    assert [entry["incident"]["id"] for entry in found["closed"]] == ["i_2"]
    assert [incident["id"] for incident in found["incidents"]] == ["i_1"]


def test_since_counts_omitted_entries(cli, evaluate):
    """Of each part that is longer than is reported."""
    for place in range(MOST + 4):
        evaluate(Subject(f"x{place}", IncidentKind.SILENCE), Severity.NOTIFY, "no success")
    result = cli("status", "--since", "8h")
    assert result.out.count("  at least 4 more\n") == 2
    assert "There is more. See" in result.out


@pytest.mark.parametrize("more", [["--here"], ["--wait-healthy"]])
def test_since_excludes_other_options(cli, stage, more):
    """With a probe it has nothing to do; a time that is none is reported."""
    assert cli("status", "--since", "8h", *more).code == 2
    assert "Write a span" in cli("status", "--since", "soon").err


def test_bare_call_reports_incidents(cli, evaluate):
    """What a bare call says in a project is the same sentence."""
    evaluate(Subject("backup", IncidentKind.SILENCE), Severity.PAGE, "no success for 26 h")
    assert cli().out == cli("status").out
    assert cli().code == 9


def test_incident_that_a_person_acknowledges_is_no_problem(cli, stage, evaluate):
    """It is counted, so that it is not forgotten; what wakes people is notified in place of "everything is healthy"."""
    evaluate(Subject("backup", IncidentKind.SILENCE), Severity.PAGE, "no success for 26 h")
    cli("incidents", "ack", "i_1")
    result = cli("status", "--json")
    assert result.code == 0
    assert (result.json["incidents"], result.json["looked_after"]) == (0, 1)
    assert result.json["sentence"].startswith("1 problem is acknowledged by ")
    assert "1 incident acknowledged" in result.json["sentence"]
    assert cli("status").out.startswith("! 1 problem is acknowledged by ")


def test_incident_is_listed_once(cli, stage, evaluate):
    """Failed runs, a run that needs a person, a broken definition, a lost worker: what an incident says is said by it alone."""
    stage.do(fail(stage.begin()))
    run = stage.begin()
    stage.do(halt(run, "pay"))
    stage.announce(BACKUP, problem="SyntaxError: oops")
    stage.do(CloseSession())
    reader = stage.store.reader
    failures = {failure.state: failure for failure in ungrouped_failures(reader)}
    for state, kind in (
        ("failed", IncidentKind.PERMANENT_ERROR),
        ("needs_attention", IncidentKind.NEEDS_ATTENTION),
    ):
        failure = failures[state]
        group = ErrorGroup(
            "backup", f"f{failure.seq}", "E", "e", "p", "m", (GroupedFailure(failure.seq, failure.run, failure.at),)
        )
        evaluate(
            Subject("backup", kind, f"f{failure.seq}"), Severity.NOTIFY, state, groups=(group,), faults=(failure.seq,)
        )
    evaluate(Subject("backup", IncidentKind.DEFINITION_LOST), Severity.NOTIFY, "it fails to load")
    evaluate(Subject("", IncidentKind.WORKER_LOST, "worker"), Severity.NOTIFY, "no worker")
    found = cli("status", "--json").json
    assert len(found["problems"]) == 5
    assert all(problem.startswith("[notify]") for problem in found["problems"][:4])
    assert found["problems"][4] == "1 failed run and 1 stopped run need a decision: mainspring failed list"
    assert (found["failed"], found["needs_attention"]) == (1, 1)


def test_file_that_fails_to_load_is_named_once(cli, stage, evaluate):
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
    evaluate(Subject("backup", IncidentKind.DEFINITION_LOST), Severity.NOTIFY, "it fails to load: ValueError: x")
    assert [problem.partition(":")[0] for problem in about_loading()] == ["[notify] backup", "/srv/other.py"]
    evaluate(Subject("", IncidentKind.DEFINITION_LOST, "/srv/other.py"), Severity.NOTIFY, "other.py: failed to load")
    assert [problem.partition(":")[0] for problem in about_loading()] == ["[notify] backup", "[notify] mainspring"]


def test_file_that_no_worker_has_loaded_is_named_and_not_imported(cli, stage, folder):
    """A note, for it may be well: whether it loads is reported by `auto list` and `doctor`."""
    (folder / "mainspring.toml").write_text('[project]\nautomations = ["automations/*.py"]\n')
    (folder / "automations").mkdir()
    for name, at in (("old", stage.now - 60_000), ("new", stage.now + 60_000)):
        file = folder / "automations" / f"{name}.py"
        file.write_text("from pathlib import Path\nPath('imported').touch()\n")
        os.utime(file, (at / 1_000, at / 1_000))
    result = cli("status")
    note = (
        "No running worker has loaded automations/new.py as it is now. Check: mainspring auto list."
        " Load: mainspring down, then mainspring up"
    )
    assert (result.code, result.out.splitlines()[1:]) == (0, [f"  {note}"])
    assert cli("status", "--json").json["notes"] == [note]
    assert not (folder / "imported").exists()


def test_many_incidents_are_counted_not_listed(cli, evaluate):
    """Ten lines, and how many more."""
    for number in range(13):
        evaluate(Subject(f"a{number}", IncidentKind.SILENCE), Severity.NOTIFY, "silent")
    result = cli("status")
    assert result.out.startswith("✗ 13 things need you: 13 open incidents (13 notify")
    assert "3 more incidents. See: mainspring incidents list" in result.out


def test_run_that_still_waits_counts_after_its_incident_is_over(cli, stage, evaluate):
    """Someone said that it was over, and it was not: the run itself is reported."""
    stage.do(halt(stage.begin(), "pay"))
    (failure,) = ungrouped_failures(stage.store.reader)
    group = ErrorGroup("backup", "f1", "E", "e", "p", "m", (GroupedFailure(failure.seq, failure.run, failure.at),))
    subject = Subject("backup", IncidentKind.NEEDS_ATTENTION, "f1")
    evaluate(subject, Severity.NOTIFY, "needs a person", groups=(group,), faults=(failure.seq,))
    cli("incidents", "resolve", "i_1")
    assert "1 run needs a person." in cli("status").out
