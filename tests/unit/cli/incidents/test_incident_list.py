"""incidents list, show, ack, snooze, resolve."""

import pytest

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.store.commands.incidents import ErrorGroup, EvaluatedFinding, GroupedFailure, RecordEvaluation
from mainspring.store.read.incidents import ungrouped_failures
from tests.contract.store.process import fail
from tests.unit.cli.conftest import ORDER

TO = (NotificationTarget(0, "ops"),)
SILENT = Subject("backup", IncidentKind.SILENCE)


@pytest.fixture
def open_incident(stage):
    """One incident that is open, with a channel that is to be reported."""

    def record_evaluation(id="i_1", subject=SILENT, text="no success for 26 h", to=TO, facts=None, **options):
        finding = Finding(
            subject=subject,
            severity=Severity.PAGE,
            text=text,
            since_at=stage.now,
            hint="See the runbook",
            facts=facts or {"window": "26h"},
        )
        stage.do(
            RecordEvaluation(started_at=stage.now, found=(EvaluatedFinding(id=id, finding=finding, to=to, **options),))
        )

    record_evaluation()
    return record_evaluation


def test_list_states_what_is_wrong(cli, open_incident):
    """The loudest and oldest first, by automation and kind; what is folded into another and what is over are shown on demand."""
    open_incident("i_2", Subject("", IncidentKind.STORE_LOST), "the disk\x1b[31m is full")
    open_incident("i_3", Subject("order", IncidentKind.SILENCE), parent=Subject("", IncidentKind.STORE_LOST))
    out = cli("incidents", "list").out
    assert "backup" in out
    assert "mainspring" in out
    assert "\x1b[31m" not in out
    assert [row["id"] for row in cli("incidents", "list", "--json").json] == ["i_1", "i_2"]
    assert cli("incidents", "resolve", "i_1", "--reason", "mended").code == 0
    assert [row["id"] for row in cli("incidents", "list", "--json").json] == ["i_2"]
    assert {row["id"] for row in cli("incidents", "list", "--all", "--json").json} == {"i_1", "i_2", "i_3"}
    assert [row["id"] for row in cli("incidents", "list", "--state", "resolved", "--json").json] == ["i_1"]
    assert [row["id"] for row in cli("incidents", "list", "--name", "store_lost", "--json").json] == ["i_2"]


def test_empty_list_reports_that_nothing_is_wrong_only_where_status_does(cli, stage):
    """A failed run needs a decision before any watcher has looked."""
    assert cli("incidents", "list").err == "No open incident.\n"
    stage.do(fail(stage.begin()))
    assert "1 failed run still needs a decision: mainspring failed list" in cli("incidents", "list").err


def test_show_prints_words_and_no_names_of_fields(cli, open_incident, stage):
    """What programs read stays in --json."""
    facts = {
        "faults": 1,
        "first_at": stage.now,
        "code": "not_produced",
        "owed": True,
        "waits_for_ms": 60_000,
        "is_alone": False,
    }
    open_incident("i_9", Subject("report", IncidentKind.PERMANENT_ERROR), facts=facts)
    lines = {
        tuple(line.split(maxsplit=1))
        for line in cli("incidents", "show", "i_9").out.splitlines()
        if line.startswith("  ")
    }
    assert {("error", "not produced"), ("waits", "for 1m"), ("is", "alone no")} <= {
        (a, " ".join(b.split())) for a, b in lines
    }
    assert not {"faults", "owed", "first_at", "code"} & {label for label, _ in lines}
    assert "first" in {label for label, _ in lines}
    assert set(cli("incidents", "show", "i_9", "--json").json["facts"]) == set(facts)


def test_show_has_all_details(cli, open_incident):
    """What, since when, by what it was judged, what to do, what became of it, who is notified."""
    cli("incidents", "ack", "1", "--reason", "on it", "--actor", "ann")
    result = cli("incidents", "show", "@last")
    for part in (
        "i_1  acknowledged  [page]",
        "backup: no success for 26 h",
        "window",
        "Do: See the runbook",
        "ann: on it",
        "ops: opened, unsent",
    ):
        assert part in result.out, part
    document = cli("incidents", "show", "i_1", "--json").json
    assert [move["move"] for move in document["moves"]] == ["open", "acknowledge"]
    assert document["alerts"][0]["channel"] == "ops"


def test_operations_end_in_the_audit_log(cli, open_incident):
    """Who did it and why is on record; one that comes late hears how it stands."""
    assert cli("incidents", "ack", "i_1", "--reason", "mine").code == 0
    assert cli("incidents", "snooze", "i_1", "--for", "4h").code == 0
    assert cli("incidents", "resolve", "i_1").code == 0
    late = cli("incidents", "ack", "i_1")
    assert late.code == 8
    assert "incident i_1 is resolved" in late.err
    verbs = [row["verb"] for row in cli("audit-log", "list", "--json").json]
    assert verbs[:4] == ["acknowledge", "resolve", "snooze", "acknowledge"]


