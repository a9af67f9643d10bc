"""queues, workers, locks, audit-log."""

import subprocess
import sys

from mainspring.domain.effects.target_limits import TargetLimits
from mainspring.resources.action_hosts import ACTION_HOSTS
from mainspring.store.commands.automations import AcquireLock, SetQueue
from mainspring.store.commands.targets import EnterTarget, LeaveTarget
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.sqlite.store_mark import mark_of


def test_empty_lists_are_no_error(cli):
    """In a new store each list is empty, as JSON and as text."""
    assert cli("init", "one").code == 0
    for noun in ("queues", "workers", "locks", "targets", "audit-log", "failed", "runs"):
        assert cli(noun, "list", "--json").json == []
        result = cli(noun, "list")
        assert (result.code, result.out) == (0, "")


def test_queues_show_limits_and_load(cli, stage):
    """Limits as they are written, what runs and what waits."""
    stage.do(SetQueue("mail", 2, 60, 60_000, 100))
    stage.begin(queue="mail")
    stage.start(queue="mail")
    row = next(row for row in cli("queues", "list", "--json").json if row["name"] == "mail")
    assert (row["running"], row["backlog"], row["concurrency"]) == (1, 1, 2)
    out = cli("queues", "show", "mail").out
    assert "running   1 of 2" in out
    assert "60/m" in out
    assert "'mail'" in cli("queues", "show", "mial").err


def test_queue_pause_and_resume(cli, stage):
    """Paused queues are distinguished and filtered."""
    stage.do(SetQueue("mail"))
    assert cli("queues", "pause", "mail", "--reason", "spam").code == 0
    assert [row["name"] for row in cli("queues", "list", "--state", "paused", "--json").json] == ["mail"]
    assert "spam" in cli("queues", "show", "mail").out
    assert cli("queues", "resume", "mail").code == 0
    assert cli("queues", "list", "--state", "paused", "--json").json == []


def test_targets_show_their_limits_and_are_reset(cli, stage, folder, monkeypatch):
    """The state of the breaker, and what is left of the rate that the configuration has now."""
    monkeypatch.setattr(ACTION_HOSTS, "limits", {})
    (folder / "mainspring.toml").write_text(
        '[actions.http.targets]\n"a.example" = { rate = "2/h", break_after = 1 }\n"*" = "5/h"\n'
    )
    limits = TargetLimits(2, 3_600_000, 1)
    for number in range(2):
        stage.do(EnterTarget("a.example", limits, f"r{number}", 0, 60_000))
    stage.do(LeaveTarget("a.example", limits, "r1", is_ok=False))
    stage.do(EnterTarget("b.example", TargetLimits(5, 3_600_000), "r2", 0, 60_000))
    first, second = cli("targets", "list", "--json").json
    assert (first["target"], first["state"], first["failures"], first["left"]) == ("a.example", "open", 1, 0)
    assert first["next_at"] is not None
    assert (second["target"], second["state"], second["left"], second["next_at"]) == ("b.example", "closed", 4, None)
    assert [row["target"] for row in cli("targets", "list", "--state", "open", "--json").json] == ["a.example"]
    assert "open" in cli("targets", "list").out
    assert "Did you mean 'a.example'" in cli("targets", "reset", "a.exmple").err
    reset = cli("targets", "reset", "a.example", "--reason", "repaired")
    assert reset.code == 0
    assert "does not start earlier" in reset.err
    assert [row["target"] for row in cli("targets", "list", "--json").json] == ["b.example"]
    (row,) = cli("audit-log", "list", "--json").json
    assert (row["verb"], row["subject"], row["reason"]) == ("reset", "target:a.example", "repaired")


def test_workers_list_and_drain(cli, stage):
    """A session by its number; one that does not exist is not found."""
    (row,) = cli("workers", "list", "--json").json
    assert (row["role"], row["state"]) == ("worker", "alive")
    assert cli("workers", "drain", str(row["id"])).code == 0
    assert cli("workers", "list", "--state", "draining", "--json").json[0]["id"] == row["id"]
    assert cli("workers", "drain", "999").code == 3


def test_worker_quarantine_sets_its_runs_free(cli, stage):
    """It wants a yes; afterwards the session is dead and the run is queued."""
    run = stage.begin()
    number = str(stage.store.session)
    assert cli("workers", "quarantine", number).code == 2
    assert "1 run released" in cli("workers", "quarantine", number, "-y").out
    assert run_view(stage.store.reader, run.id).session is None
    assert cli("workers", "list", "--all", "--json").json[0]["state"] == "quarantined"


def test_lock_break_wants_a_yes(cli, stage):
    """A held lock is listed with its owner and broken on demand."""
    stage.do(AcquireLock("crm", "exec backup"))
    assert cli("locks", "list", "--json").json[0]["owner"] == "exec backup"
    assert cli("locks", "break", "crm").code == 2
    assert cli("locks", "break", "crm", "-y", "--reason", "stuck").code == 0
    assert cli("locks", "list", "--json").json == []
    assert cli("locks", "break", "crm", "-y").code == 3


def test_explain_names_the_lock_that_a_step_waits_for(cli, stage):
    """With its place in line, and the command that shows who has it."""
    run = stage.begin()
    stage.do(AcquireLock("the crm", "another"))
    stage.do(AcquireLock("the crm", f"{run.id}/sync#1 (attempt 1)", None, 1, 60_000))
    out = " ".join(cli("explain", run.id).out.split())
    assert "Step sync#1 (attempt 1) waits for lock the crm since" in out
    assert "it is number 1 in line. Who has the lock: mainspring locks list --name 'the crm'" in out


