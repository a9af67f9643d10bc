"""`monitors list|show`: judged at once, without a watcher."""

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.fixed_monitors import FIXED_MONITORS
from mainspring.domain.monitors.registry import MONITORS
from mainspring.insight.incidents.findings import format_rule
from mainspring.store.commands.automations import AcquireLock
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation, ResolveIncident
from tests.contract.store.process import fail, finish

SYNC = Definition(kind=DefinitionKind.TASK, name="sync", options={"fail_rate": 0.2, "silence": "1d"})


def test_list_displays_every_monitor_of_a_new_store(cli):
    """Nothing to judge but the store itself is no error."""
    assert cli("init", "one").code == 0
    rows = cli("monitors", "list", "--json").json
    assert [row["name"] for row in rows] == [kind.value for kind in (*MONITORS, *FIXED_MONITORS)]
    assert {row["state"] for row in rows} == {"on"}
    assert {row["name"]: row["judged"] for row in rows if row["judged"]} == {"store_lost": 1}
    assert sum(row["findings"] for row in rows) == 0


def test_list_counts_what_is_found(cli, stage, monkeypatch):
    """Five failed runs are one finding; a monitor that is off judges nothing."""
    stage.announce(SYNC)
    for _ in range(5):
        stage.do(fail(stage.begin(SYNC)))
    rows = {row["name"]: row for row in cli("monitors", "list", "--json").json}
    assert (rows["fail_rate"]["judged"], rows["fail_rate"]["findings"]) == (1, 1)
    assert rows["silence"]["findings"] == 0
    monkeypatch.setenv("MAINSPRING_MONITORS_FAIL_RATE", "false")
    (row,) = cli("monitors", "list", "--state", "off", "--json").json
    assert (row["name"], row["judged"], row["findings"]) == ("fail_rate", 0, 0)
    assert "It is off" in cli("monitors", "show", "fail_rate").err


def test_show_prints_the_arithmetic(cli, stage):
    """Each figure with its unit, the verdict, the settings and the rule."""
    stage.announce(SYNC)
    for _ in range(5):
        stage.do(fail(stage.begin(SYNC)))
    out = cli("monitors", "show", "fail_rate", "sync").out
    assert "sync  failing: 100 % of the runs fail (5 of the last 5) [notify]" in out
    assert "  share failed   100 %" in out
    assert "  share allowed  20 %" in out
    assert "share = 0.5  window = 1h" in out
    assert "Open while 'share failed' (failed of ended) is at least 'share allowed'" in out
    (evaluated,) = cli("monitors", "show", "fail_rate", "sync", "--json").json["judged"]
    assert (evaluated["verdict"], evaluated["figures"]["failed"], evaluated["automation"]) == ("failing", 5, "sync")


def test_show_reports_schedules_and_names(cli, stage):
    """Instants in the project's zone; what is not there shows the nearest."""
    out = cli("monitors", "show", "silence", "backup").out
    assert "backup  healthy" in out
    assert "expected   every day at 03:00 (Europe/Berlin)" in out
    assert "  late  " in out
    assert "opens at 'late', which is 'due' plus 'grace'." in out
    assert "_at" not in out
    assert "'silence'" in cli("monitors", "show", "silenec").err
    assert "'backup'" in cli("monitors", "show", "silence", "bakcup").err


def test_show_lists_findings_without_an_automation(cli, stage):
    """A lock is judged by its name."""
    stage.do(AcquireLock("db", "x"))
    out = cli("monitors", "show", "lock_held").out
    assert "db  healthy" in out
    assert "longest  1d" in out


def test_unreported_failures_are_found(cli, stage):
    """What a watcher would tell by now is found without one."""
    stage.announce(SYNC)
    stage.do(fail(stage.begin(SYNC)))
    rows = {row["name"]: row for row in cli("monitors", "list", "--json").json}
    assert rows["permanent_error"]["findings"] == 1
    assert "sync" in cli("monitors", "show", "permanent_error").out


