"""`run`: what it says of itself, what it refuses before anything starts, and what it waits for."""

import hashlib
import json
import shutil

import pytest

from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.process_store import ProcessStore
from tests.polling import states_of

CODE = """
import mainspring as ms

@ms.task
def quick() -> int:
    return 7

@ms.workflow
async def asking(run: ms.Run) -> str:
    return await run.ask("Go on?", choices=["yes", "no"])

@ms.workflow
async def patient(run: ms.Run) -> str:
    return await run.ask("Go on?", choices=["yes", "no"], within="2s", otherwise="no")

@ms.workflow
async def rounds(run: ms.Run, left: int = 2) -> str:
    if left:
        return await run.restart(left - 1)
    return "over"
"""


@pytest.fixture
def code(folder):
    (folder / "code.py").write_text(CODE)


def test_help_without_a_name_is_the_commands_own(cli, code):
    """It lists the options; with a name it shows the parameters, and where the options are."""
    result = cli("run", "--help")
    assert result.code == 0
    for option in ("--key", "--watch", "--detach", "--at", "--timeout"):
        assert option in result.out
    assert "mainspring run --help" in cli("run", "-m", "code.py", "quick", "--help").out
    assert "Missing argument 'NAME'" in cli("run").err


@pytest.mark.parametrize("more", [(), ("--watch",), ("--detach",)])
def test_timeout_that_is_no_span_is_refused_before_anything_starts(cli, code, store_path, more):
    """Exit 2, and no store, hence no run."""
    result = cli("run", "-m", "code.py", "quick", "--timeout", "nope", *more)
    assert result.code == 2
    assert "'nope'" in result.err
    assert not store_path.exists()


def test_run_with_a_question_is_not_awaited_silently(cli, code):
    """Without a terminal no one can answer: the question, the command that answers it, and 6."""
    result = cli("run", "-m", "code.py", "asking")
    assert result.code == 6
    assert "It asks: Go on? [yes, no]" in result.err
    assert "mainspring runs answer r_" in result.err


def test_question_with_a_default_is_waited_for(cli, code):
    """It is reported, with what it comes to, and settles itself."""
    result = cli("run", "-m", "code.py", "patient")
    assert result.code == 0
    assert result.out.strip() == '"no"'
    assert "Without an answer until then, the answer is: no." in result.err


@pytest.mark.parametrize("more", [(), ("--watch",)])
def test_run_that_restarts_is_followed_to_its_end(cli, code, more):
    """Its successors count: the result is that of the last one."""
    result = cli("run", "-m", "code.py", "rounds", *more)
    assert result.code == 0
    assert result.out.strip() == '"over"' if not more else "restarted as run r_" in result.out
    assert len(cli("runs", "list", "--json").json) == 3


def test_run_for_a_queue_that_no_live_worker_serves_is_worked_on_here(cli, code, stage):
    """The worker has the automation and not the queue: waiting for it would have no end."""
    from mainspring.domain.definitions.definition import Definition, DefinitionKind

    stage.announce(Definition(kind=DefinitionKind.TASK, name="quick"))
    stage.do(ClaimRuns("c", 0, queues=("default",)))
    result = cli("run", "-m", "code.py", "quick", "--queue", "mail", "--timeout", "20s")
    assert (result.code, result.out.strip()) == (0, "7")


def test_run_by_a_worker_with_other_code_is_reported(cli, code, stage):
    """The worker executes the run with what it loaded. A worker with the same code is no news."""
    from mainspring.domain.definitions.definition import Definition, DefinitionKind
    from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow

    def start() -> str:
        result = cli("run", "-m", "code.py", "quick", "--detach")
        assert result.code == 0
        return result.err

    definition = Definition(kind=DefinitionKind.TASK, name="quick")
    stage.announce(definition)
    assert "workers that are running have other code of quick" in start()
    assert "restart `mainspring up`" in start()
    function = CODE[CODE.index("@ms.task") : CODE.index("@ms.workflow")].rstrip() + "\n"
    fingerprint = hashlib.sha256(function.encode()).hexdigest()
    row = AutomationRow("quick", "task", 1, fingerprint, json.dumps(definition.to_data()).encode())
    stage.do(AnnounceDefinitions("new", (row,), ()))
    assert "other code" not in start()


def test_broken_declaration_is_displayed_by_run_and_the_others_of_its_file_run(cli, folder):
    """The error of the one that was named, and no other; a child process loads the file too."""
    (folder / "code.py").write_text(
        "import mainspring as ms\n@ms.task(cron='99 * * * *')\ndef bad(): ...\n"
        "@ms.task(timeout='20s')\ndef good() -> int: return 7\n@ms.step(timeout='soon')\ndef charge(): ...\n"
    )
    view = cli("run", "-m", "code.py", "bad")
    assert view.code == 2
    assert "'bad' cannot be used: option 'cron'" in view.err
    assert "code.py:2" in view.err
    assert "charge" not in view.err
    ran = cli("run", "-m", "code.py", "good")
    assert (ran.code, ran.out.strip()) == (0, "7")


