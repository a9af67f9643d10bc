"""doctor: each check, its fix, its exit code."""

import msgspec
import pytest

from mainspring.cli.doctor.checks import checks_by_name
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ScheduleRow, SetQueue
from mainspring.store.commands.runs import StartRun
from mainspring.store.commands.sessions import CloseSession
from mainspring.store.sqlite import log_readers
from mainspring.store.sqlite.log_readers import LogReader
from tests.contract.store.process import fail
from tests.unit.cli.conftest import BACKUP


def checks(cli, *args):
    return {check["name"]: check for check in cli("doctor", "--json", *args).json}


def test_installation_in_order_ends_with_0(cli, folder):
    """Every check answers, and each is content."""
    (folder / "mainspring.toml").write_text(
        '[project]\nautomations = ["tidy.py"]\n[notify.channels]\nme = "terminal"\n'
    )
    (folder / "tidy.py").write_text(
        "import mainspring as ms\n@ms.task(owner='ann', runbook='docs/tidy.md', timeout='20m')\ndef tidy() -> None: ...\n"
    )
    cli("db", "migrate", "--create")
    result = cli("doctor", "--json")
    assert {check["name"] for check in result.json} == set(checks_by_name())
    assert {check["state"] for check in result.json} == {"ok"}
    assert result.code == 0


def test_own_backup_needs_no_fix(cli, folder):
    """An automation that the configuration asks for has all that doctor asks of one."""
    (folder / "mainspring.toml").write_text('[store.backup]\nto = "backups"\n[notify.channels]\nme = "terminal"\n')
    cli("db", "migrate", "--create")
    assert cli("doctor").code == 0


def test_warning_ends_with_9(cli, stage):
    """Anyone who asks from a script hears of it; the level says how bad it is."""
    result = cli("doctor", "--json")
    assert {check["state"] for check in result.json} == {"ok", "warning"}
    assert result.code == 9


def test_code_is_loaded_once(cli, folder):
    """A file that fails, too, and whatever it prints stays out of the data."""
    (folder / "mainspring.toml").write_text('[project]\nautomations = ["bad.py"]\n')
    (folder / "bad.py").write_text("print('here')\nwith open('loads', 'a') as f:\n    f.write('x')\n1 / 0\n")
    assert cli("doctor", "--json").json
    assert (folder / "loads").read_text() == "x"


def test_doctor_works_without_a_store(cli, store_path):
    """Before the first start, and nothing is made."""
    assert "there is no store" in checks(cli)["store"]["text"]
    assert not store_path.exists()


def test_store_that_cannot_be_read_is_reported_once(cli):
    """What lies in it is not looked at, so that one fault is one finding; what lies around it is."""
    found = checks(cli, "--store", "postgresql://u@127.0.0.1:1/db")
    assert [name for name, check in found.items() if check["state"] == "problem"] == ["store"]
    assert "unreachable" in found["store"]["text"]
    assert {"modes", "spool", "tzdata"} <= found.keys()
    assert cli("doctor", "--store", "postgresql://u@127.0.0.1:1/db").code == 9


def test_each_finding_has_a_fix_and_an_anchor(cli, stage):
    """What is not ok says how to fix it and where it is explained."""
    for check in checks(cli).values():
        assert check["docs"] == f"mainspring docs show doctor#{check['name']}"
        assert check["state"] == "ok" or check["fix"]


def test_missing_worker_ends_with_9(cli, stage):
    """Automations that a worker serves, and none alive."""
    stage.do(CloseSession())
    assert cli("doctor").code == 9
    assert checks(cli)["worker"]["state"] == "problem"


def test_process_that_died_unnoticed_is_reported(cli, stage):
    """A session on record whose lock no one holds."""
    stage.store.lock.close(ended=False)
    stage.store.lock = None
    assert "died" in cli("doctor").out
    assert checks(cli)["worker"]["state"] == "problem"


def test_late_schedule_is_a_problem(cli, stage, monkeypatch):
    """A due time that passed without being served."""
    now = stage.now
    monkeypatch.setattr("mainspring.domain.clock.SystemClock.now", lambda self: now + 2 * 3_600_000)
    check = checks(cli)["scheduler"]
    assert check["state"] == "problem"
    assert "backup" in check["text"]


def test_clock_before_the_records_is_a_problem(cli, stage, monkeypatch):
    """A clock that was set back would give wrong due times."""
    stage.start()
    now = stage.now
    monkeypatch.setattr("mainspring.domain.clock.SystemClock.now", lambda self: now - 600_000)
    assert checks(cli)["clock"]["state"] == "problem"


def test_lacking_options_and_success_are_warnings(cli, stage):
    """No owner, no runbook, no time-out, never succeeded: names are reported."""
    stage.do(fail(stage.begin()))
    found = checks(cli)
    assert "order has no owner" in found["owner"]["text"]
    assert found["owner"]["fix"].endswith("; after a trial: mainspring auto retire order")
    assert "backup, order have no runbook" in found["runbook"]["text"]
    assert "order has neither" in found["timeout"]["text"]
    assert "backup has never succeeded" in found["success"]["text"]


def test_file_that_fails_to_load_is_a_problem(cli, folder):
    """With place, error and fix."""
    (folder / "mainspring.toml").write_text('[project]\nautomations = ["bad.py"]\n')
    (folder / "bad.py").write_text("import nowhere_at_all\n")
    check = checks(cli)["loading"]
    assert check["state"] == "problem"
    assert "nowhere_at_all" in check["text"]
    assert "bad.py:1" in check["text"]
    assert "Install" in check["fix"]


