"""`mainspring schedules`: a schedule is created, changed, paused, resumed and deleted, on a real store."""

import msgspec
import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.store.read.schedules import find_created_schedule
from mainspring.store.read.status.status import audit_rows

REPORT = Definition(
    kind=DefinitionKind.TASK,
    name="report",
    options={"misfire": "none"},
    parameters={
        "type": "object",
        "properties": {"customer": {"type": "string"}},
        "required": ["customer"],
        "additionalProperties": False,
    },
)
INPUT = ("--input", '{"customer": "acme"}')


@pytest.fixture
def report(stage):
    """An automation without a schedule in its code."""
    stage.announce(REPORT)
    return REPORT


def test_schedule_is_created_changed_and_printed(cli, stage, report):
    """What is stated changes, and the old and new text are printed."""
    created = cli("schedules", "create", "acme", "report", "--cron", "0 3 * * *", "--tz", "Europe/Berlin", *INPUT)
    assert (created.code, created.err) == (0, "")
    assert "Schedule acme is created (version 1)." in created.out
    assert "every day at 03:00 (Europe/Berlin)" in created.out
    words = ("--every", "15m", "--jitter", "1m", "--tag", "customer=acme", "--reason", "new contract")
    changed = cli("schedules", "change", "acme", *words)
    assert "before  every day at 03:00 (Europe/Berlin)" in changed.out
    assert "when    every 15m; jitter 1m; tags customer=acme" in changed.out
    cli("schedules", "change", "acme", "--jitter", "-", "--tag", "-", "--input", '{"customer": "best"}')
    document = cli("schedules", "show", "acme", "--json").json
    assert (document["text"], document["version"], document["input"]) == ("every 15m", 3, {"customer": "best"})
    assert document["options"] == {"every": "15m"}
    page = cli("schedules", "show", "acme")
    assert 'input      {"customer":"best"}' in page.out
    assert "every 15m; jitter 1m; tags customer=acme -> every 15m; another input" in page.out
    assert "(new contract)" in page.out


def test_schedules_in_code_and_created_ones_are_listed(cli, stage, report):
    """With their origin and state; a schedule in code has no version."""
    cli("schedules", "create", "acme", "report", "--every", "1h", *INPUT)
    cli("schedules", "pause", "acme")
    rows = cli("schedules", "list", "--json").json
    assert [(row["name"], row["automation"], row["origin"], row["state"], row["version"]) for row in rows] == [
        ("acme", "report", "created", "paused", 2),
        ("backup", "backup", "code", "active", None),
    ]
    assert [row["name"] for row in cli("schedules", "list", "--state", "active", "--json").json] == ["backup"]
    listed = cli("schedules", "list")
    assert "created" in listed.out
    assert "code" in listed.out
    assert "every day at 03:00" in cli("schedules", "show", "backup").out
    cli("auto", "pause", "backup", "--for", "2h")
    (backup,) = cli("schedules", "list", "--name", "backup", "--json").json
    assert backup["state"] == "automation_paused"
    cli("auto", "retire", "report", "-y")
    assert [row["state"] for row in cli("schedules", "list", "--name", "acme", "--json").json] == ["retired"]


def test_schedule_is_paused_resumed_and_deleted(cli, stage, report):
    """The deletion asks; the history stays."""
    cli("schedules", "create", "acme", "report", "--every", "1h", *INPUT)
    assert "is paused" in cli("schedules", "pause", "acme", "--reason", "audit").out
    assert "by cli:" in cli("schedules", "show", "acme").out
    assert ": audit" in cli("schedules", "show", "acme").out
    assert "is resumed" in cli("schedules", "resume", "acme").out
    again = cli("schedules", "resume", "acme")
    assert (again.code, "is not paused" in again.err) == (8, True)
    refused = cli("schedules", "delete", "acme")
    assert refused.code == 2
    assert "error: Delete schedule acme: it starts no more runs. This needs a confirmation\n" in refused.err
    assert find_created_schedule(stage.store.reader, "acme") is not None
    assert "is deleted" in cli("schedules", "delete", "acme", "-y").out
    assert find_created_schedule(stage.store.reader, "acme") is None
    history = cli("schedules", "history", "acme", "--json").json
    assert [(entry["verb"], entry["version"]) for entry in history][:2] == [("delete", 4), ("resume", None)]
    assert history[1]["refused"] == "schedule 'acme' is not paused"
    assert {row.verb for row in audit_rows(stage.store.reader) if row.subject == "schedule:acme"} == {
        "create", "pause", "resume", "delete",
    }  # fmt: skip