def test_run_names_the_file_from_which_a_worker_has_an_automation(cli, stage, folder):
    """`up -m jobs.py` announced it; without -m its file is not loaded here."""
    (folder / "code.py").write_text(CODE)
    registry = Registry.load([folder / "code.py"])
    stage.announce(registry.get("quick").definition)
    result = cli("run", "quick")
    assert result.code == 3
    assert f"quick is defined in {folder / 'code.py'}" in result.err
    assert f"-m {folder / 'code.py'}" in result.err
    assert "unknown automation" in cli("run", "quack").err


def break_locks(folder):
    """Put a file where the locks of sessions are kept: no process can open a session any more."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("")


def test_run_that_cannot_become_a_worker_starts_nothing(cli, code, store_path):
    """Where no session can be opened the command fails before it starts a run; a repeat finds none."""
    assert cli("run", "-m", "code.py", "quick").code == 0
    break_locks(store_path.parent / f"{store_path.name}.sessions")
    for _ in range(2):
        result = cli("run", "-m", "code.py", "quick")
        assert result.code == 4
        assert "no session can be opened" in result.err
    assert list(states_of(str(store_path)).values()) == ["succeeded"]


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_run_that_fails_after_its_start_names_the_run(cli, code, store_path, monkeypatch, more):
    """What breaks after the start is reported with the run's id, its state, and how to watch and cancel it."""
    check = ProcessStore.check_session_lock

    def check_then_break(store):
        check(store)
        break_locks(store.locks)

    monkeypatch.setattr(ProcessStore, "check_session_lock", check_then_break)
    result = cli("run", "-m", "code.py", "quick", *more)
    assert result.code == 4
    ((run, state),) = states_of(str(store_path)).items()
    assert state == "queued"
    if more:
        assert json.loads(result.out) == {"run": run, "state": "queued"}
        assert "no session can be opened" in json.loads(result.err)["message"]
    else:
        assert result.out == f"{run}\n"
        assert f"mainspring runs watch {run}" in result.err
        assert f"mainspring runs cancel {run}" in result.err


UNKNOWN_OPTIONS = """
import mainspring as ms

POLICY = ms.Retry(attempt=3)

@ms.task(retry=POLICY)
def pay() -> int:
    return 1

@ms.on.cron("0 3 * * *", timezone="UTC")
@ms.task
def nightly() -> int:
    return 2

@ms.step
def twice(number: int) -> int:
    return 2 * number

@ms.workflow
async def fan(run: ms.Run) -> list[int]:
    return await run.map(twice, [1, 2], item="x")

@ms.task
def fine() -> int:
    return 4
"""


def test_unknown_option_in_a_file_keeps_its_automation_out_and_no_other(cli, folder):
    """Call, option, nearest one, file and line; the others of the file run."""
    (folder / "jobs.py").write_text(UNKNOWN_OPTIONS)
    result = cli("run", "pay", "-m", "jobs.py")
    assert "ms.Retry has no option 'attempt'" in result.err
    assert "jobs.py:6" in result.err
    assert "Did you mean 'attempts'?" in result.err
    result = cli("run", "nightly", "-m", "jobs.py")
    assert "ms.on.cron has no option 'timezone'" in result.err
    assert "jobs.py:10" in result.err
    result = cli("run", "fan", "-m", "jobs.py")
    assert result.code == 5
    assert "UnknownOptionError: run.map has no option 'item' (jobs.py:21 in fan)" in result.err
    assert cli("run", "fine", "-m", "jobs.py").out.strip() == "4"


def test_run_of_a_file_that_up_does_not_load_reports_that_its_schedule_is_on_record(cli, folder):
    """With the command that loads it, and the one that ends the schedule; where the configuration names the file, nothing is said."""
    (folder / "rates.py").write_text(
        'import mainspring as ms\n\n@ms.task(every="1h")\ndef rates() -> int:\n    return 7\n'
    )
    result = cli("run", "rates", "-m", "rates.py")
    assert result.out == "7\n"
    assert "Start one: mainspring up -m rates.py. To end the schedule: mainspring auto retire rates\n" in result.err
    (folder / "mainspring.toml").write_text('[project]\nautomations = ["rates.py"]\n')
    assert "schedule" not in cli("run", "rates").err


def test_headers_of_the_command_line_reach_the_run(cli, folder):
    """Each --header is NAME=VALUE; a word without a value starts nothing."""
    (folder / "headers.py").write_text(
        "import mainspring as ms\n\n@ms.task\ndef show() -> dict[str, str]:\n    return dict(ms.headers())\n"
    )
    result = cli("run", "-m", "headers.py", "show", "--header", "Tenant=acme", "--header", "q=a=b")
    assert json.loads(result.out) == {"tenant": "acme", "q": "a=b"}, result
    printed = cli("runs", "show", "@last").out
    assert '"tenant": "acme"' in printed or '"tenant":"acme"' in printed
    cli("run", "-m", "headers.py", "show", "--header", "x-token=hush")
    assert "hush" not in cli("runs", "show", "@last").out.partition("result")[0]
    result = cli("run", "-m", "headers.py", "show", "--header", "tenant")
    assert result.code == 2
    assert "--header NAME=VALUE" in result.err
    for again in ("x=2", "X=2"):
        result = cli("run", "-m", "headers.py", "show", "--header", "x=1", "--header", again)
        assert (result.code, result.out) == (2, "")
        assert "--header x is given more than once" in result.err
