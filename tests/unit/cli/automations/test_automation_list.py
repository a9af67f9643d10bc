"""auto list, show, next, pause, resume, retire."""

import os
import sqlite3
from contextlib import closing

import pytest

import mainspring as ms
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.definitions.options import list_options, parse_options
from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.states import OutcomeState
from mainspring.engine.definitions.announcement import encode_problems
from mainspring.engine.definitions.load_problem import PROBLEMS_KEY, LoadProblem
from mainspring.engine.definitions.registry import Registry
from mainspring.insight.automations.automation_health import read_automation_health
from mainspring.store.commands.automations import PauseAutomation, RetireAutomation, SetMeta
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.commands.sessions import CloseSession
from tests.contract.store.process import fail, outcome
from tests.unit.cli.conftest import BACKUP, ORDER

HELLO = """
import mainspring as ms
@ms.task(every="1h", owner="ann")
def tidy(folder: str = "/srv") -> int:
    '''Put things in order.'''
    return 1
"""


@pytest.fixture
def project(folder):
    """Writes a file of a configured project, changed at an instant (ms)."""
    (folder / "mainspring.toml").write_text('[project]\nautomations = ["automations/*.py"]\n')
    (folder / "automations").mkdir()

    def write(name: str, text: str, at: int) -> None:
        file = folder / "automations" / name
        file.write_text(text)
        os.utime(file, (at / 1_000, at / 1_000))

    return write


def test_list_displays_state_schedule_and_next(cli, stage):
    """From the store, by name."""
    rows = cli("auto", "list", "--json").json
    assert [(row["name"], row["kind"], row["state"]) for row in rows] == [
        ("backup", "script", "on_time"),
        ("order", "workflow", "on_demand"),
    ]
    assert rows[0]["schedule"].endswith("(Europe/Berlin)")
    assert rows[0]["next_at"].endswith("T02:00:00.000Z") or rows[0]["next_at"].endswith("T01:00:00.000Z")


def test_list_and_show_use_the_states_of_the_pages(cli, stage, store_path):
    """What no one heard of for too long is silent, and why is said; one that no one expects is on demand."""
    options = parse_options(DefinitionKind.TASK, {"silence": "1m"}, "sync")
    stage.announce(BACKUP, ORDER, Definition(kind=DefinitionKind.TASK, name="sync", options=options))
    with closing(sqlite3.connect(store_path)) as file, file:
        file.execute("update automations set announced_at = announced_at - 3600000 where name = 'sync'")
    (row,) = cli("auto", "list", "--state", "silent", "--json").json
    assert row["name"] == "sync"
    assert row["why"] == read_automation_health(stage.store.reader, ["sync"], stage.now)["sync"].why
    assert "no success" in row["why"]
    result = cli("auto", "list").out
    assert "on time" in result
    assert "on demand" in result
    assert "silent" in result
    out = cli("auto", "show", "sync").out
    assert "sync  task  silent" in out
    assert f"  state     {row['why']}" in out
    assert "  stands " not in cli("auto", "show", "backup").out


def test_unannounced_automation_is_not_evaluated(cli, folder):
    """The store knows nothing of it; what does not load is a problem all the same."""
    (folder / "one.py").write_text(HELLO)
    assert [row["state"] for row in cli("auto", "list", "-m", "one.py", "--json").json] == ["unannounced"]
    assert cli("auto", "list", "-m", "one.py", "--state", "on_time", "--json").json == []


def test_list_states_what_is_wrong_with_each(cli, stage):
    """As the page of automations does: in time and failing is not well."""
    subject = Subject("backup", IncidentKind.PERMANENT_ERROR)
    finding = Finding(subject=subject, severity=Severity.PAGE, text="failed", since_at=stage.now)
    stage.do(RecordEvaluation(started_at=stage.now, found=(EvaluatedFinding(id="i_1", finding=finding),)))
    assert [row["failing"] for row in cli("auto", "list", "--json").json] == ["permanent_error", None]
    assert "permanent error" in cli("auto", "list").out


def test_list_displays_that_the_last_run_failed(cli, stage):
    """On time and failing: that is shown before any watcher has opened an incident, and no newer run that has not ended hides it."""
    run = stage.begin()
    stage.do(fail(run))
    waiting = stage.start()
    rows = {row["name"]: row for row in cli("auto", "list", "--json").json}
    assert rows["backup"]["state"] == "on_time"
    assert (rows["backup"]["last_run"]["run"], rows["backup"]["last_run"]["state"]) == (run.id, "failed")
    assert rows["order"]["last_run"] is None
    out = cli("auto", "list").out
    assert "✗ failed" in next(line for line in out.splitlines() if line.startswith("backup"))
    assert waiting != run.id


