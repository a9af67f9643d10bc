"""The command `mainspring test crash`: real processes are killed at each crash point of a run."""

from pathlib import Path

import pytest

from tests.acceptance.one_project import Project

CODE = '''
import asyncio
import sqlite3
import threading
import time
from pathlib import Path

import mainspring as ms


def pay(number: int) -> None:
    with Path("payments.txt").open("a") as file:
        file.write(f"order {number}\\n")


def pay_once(number: int) -> None:
    if not Path(f"payment-{number}.txt").exists():
        Path(f"payment-{number}.txt").write_text("paid")


@ms.workflow
async def order(run: ms.Run, number: int) -> str:
    await run.step(pay, number)
    return "paid"


@ms.workflow
async def safe_order(run: ms.Run, number: int) -> str:
    await run.step(pay_once, number)
    await asyncio.sleep(3 * 86_400)
    return "paid"


@ms.workflow
async def careful_order(run: ms.Run, number: int) -> str:
    await run.options(delivery="at_most_once").step(pay, number)
    return "paid"


@ms.workflow
async def approved_order(run: ms.Run, number: int) -> str:
    if await run.ask("pay?") == "yes":
        await run.step(pay_once, number)
    return "done"


@ms.workflow
async def refused_order(run: ms.Run, number: int) -> None:
    await run.step(pay_once, number)
    raise ms.Permanent("sold out")


@ms.workflow
async def changing_order(run: ms.Run, number: int) -> None:
    """Give the step other arguments in each process."""
    await run.step(pay_once, len(list(Path.cwd().iterdir())))


@ms.workflow
async def outer_order(run: ms.Run, number: int) -> None:
    await run.child(safe_order, number)


@ms.step(isolate="process")
def pay_apart(number: int) -> None:
    pay_once(number)


@ms.workflow
async def isolated_order(run: ms.Run, number: int) -> None:
    await run.step(pay_apart, number)


@ms.task
def slow(number: int) -> None:
    threading.Event().wait()


def answer(lab, run):
    run.until("waiting")
    run.answer("yes")


def use_fakes(lab):
    lab.fake(pay, side_effect=pay_once)
'''


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with these workflows, and no store."""
    return Project(tmp_path, CODE)


def kill(project: Project, *words: str, code: int) -> str:
    """Kill a run of order 7 at its crash points; return what the command prints."""
    done = project.call("test", "crash", *words, code=code)
    assert not Path(project.store).exists()
    return done.stdout + done.stderr


def test_doubled_effect_is_named_and_its_point_repeated(project):
    """The report has the step, the effect and the command that repeats the point."""
    output = kill(project, "order", "number=7", "--jobs", "2", code=9)
    place = "order, pay#1, attempt 1, after the return"
    assert f"doubled: {place}\n    line of payments.txt: order 7 is there 2 times, and not 1 times" in output
    assert output.count("Fix: ") == 1
    assert f"mainspring test crash order number=7 --at '{place}'" in output
    assert "order: killed at 1 crash points: 1 doubled" in kill(project, "order", "number=7", "--at", place, code=9)


def test_cases_as_json(project):
    """For programs: each case with its point and verdict."""
    report = project.json("test", "crash", "order", "number=7", "--at", "pay#1", code=9)
    verdicts = {case["point"]["phase"]: case["verdict"] for case in report["cases"]}
    assert verdicts == {
        "before the call": "same",
        "after the return": "doubled",
        "before the commit: save outcome": "doubled",
        "after the commit: save outcome": "same",
    }


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("safe_order",), "same"),
        (("careful_order",), "4 needs a person"),
        (("approved_order", "--play", "work.py:answer"), "same"),
        (("refused_order",), "without a kill, a run of refused_order is failed with"),
        (("outer_order",), "same"),
        (("isolated_order",), "not cut: code of step pay_apart in its child process"),
        (("order", "--setup", "work.py:use_fakes"), "same"),
        (("safe_order", "--lines"), "same"),
        (("safe_order", "--points", "3", "--seed", "5"), "killed at 3 crash points"),
    ],
)
def test_safe_workflow_has_no_finding(project, words, line):
    """Waits, questions, children, failures and effects in doubt are no findings."""
    output = kill(project, *words, "number=7", code=0)
    assert line in output
    assert "doubled" not in output
    assert "void" not in output


def test_step_with_other_arguments_after_a_kill_is_a_finding(project):
    """A workflow that is not deterministic ends in another way."""
    output = kill(project, "changing_order", "number=7", code=9)
    assert "different: changing_order" in output


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ("order", "number=7", "--at", "refund"),
            2,
            "no crash point has 'refund'\nCrash points of this run:\n  order, pay#1",
        ),
        (("order", "number=x"), 2, "expected int, got 'x'"),
        (("ordre", "number=7"), 3, "order"),
        (("order", "number=7", "--within", "soon"), 2, "'soon' is not a span of time"),
        (("order", "number=7", "--play", "work.py"), 2, "'work.py' is no FILE:FUNCTION of a file that is there"),
        (("order", "number=7", "--play", "work.py:nobody"), 1, "has no nobody at its top"),
        (
            ("approved_order", "number=7", "--within", "1h"),
            1,
            "without a kill, the run of 'approved_order' does not end",
        ),
        (("slow", "number=7"), 1, "It waits for step slow of run"),
    ],
)
def test_bad_input_is_named(project, words, code, message):
    """The message has the thing, and what to do."""
    assert message in kill(project, *words, code=code)


def test_code_that_starts_a_thread_is_refused(project):
    """A fork would lose the thread."""
    code = f"{CODE}\nthreading.Thread(target=threading.Event().wait, name='metrics', daemon=True).start()\n"
    (project.folder / "work.py").write_text(code)
    assert "the code starts a thread when it is imported (metrics)" in kill(project, "order", "number=7", code=1)
