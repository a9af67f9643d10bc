"""What is stuck is named by `status`, with what to do: each of these was "everything is healthy"."""

import os

import msgspec

from mainspring.app.processes.host_status import read_host_status
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.engine.definitions.load_problem import PROBLEMS_KEY, LoadProblem
from mainspring.insight.status.project_status import evaluate_status, read_unresolved
from mainspring.insight.status.stuck_work import LOW_SPACE, describe_low_space, describe_write_fault
from mainspring.store.commands.automations import PauseQueue, SetMeta
from mainspring.store.commands.sessions import DrainSession, RecordHeartbeat
from mainspring.store.sqlite.store import SqliteStore
from tests.contract.store.process import finish
from tests.unit.cli.conftest import BACKUP

MINUTE = 60_000


def problems(stage, later: int = 0) -> list[str]:
    reader = stage.store.reader
    return evaluate_status(reader, stage.now + later, read_unresolved(reader), store="s", environment="e").problems


def test_file_that_did_not_load_is_reported_by_status_and_listed(cli, stage):
    """A worker left it out: a problem, not a line of its log."""
    problem = LoadProblem(where="auto/pay.py:3", what="failed to load: NameError: x", how="Mend the file.")
    stage.do(SetMeta(PROBLEMS_KEY, msgspec.json.encode([problem]).decode()))
    result = cli("status")
    assert result.code == 9
    assert "auto/pay.py:3: failed to load: NameError: x. Mend the file. See: mainspring doctor" in result.out
    rows = cli("auto", "list", "--state", "problem", "--json").json
    assert [(row["name"], row["state"]) for row in rows] == [("auto/pay.py:3", "problem")]
    assert rows[0]["problem"] == "failed to load: NameError: x"
    doctor = cli("doctor", "--json")
    assert any(
        "the worker started without this" in check["text"] and "mainspring down" in check["fix"]
        for check in doctor.json
    )


def test_run_that_no_worker_can_take_is_reported_after_five_minutes(stage):
    """No one has its version, its tag, or its automation; what someone can take is not told of."""
    stage.start(msgspec.structs.replace(BACKUP, version=2))
    stage.start(BACKUP, tag="gpu")
    stage.start(Definition(kind=DefinitionKind.TASK, name="gone"))
    stage.start(BACKUP)

    def stranded(later: int) -> list[str]:
        return [
            problem.partition(" has no running worker")[0]
            for problem in problems(stage, later)
            if "can claim it" in problem
        ]

    assert stranded(4 * MINUTE) == []
    assert stranded(6 * MINUTE) == [
        "1 run of backup (version 1, tag gpu, queue default)",
        "1 run of backup (version 2, queue default)",
        "1 run of gone (version 1, queue default)",
    ]


def test_paused_queue_in_which_runs_wait_is_reported(stage):
    """Who paused it, how many wait, how it continues; where none waits it is no one's trouble."""
    stage.do(finish(stage.begin()))
    stage.do(PauseQueue("default", True, "ann"))
    assert problems(stage) == []
    stage.start(BACKUP)
    stage.start(BACKUP)
    (problem,) = problems(stage, 0)
    assert "by ann, and 2 runs wait in it. Resume it: mainspring queues resume default" in problem


def test_worker_that_drains_or_is_silent_is_reported(stage):
    """A draining one takes nothing; one without a beat is stopped."""
    stage.do(RecordHeartbeat())
    assert problems(stage, 10_000) == []
    (problem,) = problems(stage, MINUTE + 1_000)
    assert "has sent no heartbeat for 1m" in problem
    assert "kill -CONT" in problem
    stage.do(DrainSession(stage.store.session))
    (problem,) = problems(stage, MINUTE)
    assert problem.startswith("Every worker drains and claims no runs")


def test_full_disk_is_reported():
    """With what helps."""
    assert list(describe_low_space(None)) == list(describe_low_space(LOW_SPACE)) == []
    assert "0 MiB are free. Free space: mainspring db prune" in next(describe_low_space(9))


def test_disk_that_takes_no_writes_is_a_problem_of_its_own():
    """The kernel's word stands in it, and what to do; a disk that takes them is no problem."""
    assert list(describe_write_fault("")) == []
    (text,) = describe_write_fault("Read-only file system")
    assert "cannot be written: Read-only file system" in text
    assert "mainspring up" in text


def test_doctor_names_what_loads_here_and_no_worker_has(cli, stage, folder):
    """A file that was added or fixed after the worker started: it is to be restarted."""
    (folder / "scripts.toml").write_text('[script.fresh]\ncmd = "true"\n')
    (folder / "mainspring.toml").write_text('[project]\nautomations = ["scripts.toml"]\n')
    found = [check for check in cli("doctor", "--json").json if check["name"] == "loading"]
    assert [(problem["state"], problem["text"]) for problem in found] == [
        ("problem", "no running worker has loaded fresh")
    ]
    assert "mainspring down, then mainspring up" in found[0]["fix"]


def test_explain_of_an_unloaded_run_has_the_restart_command(cli, stage):
    """A second `up` would be refused."""
    run = stage.start(Definition(kind=DefinitionKind.TASK, name="gone"))
    result = cli("explain", run)
    assert "No running worker has loaded gone; no worker has ever announced it." in result.out
    assert "$ mainspring down; mainspring up" in result.out


def test_supervisor_without_a_beat_for_30_seconds_is_reported(stage, store_path):
    """A stopped one starts nothing again; status, and the probe of its host, say so."""
    supervisor = SqliteStore(store_path, clock=stage.clock)
    supervisor.open()
    try:
        supervisor.open_session("supervisor", posts=("worker",))

        def silent(later: int) -> list[str]:
            return [problem for problem in problems(stage, later) if problem.startswith("Supervisor pid")]

        assert silent(29_000) == []
        (problem,) = silent(40_000)
        assert f"kill -CONT {os.getpid()}" in problem
        assert [
            host for host in read_host_status(stage.store.reader, stage.now + 29_000).missing if "supervisor" in host
        ] == []
        (missing,) = [
            host for host in read_host_status(stage.store.reader, stage.now + 40_000).missing if "supervisor" in host
        ]
        assert missing == f"the supervisor process {os.getpid()} has sent no heartbeat"
    finally:
        supervisor.close()