def test_list_reports_load_failures(cli, stage, folder):
    """As the last worker told it: a file that failed as a whole has no name that could be in the list."""
    registry = Registry()
    registry.problems.append(
        LoadProblem(where="/srv/bad.py:3", what="failed to load: ValueError: x", how="Mend the file.")
    )
    stage.do(SetMeta(PROBLEMS_KEY, encode_problems(registry)))
    result = cli("auto", "list", "--json")
    assert len(result.json) == 2
    assert "/srv/bad.py:3: failed to load: ValueError: x\nMend the file." in result.err


def test_list_loads_files_that_no_worker_has_loaded(cli, stage, project):
    """A file that came after the worker is listed as unannounced; one that does not load is reported, with its error, behind the list."""
    project("old.py", "raise RuntimeError('not read')", stage.now - 60_000)
    assert [row["name"] for row in cli("auto", "list", "--json").json] == ["backup", "order"]
    project("one.py", HELLO, stage.now + 60_000)
    project("two.py", "import nosuchmodule", stage.now + 60_000)
    result = cli("auto", "list", "--json")
    assert [(row["name"], row["state"]) for row in result.json][-1] == ("tidy", "unannounced")
    assert "two.py:1: failed to load: ModuleNotFoundError: No module named 'nosuchmodule'" in result.err
    assert result.code == 0
    assert cli("auto", "show", "tidy").code == 0


def test_list_reports_what_does_not_load_where_only_wrapped_commands_ran(cli, folder, store_path, project):
    """A wrapped command makes a store and announces itself, and loads nothing."""
    project("two.py", "import nosuchmodule", 1_000)
    assert cli("exec", "-n", "nightly", "--", "true").code == 0
    result = cli("auto", "list")
    assert "nightly" in result.out
    assert "No module named 'nosuchmodule'" in result.err


def test_exec_reports_that_the_schedule_of_a_script_of_its_name_wins(cli, stage):
    """`--cron` of a wrapped command changes nothing of a script, task or workflow that has the name; a call without one is not told."""
    result = cli("exec", "-n", "backup", "--cron", "0 4 * * *", "--", "true")
    assert result.code == 0
    assert (
        result.err.count(
            "--cron and --every are ignored. 'backup' is a script: what it is stays as its worker announced it"
        )
        == 1
    )
    assert "Give this command its own name: -n NAME" in result.err
    assert {row["schedule"] for row in cli("auto", "list", "--json").json if row["name"] == "backup"} == {
        str(BACKUP.schedules[0].describe())
    }
    assert "ignored" not in cli("exec", "-n", "backup", "--", "true").err
    assert "ignored" not in cli("exec", "-n", "own", "--cron", "0 4 * * *", "--", "true").err


def test_list_does_not_offer_to_add_where_all_failed(cli, folder):
    """Nothing is there, but not because no one wrote it."""
    (folder / "bad.py").write_text("1 / 0")
    result = cli("auto", "list", "-m", "bad.py")
    assert "ZeroDivisionError" in result.err
    assert "Add one" not in result.err


def test_list_filters_by_state_and_text(cli, stage):
    """Retired ones only when asked for."""
    cli("auto", "retire", "order", "-y")
    cli("auto", "pause", "backup")
    assert [row["name"] for row in cli("auto", "list", "--json").json] == ["backup"]
    assert [row["name"] for row in cli("auto", "list", "--state", "retired", "--json").json] == ["order"]
    assert cli("auto", "list", "--name", "xyz", "--json").json == []


@pytest.mark.parametrize(
    "kind", [DefinitionKind.SCRIPT, DefinitionKind.TASK, DefinitionKind.WORKFLOW, DefinitionKind.EXEC]
)
def test_show_has_the_options_of_the_table_and_no_other(cli, stage, kind):
    """The fourth surface: `auto show` names each option of the kind as definitions.options does, in its order, as JSON and as text."""
    stage.announce(BACKUP, Definition(kind=kind, name="one"))
    names = [option.name for option in list_options(kind)]
    assert list(cli("auto", "show", "one", "--json").json["options"]) == names
    option_names = [line.split()[0] for line in cli("auto", "show", "one").out.splitlines() if line.startswith("  ")]
    assert [word for word in option_names if word in names] == names


