"""notify and its check: who would be reported, whether channels answer, what is missing."""

import pytest
from msgspec import json

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.store.commands.alerts import SentAlert, SettleAlerts
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from tests.contract.store.process import take_alerts
from tests.unit.cli.conftest import BACKUP

CHANNELS = '[notify.channels]\nops = "slack://secret:bot/#ops"\npage = "pagerduty://secret:pd"\n'
BILL = Definition(kind=DefinitionKind.TASK, name="bill", options={"tier": "page", "team": "billing"})


def rows(result):
    return [(row["automation"], row["severity"], row["channel"], row["is_escalation"]) for row in result.json]


def test_routes_list_the_recipients_of_each(cli, stage, folder):
    """Each automation with its own severity, where its routes lead."""
    stage.announce(BACKUP, BILL)
    (folder / "mainspring.toml").write_text(
        f'{CHANNELS}[[notify.route]]\nmatch = {{ team = "billing" }}\nto = "page"\nescalate = "ops"\n'
    )
    found = rows(cli("notify", "routes", "--json"))
    assert ("bill", "page", "page", False) in found
    assert ("bill", "page", "ops", True) in found
    assert [line for line in found if line[0] == "backup"] == [
        ("backup", "notify", "ops", False),
        ("backup", "notify", "page", False),
    ]


def test_routes_of_one_show_every_severity(cli, stage, folder):
    """With when it would be; its own is marked."""
    (folder / "mainspring.toml").write_text(f'{CHANNELS}[[notify.route]]\nto = "ops"\n')
    result = cli("notify", "routes", "backup")
    lines = [" ".join(line.split()) for line in result.out.splitlines()[1:]]
    assert lines[0] == "backup page ops at once"
    assert lines[1].startswith("backup notify (its own) ops ")
    assert lines[2].startswith("backup digest ops ")
    assert " 08:30:00 (in " in lines[2] or " 08:30:00 (now" in lines[2]
    assert cli("notify", "routes", "bakup").code == 3


def test_routes_can_be_tested_for_a_kind(cli, stage, folder):
    """A route for one kind of incident counts for that kind."""
    (folder / "mainspring.toml").write_text(
        f'{CHANNELS}[[notify.route]]\nmatch = {{ kind = "too_slow" }}\nto = "ops"\n'
    )
    assert len(rows(cli("notify", "routes", "--json", "--kind", "too_slow"))) == 2
    assert len(rows(cli("notify", "routes", "--json"))) == 4


def test_test_states_what_each_channel_answers(cli, folder, capsys):
    """One that takes it, one whose secret is not set, one that is not there."""
    (folder / "mainspring.toml").write_text(
        '[notify.channels]\nme = "terminal"\nops = "slack://secret:bot/#ops"\nmail = "smtp://127.0.0.1:1/a@example.com"\n'
    )
    result = cli("notify", "test", "--json")
    assert result.code == 9
    faults = {row["channel"]: row["fault"] for row in json.decode(result.out)}
    assert faults["me"] is None
    assert "MAINSPRING_SECRET_BOT" in faults["ops"]
    assert "refused" in faults["mail"]
    assert result.err.startswith("[test] mainspring: this channel works")


def test_test_of_one_channel_ends_with_0_where_it_answers(cli, folder):
    """The terminal is there without a word of configuration; another name has to be configured."""
    result = cli("notify", "test", "terminal")
    assert result.code == 0
    assert "✓ accepted" in result.out
    assert cli("notify", "test").code == 0
    result = cli("notify", "test", "ops")
    assert result.code == 3
    assert "unknown channel 'ops'" in result.err


def checked(cli):
    (check,) = [check for check in cli("doctor", "--json").json if check["name"] == "notify"]
    return check["state"], check["text"]


@pytest.mark.parametrize(
    ("text", "state", "sentence"),
    [
        ("", "warning", "no channel is configured"),
        ('[project]\nenvironment = "development"\n', "ok", "development notifies only the terminal"),
        ('[notify.channels]\nme = "terminal"\n', "ok", "1 channel with all secrets"),
        (
            '[notify.channels]\nops = "pagerduty://secret:pd"\n',
            "problem",
            "channel ops cannot be used: the secret 'pd'",
        ),
    ],
)
def test_doctor_reports_whether_a_channel_exists(cli, folder, text, state, sentence):
    """In production a channel is needed, with its secrets."""
    (folder / "mainspring.toml").write_text(text)
    found = checked(cli)
    assert found[0] == state
    assert found[1].startswith(sentence)