def test_lost_update_is_refused(cli, stage, report):
    """The error has the version of now and the command that shows it."""
    cli("schedules", "create", "acme", "report", "--every", "1h", *INPUT)
    cli("schedules", "change", "acme", "--every", "2h", "--expect-version", "1")
    for words in (["change", "acme", "--every", "3h"], ["pause", "acme"], ["delete", "acme", "-y"]):
        refused = cli("schedules", *words, "--expect-version", "1")
        assert (refused.code, "has version 2 (expected 1)" in refused.err) == (8, True)
        assert "mainspring schedules show" in refused.err


@pytest.mark.parametrize(
    ("words", "problem", "fix"),
    [
        (["acme", "reprot", "--every", "1h"], "schedule 'acme': unknown automation 'reprot'", "Did you mean 'report'?"),
        (["acme", "report"], "states none of cron, every and at", 'Write cron="0 3 * * *"'),
        (["acme", "report", "--every", "1h", "--cron", "0 * * * *"], "states 2 of cron, every and at", "create more"),
        (["acme", "report", "--cron", "0 25 * * *"], "bad hour '25'", "Example:"),
        (["acme", "report", "--cron", "0 3 * * *", "--tz", "Europe/Berlim"], "unknown time zone", "Europe/Berlin"),
        (["acme", "report", "--every", "1h", "--jitter", "2h"], "is not shorter than every 1h", "shorter"),
        (["acme", "report", "--every", "1h", "--calendar", "bank"], "unknown calendar 'bank'", "business-days"),
        (["acme", "report", "--at", "2020-01-01T00:00"], "never comes", "Change the option"),
        (["acme", "report", "--every", "1h", "--overlap", "wait"], "option 'overlap'", "skip"),
        (["a#1", "report", "--every", "1h"], "a name has no #", "acme-report"),
        (["backup", "report", "--every", "1h"], "is the name of an automation", "another name"),
        (["acme", "report", "--every", "1h", "--input", "{}"], "'customer' is missing", "report"),
        (["acme", "report", "--every", "1h", "--input", "[1]"], "--input is no object", "--input '{"),
    ],
)
def test_bad_schedule_is_refused(cli, stage, report, words, problem, fix):
    """The error names what is wrong and the fix, and nothing is created."""
    refused = cli("schedules", "create", *words, *([] if "--input" in words else INPUT))
    assert refused.code != 0
    assert (problem in refused.err, fix in refused.err) == (True, True), refused.err
    assert cli("schedules", "list", "--name", "acme", "--json").json == []


def test_schedule_of_a_retired_automation_is_refused(cli, stage, report):
    """The error says how to end the retirement."""
    cli("auto", "retire", "report", "-y")
    refused = cli("schedules", "create", "acme", "report", "--every", "1h", *INPUT)
    assert (refused.code, "is retired" in refused.err, "mainspring auto resume" in refused.err) == (8, True, True)


def test_unknown_schedule_names_the_nearest(cli, stage, report):
    """And a change of nothing is refused."""
    cli("schedules", "create", "acme", "report", "--every", "1h", *INPUT)
    assert "Did you mean 'acme'?" in cli("schedules", "show", "acmee").err
    assert "Did you mean 'acme'?" in cli("schedules", "change", "acmee", "--every", "2h").err
    assert "there is nothing to change" in cli("schedules", "change", "acme").err
    assert msgspec.json.decode(cli("schedules", "show", "acme", "--json").out)["version"] == 1


def test_commands_on_automations_know_created_schedules(cli, stage, report):
    """They list their times, and name them in words; a paused one starts nothing."""
    for number in range(5):
        cli("schedules", "create", f"s{number}", "report", "--every", "1h", "--jitter", "1m", *INPUT)
    (row,) = (row for row in cli("auto", "list", "--json").json if row["name"] == "report")
    assert row["schedule"] == "; ".join(
        [*(f"s{number}: every 1h; jitter 1m" for number in range(3)), "2 more schedules"]
    )
    assert row["next_at"] is not None
    times = cli("auto", "next", "report", "-n", "5", "--json").json
    assert len({time["starts_at"] for time in times}) > 1
    assert len({time["slot_at"] for time in times}) == 1
    for number in range(5):
        cli("schedules", "pause", f"s{number}")
    (row,) = (row for row in cli("auto", "list", "--json").json if row["name"] == "report")
    assert (row["next_at"], row["schedule"].count("(paused)")) == (None, 3)