def test_show_reports_that_a_time_out_moves_a_function_into_a_process(cli, stage):
    """As its code announced it; a function in the loop, or one whose place is chosen, has what is written."""
    with Registry():

        @ms.task(timeout="2m")
        def moved() -> None: ...

        @ms.task(timeout="2m")
        async def stays() -> None: ...

        @ms.task(timeout="2m", isolate="thread")
        def chosen() -> None: ...

    stage.announce(*(automation.definition for automation in (moved, stays, chosen)))
    places = ["process (because of timeout)", "(-)", "thread"]
    for name, place in zip(("moved", "stays", "chosen"), places, strict=True):
        assert f"  isolate     {place}\n" in cli("auto", "show", name).out


def test_show_hides_secrets(cli, stage, monkeypatch):
    """Of the environment and the folder of secrets, in the command and in options, and what follows a flag for a password."""
    monkeypatch.setenv("MAINSPRING_SECRET_DB", "correct-horse-battery")
    command = [
        "./dump.sh",
        "--url",
        "postgres://u:correct-horse-battery@h/d",
        "--password",
        "hunter2",
        "--token=abcdef12345",
    ]
    options = {"owner": "ann", "env": {"API_TOKEN": "plain-secret-1"}, "tags": {"for": "correct-horse-battery"}}
    stage.announce(Definition(kind=DefinitionKind.SCRIPT, name="dump", command=command, options=options))
    for text in (cli("auto", "show", "dump").out, cli("auto", "show", "dump", "--json").out):
        for secret in ("correct-horse", "hunter2", "abcdef12345", "plain-secret-1"):
            assert secret not in text, secret
        assert "./dump.sh" in text
        assert "***" in text


def test_show_reports_what_was_set_and_what_is_default(cli, stage):
    """A default stands in parentheses."""
    found = cli("auto", "show", "backup", "--json").json
    assert found["options"]["timeout"] == "20m"
    assert set(found["set"]) == {"name", "owner", "cron", "tz", "timeout"}
    out = cli("auto", "show", "backup").out
    assert "  timeout     20m\n" in out
    assert "  overlap     (skip)\n" in out


def test_show_reports_how_far_it_can_be_trusted(cli, stage):
    """In figures, and in a line of their own; of code that no worker announced nothing is known."""
    trust = cli("auto", "show", "backup", "--json").json["trust"]
    assert (trust["automation"], trust["now"]["ended"], trust["before"]["helped"]) == ("backup", 0, 0)
    assert "  trust     no run ended in 60 days" in cli("auto", "show", "backup").out


def test_unknown_name_displays_the_nearest(cli, stage):
    """In questions and in acts alike."""
    for args in (["show", "bakcup"], ["next", "bakcup"], ["pause", "bakcup"], ["retire", "bakcup", "-y"]):
        result = cli("auto", *args)
        assert result.code == 3
        assert "'backup'" in result.err


def test_next_lists_due_times_in_the_schedules_own_zone(cli, stage):
    """03:00 in Berlin, day after day."""
    rows = cli("auto", "next", "backup", "-n", "3", "--json").json
    assert [row["local"][11:16] for row in rows] == ["03:00"] * 3
    assert cli("auto", "next", "order", "--json").json == []


def test_pause_states_its_end_and_resume_ends_it(cli, stage):
    """Who, why and how long are kept; resuming what is not paused is a conflict."""
    assert "until" in cli("auto", "pause", "backup", "--for", "2h", "--reason", "disk swap").out
    out = cli("auto", "show", "backup").out
    assert "paused" in out
    assert "disk swap" in out
    assert cli("auto", "resume", "backup").code == 0
    assert cli("auto", "resume", "backup").code == 8


def test_retire_wants_a_yes(cli, stage):
    """It ends the watching of its silence."""
    assert cli("auto", "retire", "backup").code == 2
    assert cli("auto", "retire", "backup", "-y").code == 0


