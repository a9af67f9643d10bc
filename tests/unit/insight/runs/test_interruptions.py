"""Deaths of workers, and steps that give no sign of life, as `explain` and `runs show` report them."""

import pytest

from mainspring.domain.processes.worker_loss import LossDetection, WorkerLoss
from mainspring.domain.states import AttemptState
from mainspring.insight.runs.interruptions import describe_losses
from mainspring.store.commands.journal import ClearStalledAttempt, RecordStalledAttempt, SaveAttempt

STACK = ("/srv/shop.py:7 charge", "/usr/lib/python3.13/socket.py:719 SocketIO.readinto")


@pytest.mark.parametrize(
    ("deaths", "last"),
    [(6, "At least one more of its workers died before."), (7, "At least 2 more of its workers died before.")],
)
def test_deaths_that_are_not_displayed_are_counted(deaths, last):
    """Five are shown; one more is one worker, not "1 of its workers or more"."""
    losses = [WorkerLoss("r_1", claim, 1, "worker", "box", 7, 0, 1, LossDetection.CRASH) for claim in range(deaths)]
    assert describe_losses(losses, str)[5:] == [last]


def test_death_in_words_names_how_the_process_ended():
    """A process that its supervisor saw end, and one that drained although no one had asked for that."""
    successor = {
        "resumed_session": 2,
        "resumed_role": "worker",
        "resumed_hostname": "box",
        "resumed_pid": 9,
        "resumed_at": 900,
    }
    finder = {"finder_role": "supervisor", "finder_hostname": "box", "finder_pid": 1}
    crash = WorkerLoss(
        "r_1", 1, 1, "worker", "box", 7, 100, 200, LossDetection.CRASH, ending="exit 0", **finder, **successor
    )
    drain = WorkerLoss(
        "r_1", 1, 1, "worker", "box", 7, 200, 200, LossDetection.OWN_REPORT, ending="SIGTERM without a request to stop"
    )
    assert describe_losses([crash, drain], str) == [
        (
            "Its worker process 7 on box (session 1) died (exit 0), last heard of at 100, found dead at 200"
            " (its supervisor saw it end, noticed by supervisor process 1 on box)."
            " Worker process 9 on box (session 2) continued it after 800ms."
        ),
        (
            "Its worker process 7 on box (session 1) died (SIGTERM without a request to stop) at 200: it drained and reported that itself."
            " No worker has continued it since."
        ),
    ]


def test_run_that_was_continued_before_its_worker_reported_the_drain_is_reported():
    """Who continued it is not known where that worker has given it back too."""
    drain = WorkerLoss("r_1", 1, 1, "worker", "box", 7, 200, 200, LossDetection.OWN_REPORT, resumed_at=150)
    assert describe_losses([drain], str)[0].endswith("Another worker had continued it by then.")


def test_hanging_step_is_reported_with_its_place(cli, stage):
    """Since when, the innermost first, and what may help; no longer once it gave a sign."""
    run = stage.begin()
    mark = (run.id, run.claim, "dump", "dump", 0, 2, AttemptState.STARTED, 1, stage.now, "backup")
    stage.do(SaveAttempt(*mark))
    stage.do(RecordStalledAttempt(run.id, run.claim, "dump", "dump", 2, 3_720_000, STACK))
    found = cli("explain", run.id, "--json").json
    place = found["what"].index(
        "Attempt 2 of step dump has reported no log, progress or checkpoint for 1h2m, and nothing ends it. Its stack"
    )
    assert found["what"][place + 1 : place + 3] == [f"at {STACK[1]}", f"at {STACK[0]}"]
    commands = [can["command"] for can in found["can"]]
    assert commands[0] == f"mainspring runs logs {run.id}"
    assert f"mainspring runs cancel {run.id}" in commands
    view = cli("runs", "show", run.id)
    assert "no log, progress or checkpoint for 1h2m" in view.out
    assert STACK[0] in view.out
    (stall,) = cli("runs", "show", run.id, "--json").json["stalls"]
    assert (stall["step"], stall["stack"]) == ("dump", list(STACK))
    stage.do(ClearStalledAttempt(run.id, run.claim, "dump", 2))
    assert "no log, progress or checkpoint" not in cli("explain", run.id).out