def test_secret_that_is_set_makes_a_channel_ready(cli, folder, monkeypatch):
    """Nothing is sent by the check."""
    (folder / "mainspring.toml").write_text('[notify.channels]\nops = "pagerduty://secret:pd"\n')
    monkeypatch.setenv("MAINSPRING_SECRET_PD", "x")
    assert checked(cli)[0] == "ok"


@pytest.fixture
def report(stage):
    """Two alerts about one incident: `ops` took its own, `old` has one that no one took."""
    finding = Finding(
        subject=Subject("backup", IncidentKind.SILENCE), severity=Severity.PAGE, text="no success", since_at=0
    )
    to = (NotificationTarget(0, "old"), NotificationTarget(0, "ops"))
    stage.do(RecordEvaluation(started_at=stage.now, found=(EvaluatedFinding(id="i_1", finding=finding, to=to),)))
    take = take_alerts("ops")
    (channel,) = stage.do(take).channels
    stage.do(SettleAlerts(lease=take.lease, channel="ops", sent=(SentAlert(channel.alerts[0].seq),)))
    return stage


def test_log_lists_what_was_reported_and_what_waits(cli, report):
    """Newest first, by channel and state; each with what its incident says."""
    result = cli("notify", "log", "--json")
    found = {row["channel"]: (row["state"], row["about"], row["text"]) for row in result.json}
    assert found == {"ops": ("sent", "opened", "no success"), "old": ("unsent", "opened", "no success")}
    assert [row["channel"] for row in cli("notify", "log", "--state", "unsent", "--json").json] == ["old"]
    assert [row["channel"] for row in cli("notify", "log", "--channel", "ops", "--json").json] == ["ops"]
    assert len(cli("notify", "log", "--limit", "1", "--json").json) == 1
    assert "backup: no success" in cli("notify", "log").out


def test_log_of_nothing_is_empty(cli, stage):
    """It says so, which is no error."""
    result = cli("notify", "log")
    assert (result.code, result.out) == (0, "")
    assert "No notification was sent" in result.err


def test_doctor_states_what_waits_for_a_channel_that_no_one_has(cli, report, folder):
    """Its name is gone from the configuration, so it would wait for ever."""
    (folder / "mainspring.toml").write_text('[notify.channels]\nops = "terminal"\n')
    (check,) = [check for check in cli("doctor", "--json").json if check["name"] == "alerts"]
    assert (check["state"], check["text"]) == (
        "problem",
        "1 alert waits for channel old, which is no longer configured",
    )


def test_doctor_gives_the_reason_for_late_alerts(cli, report, folder):
    """No one tells them, or the channel takes nothing."""
    (folder / "mainspring.toml").write_text('[notify.channels]\nops = "terminal"\nold = "terminal"\n')

    def alerts():
        (check,) = [check for check in cli("doctor", "--json").json if check["name"] == "alerts"]
        return check["text"]

    assert "and no watcher sends them" in alerts()
    take = take_alerts("old")
    report.do(take)
    report.do(SettleAlerts(lease=take.lease, channel="old", away="it answers 503", retry_after_ms=1))
    assert "it answers 503" in alerts()


def test_doctor_reports_the_last_alert_of_each_channel(cli, stage, folder):
    """Nothing waits: the last delivery is what is worth knowing."""
    (folder / "mainspring.toml").write_text('[notify.channels]\nops = "terminal"\n')
    finding = Finding(subject=Subject("backup", IncidentKind.SILENCE), severity=Severity.PAGE, text="x", since_at=0)
    stage.do(
        RecordEvaluation(
            started_at=stage.now,
            found=(EvaluatedFinding(id="i_1", finding=finding, to=(NotificationTarget(0, "ops"),)),),
        )
    )
    take = take_alerts("ops")
    (channel,) = stage.do(take).channels
    stage.do(SettleAlerts(lease=take.lease, channel="ops", sent=(SentAlert(channel.alerts[0].seq),)))
    (check,) = [check for check in cli("doctor", "--json").json if check["name"] == "alerts"]
    assert check["state"] == "ok"
    assert check["text"].startswith("ops last notified ")