def test_open_incident_changes_the_limit_of_recovery(cli, stage):
    """A failure rate that was reported is over only below half of its limit: here as for the watcher."""
    stage.announce(SYNC)
    subject = Subject("sync", IncidentKind.FAIL_RATE)
    finding = Finding(subject=subject, severity=Severity.NOTIFY, text="fails", since_at=stage.now)
    stage.do(RecordEvaluation(started_at=stage.now, found=(EvaluatedFinding(id="i_1", finding=finding),)))
    for _ in range(5):
        stage.do(fail(stage.begin(SYNC)))
    (evaluated,) = cli("monitors", "show", "fail_rate", "sync", "--json").json["judged"]
    assert evaluated["figures"]["limit_share"] == 0.1


def test_errors_that_return_are_counted(cli, stage):
    """Reopenings are read from the store."""
    stage.announce(SYNC)
    subject = Subject("sync", IncidentKind.PERMANENT_ERROR, "f1")
    for _ in range(4):
        finding = Finding(subject=subject, severity=Severity.NOTIFY, text="fails", since_at=stage.now)
        stage.do(RecordEvaluation(started_at=stage.now, found=(EvaluatedFinding(id="i_1", finding=finding),)))
        stage.do(ResolveIncident("i_1", "ann"))
    rows = {row["name"]: row for row in cli("monitors", "list", "--json").json}
    assert rows["recurring"]["findings"] == 1


def test_show_reports_a_secret_that_is_due(cli, stage, monkeypatch):
    """With the day on the project's clock; without a date there is nothing to evaluate."""
    assert "nothing to evaluate" in cli("monitors", "show", "secret_due").err
    monkeypatch.setenv("MAINSPRING_SECRETS_DUE__GH_HOOK", "2001-01-31")
    out = cli("monitors", "show", "secret_due").out
    assert "gh_hook  failing: the secret gh_hook should have been renewed by 2001-01-31 [notify]" in out
    assert "before   14d" in out


def test_show_reports_what_a_success_put_out(cli, stage):
    """Sizes in units, and that it is still learned."""
    stage.announce(SYNC)
    stage.do(finish(stage.begin(SYNC), output_size=20_000))
    out = cli("monitors", "show", "did_nothing", "sync").out
    assert "sync  healthy" in out
    assert "put out    20kB" in out
    assert "learning   yes" in out
    assert format_rule(MONITORS["did_nothing"].rule) in out


def test_always_on_monitor_is_displayed_with_its_reason(cli, stage):
    """The way to people and the store itself; neither is under [monitors]."""
    stage.announce(SYNC)
    rows = {row["name"]: row for row in cli("monitors", "list", "--json").json}
    assert [rows[name]["state"] for name in ("notifier_broken", "store_lost")] == ["on", "on"]
    assert rows["store_lost"]["judged"] == 1
    lost = cli("monitors", "show", "store_lost")
    assert "longest  1m" in lost.out
    assert "cannot be turned off" in lost.err
    assert "cannot be turned off" in cli("monitors", "show", "notifier_broken").err


def test_settings_of_one_automation_are_displayed_and_obeyed(cli, stage, monkeypatch):
    """Its window counts, its limit holds; a name that no one has is reported with the nearest one."""
    stage.announce(SYNC)
    for _ in range(5):
        stage.do(fail(stage.begin(SYNC)))
    monkeypatch.setenv("MAINSPRING_MONITORS_OF__SYNC__FAIL_RATE__LEAST", "6")
    monkeypatch.setenv("MAINSPRING_MONITORS_OF__SYNC__FAIL_RATE__WINDOW", "2h")
    view = cli("monitors", "show", "fail_rate", "sync")
    assert "least = 6" in view.out
    assert "window = 2h" in view.out
    assert "sync  failing" not in view.out
    assert "has its own settings: [monitors.of]" in view.err
    assert "least = 5" in cli("monitors", "show", "fail_rate").out
    monkeypatch.setenv("MAINSPRING_MONITORS_OF__SYNK__TOO_FAST", "off")
    answer = cli("monitors", "list").err
    assert "matches no automation: unknown automation 'synk'. Did you mean 'sync'?" in answer