@pytest.mark.parametrize(("span", "reason"), [("60d", "30 days"), ("2020-01-05", "passed")])
def test_snooze_has_bounds(cli, open_incident, span, reason):
    """Neither for ever nor back in time."""
    result = cli("incidents", "snooze", "i_1", "--for", span)
    assert result.code == 2
    assert reason in result.err


def test_acknowledged_for_a_time(cli, open_incident):
    """It says until when; neither for ever nor back in time."""
    result = cli("incidents", "ack", "i_1", "--for", "2h")
    assert result.code == 0
    assert "Acknowledged i_1 until" in result.out
    assert cli("incidents", "show", "i_1", "--json").json["state"] == "acknowledged"
    open_incident("i_2", Subject("order", IncidentKind.SILENCE))
    assert "30 days" in cli("incidents", "ack", "i_2", "--for", "60d").err
    assert cli("incidents", "list", "--state", "open", "--json").json[0]["id"] == "i_2"


def test_unknown_incident_is_not_found(cli, open_incident):
    """So is a beginning that several have."""
    open_incident("i_12", Subject("order", IncidentKind.SILENCE))
    assert cli("incidents", "show", "nope").code == 3
    assert "i_ could be more than one incident" in cli("incidents", "ack", "i_").err
    assert cli("incidents", "show", "i_1", "--json").json["id"] == "i_1"


def test_show_names_the_runbook(cli, open_incident, folder):
    """The page of the project, at the heading that is about it."""
    assert cli("incidents", "show", "i_1", "--json").json["runbook"] is None
    (folder / "mainspring.toml").write_text("")
    (folder / "runbooks").mkdir()
    (folder / "runbooks" / "backup.md").write_text("# backup\n## Silence\nLook at the disk.\n")
    assert "Runbook: runbooks/backup.md#silence" in cli("incidents", "show", "i_1").out


@pytest.mark.parametrize(("until", "sentence"), [(None, "none, needs a person"), (-1, "was due "), (3_600_000, "UTC")])
def test_show_states_what_is_missing_and_what_comes_next(cli, stage, open_incident, until, sentence):
    """In the words of the messages; the figures behind them are in the JSON."""
    facts = {
        "last_good_at": stage.now - 7_200_000,
        "missed": 2,
        "next_try_at": None if until is None else stage.now + until,
    }
    open_incident("i_2", Subject("order", IncidentKind.SILENCE), facts=facts)
    rows = {line[2:15].strip(): line for line in cli("incidents", "show", "i_2").out.splitlines()}
    assert "last success" in rows
    assert "2 slots missed" in rows["impact"]
    assert sentence in rows["next attempt"]
    assert not rows.keys() & facts.keys()
    assert cli("incidents", "show", "i_2", "--json").json["facts"].keys() == facts.keys()


def test_alert_of_a_failed_run_names_its_item(cli, stage, folder):
    """As `incidents list` does."""
    (folder / "mainspring.toml").write_text('[notify]\ngroup_wait = "0s"\n[notify.channels]\nme = "terminal"\n')
    stage.do(fail(stage.begin(item="/data/f17.csv", title="Book f17.csv")))
    err = cli("watch").err
    headline = next(line for line in err.splitlines() if line.startswith("[notify]"))
    assert headline.endswith(" (Book f17.csv)")
    assert "  Item          Book f17.csv\n" in err
    assert cli("incidents", "list", "--json").json[0]["items"] == ["Book f17.csv"]


def test_incident_of_many_failed_runs_counts_omitted_runs(cli, stage):
    """Of sixty open ones the list names one, the incident twenty; neither takes what it read of them for all there are."""
    for number in range(60):
        stage.start(ORDER, b'{"customer": "x"}', item=f"in/{number}.csv")
        stage.do(fail(stage.claim()))
    failures = tuple(
        GroupedFailure(failure.seq, failure.run, failure.at) for failure in ungrouped_failures(stage.store.reader)
    )
    subject = Subject("order", IncidentKind.PERMANENT_ERROR, "f1")
    finding = Finding(subject=subject, severity=Severity.PAGE, text="it broke", since_at=stage.now)
    group = ErrorGroup("order", "f1", "E", "e", "p", "m", failures)
    found = EvaluatedFinding(id="i_9", finding=finding, faults=tuple(failure.seq for failure in failures))
    stage.do(RecordEvaluation(started_at=stage.now, groups=(group,), found=(found,)))
    assert "(and 59 more)" in cli("incidents", "list").out
    view = cli("incidents", "show", "i_9").out
    assert "  and 40 more: mainspring failed list --error f1 --limit 60\n" in view