def test_retire_counts_unfinished_runs_and_names_the_command_to_cancel_them(cli, stage):
    """A worker that has loaded it continues them; without one they wait. The printed command cancels them."""
    first, second = stage.start(), stage.start()
    result = cli("auto", "retire", "backup", "-y")
    assert result.out.splitlines() == [
        "backup is retired.",
        (
            "2 runs of it have not ended: a running worker has loaded it and continues them."
            " Cancel: mainspring runs cancel --name backup -y"
        ),
    ]
    stage.do(CloseSession())
    assert "no running worker has loaded it, so they wait until you act." in cli("auto", "retire", "backup", "-y").out
    assert cli("auto", "retire", "backup", "-y", "--json").json["unended"] == 2
    assert cli("runs", "cancel", "--name", "backup", "-y").code == 0
    assert [cli("runs", "show", run, "--json").json["state"] for run in (first, second)] == ["cancelled"] * 2
    assert cli("auto", "retire", "backup", "-y").out == "backup is retired.\n"


def test_code_is_read_where_no_worker_has_announced_anything(cli, folder):
    """With -m a file; a file that fails to load is reported on stderr, the others are listed."""
    (folder / "one.py").write_text(HELLO)
    (folder / "bad.py").write_text("1 / 0\n")
    result = cli("auto", "list", "-m", "one.py", "-m", "bad.py", "--json")
    assert [row["name"] for row in result.json] == ["tidy"]
    assert "ZeroDivisionError" in result.err
    assert cli("auto", "show", "tidy", "-m", "one.py", "--json").json["parameters"]["properties"].keys() == {"folder"}


def test_paused_or_retired_automation_has_no_due_time_that_is_not_kept(cli, stage):
    """Paused for a while: the first one after it. Paused or retired: none."""
    until = stage.now + 50 * 3_600_000
    stage.do(PauseAutomation("backup", until, "ann", None))
    (row,) = cli("auto", "list", "--name", "backup", "--json").json
    first = cli("auto", "next", "backup", "--json").json[0]
    assert row["next_at"] == first["slot_at"]
    assert cli("auto", "show", "backup", "--json").json["next_at"] == row["next_at"]
    stage.do(PauseAutomation("backup", None, "ann", None))
    assert cli("auto", "list", "--name", "backup", "--json").json[0]["next_at"] is None
    assert "next " not in cli("auto", "show", "backup").out
    stage.do(RetireAutomation("backup"))
    result = cli("auto", "next", "backup")
    assert (result.code, "backup is retired: its schedule starts nothing" in result.out + result.err) == (0, True)


def test_list_takes_since(cli, stage):
    """By the last announcement."""
    assert [row["name"] for row in cli("auto", "list", "--since", "1h", "--json").json] == ["backup", "order"]
    assert cli("auto", "list", "--since", "2999-01-01", "--json").json == []


def test_paths_of_runs_are_displayed(cli, stage, monkeypatch):
    """From step to step, with what nothing takes up; of a task, of a workflow that never ran, and as data; of many the first."""
    assert "No run of it has ended yet" in cli("auto", "paths", "order").err
    assert "backup is one step" in cli("auto", "paths", "backup").err
    run = stage.begin(ORDER, b'{"customer":1}')
    boom = Failure("ValueError", "boom", "it broke")
    stage.do(outcome(run, 1, "charge\x1b[2J", state=OutcomeState.FAILED, failure=boom))
    stage.do(fail(run, "charge\x1b[2J", rank=1))
    result = cli("auto", "paths", "order")
    assert "no error path" in result.out
    assert "failed in 1 of 1 run and no code handles the error: it ended the run." in result.err
    assert "\x1b[2J" not in result.out + result.err
    found = cli("auto", "paths", "order", "--json").json
    assert [(edge["then"], edge["is_missing"]) for edge in found["edges"]][1] == ("failed", True)
    assert "'order'" in cli("auto", "paths", "oder").err
    monkeypatch.setattr("mainspring.insight.runs.run_paths.MOST", 1)
    assert "ended; 1 path is left out." in cli("auto", "paths", "order").err


def test_automations_that_use_an_action_are_listed(cli, stage, project):
    """By the code that no worker has announced yet."""
    text = 'import mainspring as ms\nfrom mainspring.actions import http\n@ms.task\ndef fetch() -> None:\n    http.request("GET", "https://x")\n'
    project("fetch.py", text, stage.clock.now() + 1)
    assert [row["name"] for row in cli("auto", "list", "--action", "http.request", "--json").json] == ["fetch"]
    assert "  actions   http.request\n" in cli("auto", "show", "fetch").out