def test_waiters_of_a_lock_are_listed(cli, stage):
    """With their place in line and the end of their wait; one slot is broken for the first of them."""
    for owner in ("a", "b", "c"):
        stage.do(AcquireLock("crm", owner, None, 2, 60_000))
    lines = cli("locks", "list").out.splitlines()
    assert [line.split()[1:4] for line in lines[1:]] == [
        ["held", "1/2", "a"],
        ["held", "2/2", "b"],
        ["waiting", "1", "c"],
    ]
    assert [row["place"] for row in cli("locks", "list", "--state", "waiting", "--json").json] == [1]
    assert cli("locks", "break", "crm", "--slot", "1", "-y").code == 0
    rows = cli("locks", "list", "--json").json
    assert [(row["owner"], row["slot"], row["token"]) for row in rows] == [("c", 1, 3), ("b", 2, 2)]


def test_audit_log_lists_operations_and_pages(cli, stage):
    """Newest first, refused ones too; filters and --after."""
    run = stage.start()
    cli("runs", "cancel", run)
    cli("runs", "cancel", run)
    rows = cli("audit-log", "list", "--json").json
    assert [row["verb"] for row in rows] == ["cancel", "cancel", "start"]
    assert [row["seq"] for row in cli("audit-log", "list", "--state", "refused", "--json").json] == [3]
    assert [row["seq"] for row in cli("audit-log", "list", "--after", "3", "--limit", "1", "--json").json] == [2]
    assert "--after 3" in cli("audit-log", "list", "--limit", "1").err
    assert cli("audit-log", "list", "--name", "automation:", "--json").json[0]["verb"] == "start"


def test_audit_log_is_filtered(cli, stage):
    """By whom, what, with which, by which way and when; what no filter can mean is reported."""
    run = stage.start()
    cli("runs", "cancel", run)

    def verbs(*options):
        return [row["verb"] for row in cli("audit-log", "list", *options, "--json").json]

    (cancel, _) = cli("audit-log", "list", "--json").json
    for options, expected in (
        (("--act", "cancel"), ["cancel"]),
        (("--act", "retry"), []),
        (("--who", cancel["actor"]), ["cancel"]),
        (("--subject", run), ["cancel"]),
        (("--subject", f"run:{run}", "--way", "web"), []),
        (("--automation", "backup"), ["cancel", "start"]),
        (("--way", "cli", "--act", "cancel"), ["cancel"]),
        (("--until", "2001-01-01"), []),
        (("--since", "1h"), ["cancel", "start"]),
    ):
        assert verbs(*options) == expected, options
    assert cli("audit-log", "list", "--way", "door").code == 2
    assert cli("audit-log", "list", "--until", "soon").code == 2


def test_audit_verify_finds_a_change(cli, stage, monkeypatch):
    """A whole chain is 0 with its last hash; a broken one ends with 9."""
    stage.start()
    result = cli("audit-log", "verify", "--json")
    assert result.code == 0
    assert result.json["rows"] == 1
    monkeypatch.setattr("mainspring.store.read.status.status.first_break", lambda *args, **kwargs: 1)
    assert cli("audit-log", "verify").code == 9


CUT_OFF = """
import sqlite3, sys
outside = sqlite3.connect(sys.argv[1])
for (name,) in outside.execute("select name from sqlite_master where type = 'trigger' and tbl_name = 'audit_log'").fetchall():
    outside.execute(f"drop trigger {name}")
outside.execute("delete from audit_log where seq > 1")
outside.commit()
"""


def test_end_of_the_audit_log_that_was_cut_off_is_found(cli, stage, store_path, tmp_path):
    """The chain of what is left is whole; a head that was kept in a message, by `status` or in a file says that more was there."""
    stage.start()
    stage.start()
    head = cli("status", "--json").json["audit_head"]
    assert head.startswith("2:")
    stored = tmp_path / "head"
    assert cli("audit-log", "verify", "--head", head, "--head-file", str(stored)).code == 0
    assert (stored.read_text(), stored.stat().st_mode & 0o777) == (f"{head}\n", 0o600)
    stage.start()
    assert cli("audit-log", "verify", "--head", head).code == 0
    subprocess.run([sys.executable, "-c", CUT_OFF, str(store_path)], check=True)
    result = cli("audit-log", "verify")
    assert (result.code, "the audit log lacks operation 3" in result.err) == (
        75,
        True,
    )  # the mark beside the store knows that act
    mark_of(store_path).unlink()
    assert cli("audit-log", "verify").code == 0
    for option in (("--head", head), ("--head-file", str(stored))):
        result = cli("audit-log", "verify", *option)
        assert (
            result.code,
            "operation 2 existed and the log ends with operation 1: its end was cut off" in result.out,
        ) == (9, True)
    assert stored.read_text() == f"{head}\n"
    stage.start()
    assert "operation 2 differs from the saved head" in cli("audit-log", "verify", "--head", head).out
    assert cli("audit-log", "verify", "--head", "2").code == 2


def test_head_of_the_audit_log_is_kept_once_there_is_one(cli, stage, tmp_path):
    """In an empty log nothing was cut off, and nothing is kept; a file that holds something else is reported."""
    head = tmp_path / "head"
    assert cli("audit-log", "verify", "--head-file", str(head)).code == 0
    assert not head.exists()
    head.write_text("nonsense")
    assert cli("audit-log", "verify", "--head-file", str(head)).code == 2