def test_problem_that_a_worker_had_is_reported(cli, stage):
    """Even where the file loads here."""
    stage.announce(BACKUP, problem="ModuleNotFoundError: x")
    assert "backup failed to load in a worker" in checks(cli)["loading"]["text"]


def test_open_file_modes_are_reported(cli, stage, store_path, folder):
    """Others may read the store; anyone may change the configuration."""
    store_path.chmod(0o644)
    assert checks(cli)["modes"]["state"] == "warning"
    (folder / "mainspring.toml").write_text("")
    (folder / "mainspring.toml").chmod(0o666)
    found = [check for check in cli("doctor", "--json").json if check["name"] == "modes"]
    assert [check["state"] for check in found] == ["warning", "problem"]


def test_other_store_of_this_user_is_reported(cli, stage, folder):
    """One in the usual place, beside the one that is named."""
    other = folder.parent / "home" / "state" / "mainspring" / "state.db"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"")
    assert str(other) in checks(cli)["other-store"]["text"]


def test_little_disk_space_is_reported(cli, monkeypatch):
    """A warning first, a problem when the store can hardly grow."""
    for free, state in ((200, "warning"), (10, "problem")):
        monkeypatch.setattr("mainspring.store.sqlite.filesystem.free_bytes", lambda path, free=free: free * 1024 * 1024)
        assert checks(cli)["space"]["state"] == state


@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs"])
def test_network_file_system_is_a_problem(cli, monkeypatch, kind):
    """Locks do not hold there."""
    monkeypatch.setattr("mainspring.store.sqlite.filesystem.file_system_of", lambda path, text: (kind, "/net"))
    assert checks(cli)["filesystem"]["state"] == "problem"


def test_wrong_configuration_is_the_one_problem(cli, folder):
    """Nothing else can be looked at."""
    (folder / "mainspring.toml").write_text("[projct]\n")
    (check,) = cli("doctor", "--json").json
    assert (check["name"], check["state"]) == ("config", "problem")


def test_config_displays_each_value_with_its_source(cli, folder, monkeypatch):
    """File with its line, variable, flag, default."""
    (folder / "mainspring.toml").write_text('[project]\nname = "shop"\n')
    monkeypatch.setenv("MAINSPRING_WORKER_THREADS", "3")
    rows = {row["setting"]: row for row in cli("doctor", "--config", "--json", "--env", "staging").json}
    assert rows["project.name"]["value"] == "shop"
    assert rows["project.name"]["source"].endswith("mainspring.toml:2")
    assert (rows["worker.threads"]["value"], rows["worker.threads"]["source"]) == (3, "env MAINSPRING_WORKER_THREADS")
    assert rows["project.environment"]["source"] == "flag"
    assert rows["worker.drain"]["source"] == "default"


def test_runbook_may_be_a_page_or_a_section(cli, folder):
    """A page of the project and a section of the docstring both say what to do; who has neither is named."""
    (folder / "mainspring.toml").write_text('[project]\nautomations = ["jobs.py"]\n')
    (folder / "jobs.py").write_text(
        "import mainspring as ms\n"
        "@ms.task\ndef paged() -> None: ...\n"
        "@ms.task\ndef documented() -> None:\n    '''Tidy.\n\n    Runbook:\n        Turn it off.\n    '''\n"
        "@ms.task\ndef bare() -> None: ...\n"
    )
    (folder / "runbooks").mkdir()
    (folder / "runbooks" / "paged.md").write_text("# paged\n")
    assert checks(cli)["runbook"]["text"] == "bare has no runbook"
    assert "Turn it off." in cli("auto", "show", "documented", "-m", "jobs.py").out


def test_log_that_a_reader_holds_is_reported_with_its_name(cli, stage, monkeypatch):
    """A warning while it is small, a problem when it is large; a large one alone is a warning."""
    reader = LogReader(4711, "sqlite3 state.db")
    monkeypatch.setattr(log_readers, "lasting_readers", lambda path: [reader])
    found = checks(cli)["log"]
    assert found["state"] == "warning"
    assert "process 4711 (sqlite3 state.db) keeps reading the store" in found["text"]
    monkeypatch.setattr(log_readers, "log_size", lambda path: log_readers.LARGE_LOG + 1)
    assert checks(cli)["log"]["state"] == "problem"
    monkeypatch.setattr(log_readers, "lasting_readers", lambda path: [])
    assert checks(cli)["log"]["state"] == "warning"
    monkeypatch.setattr(log_readers, "log_size", lambda path: log_readers.LARGE_LOG)
    assert checks(cli)["log"]["state"] == "ok"


def test_full_queue_is_the_reason_why_a_due_time_was_not_served(cli, stage):
    """The scheduler lives, and is refused: it is not said to be missing."""
    schedule = ScheduleRow("report", "report", b'{"cron":"0 3 * * *"}', 1)
    definition = msgspec.json.encode(
        Definition(kind=DefinitionKind.TASK, name="report", options={"queue": "narrow"}).to_data()
    )
    row = AutomationRow("report", "task", 1, "code", definition)
    for command in (AnnounceDefinitions("code", (row,), (schedule,)), SetQueue("narrow", None, None, None, 1)):
        stage.do(command)
    stage.do(
        StartRun(
            id="r1",
            automation="report",
            kind="task",
            version=1,
            input=b"{}",
            codec="json",
            trigger="test",
            queue="narrow",
        )
    )
    found = checks(cli)["scheduler"]
    assert "queue 'narrow' is full, 1 of at most 1 run waits in it" in found["text"]
    assert found["fix"] == "mainspring queues show narrow"
