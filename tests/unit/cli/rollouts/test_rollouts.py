"""`mainspring rollout`: a rollout starts, is held, continues and ends; each refusal names its cause and the next command."""

import json

import pytest

import mainspring as ms
from mainspring.domain.rollouts.rollout import hash_rollout_key
from mainspring.domain.states import RolloutMove, RunState
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.service.bulk_operation import run_next_piece
from mainspring.store.commands.rollouts import MoveRollout
from mainspring.store.commands.runs import ClaimRuns, CompleteRun, StartRun
from mainspring.store.commands.sessions import CloseSession
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.read.status.status import audit_rows


def declare() -> Registry:
    with Registry() as registry:

        @ms.task(name="tidy", version=1)
        def first(folder: str = "/srv") -> None: ...

        @ms.task(name="tidy", version=2, rollout=True)
        def second(folder: str = "/srv") -> None: ...

        @ms.task(name="tidy", version=3, rollout=True, rollout_by="{folder}")
        def third(folder: str = "/srv") -> None: ...

        @ms.workflow(name="tidy", version=4, rollout=True)
        async def fourth(run: ms.Run, folder: str = "/srv") -> None: ...

        @ms.task(name="tidy", version=5, rollout=True)
        def fifth(folder: str, depth: int) -> None: ...

        @ms.task(name="tidy", version=6, rollout=True)
        def sixth(folder: str = "/srv", depth: int = 1) -> None: ...

        @ms.task(name="move", version=1)
        def move(source: str) -> None: ...

        @ms.task(name="move", version=2, rollout=True)
        def move_all() -> None: ...

        @ms.task(name="lonely", rollout=True)
        def lonely() -> None: ...

    return registry


@pytest.fixture
def rollout(cli, stage):
    """Calls `mainspring rollout` on a store where a worker has six versions of tidy."""
    stage.do(build_announcement(declare(), stage.now))
    return lambda *words: cli("rollout", *words)


def start_run(stage, run, key):
    command = StartRun(
        id=run, automation="tidy", kind="task", version=1, input=b"{}", codec="json", trigger="test",
        rollout_key=hash_rollout_key("tidy", key),
    )  # fmt: skip
    stage.do(command)
    return run_view(stage.store.reader, run)


def test_rollout_starts_and_is_displayed(rollout):
    """What it divides, how both sides do, and what comes next; the start also prints how many runs each step needs."""
    started = rollout("start", "tidy", "--to", "2", "--steps", "5%,100%", "--hold", "1h", "--age", "10m")
    assert (started.code, started.err) == (0, "")
    first, *_ = started.out.splitlines()
    assert "version 2 gets 5 % of the keys, version 1 the others (step 1 of 2" in first
    displayed, plan = started.out.split("  5 % needs about ")
    assert displayed.splitlines()[-1].startswith("Next: 100 % of the keys at ")
    assert "a run counts 10m after its start" in displayed
    assert " runs with different keys, " in plan
    assert "of version 2\n    no run ended in the last day" in plan
    assert "if 20 points more of them fail: rolled back after about " in plan
    assert rollout("status", "tidy").out == displayed
    view = rollout("status", "tidy", "--json").json
    assert (view["state"], view["percent"], view["steps"], view["hold_ms"]) == ("running", 5.0, [5.0, 100.0], 3_600_000)
    (row,) = rollout("status").out.splitlines()[1:]
    assert row.split()[:6] == ["tidy", "running", "1", "->", "2", "5"]


def test_verdict_of_a_past_step_stays_in_the_status(rollout, stage):
    """With the instant at which it ended."""
    rollout("start", "tidy", "--to", "2", "--steps", "50%,75%,100%")
    stage.do(MoveRollout(automation="tidy", move=RolloutMove.ADVANCE))
    (line,) = (line for line in rollout("status", "tidy").out.splitlines() if "ended at" in line)
    assert line.startswith("  step 1, 50 % of the keys, ended at ")
    assert line.endswith(": not enough runs")
    (past,) = rollout("status", "tidy", "--json").json["past_steps"]
    assert (past["step"], past["percent"], past["verdict"], past["metrics"]) == (1, 50.0, "not_enough", [])


def test_rollout_watches_a_number_that_the_old_version_measures(rollout, stage):
    """A name that no run of it has measured is refused, with the nearest one: nothing would ever be compared."""
    start_run(stage, "r1", "k")
    (run,) = stage.do(ClaimRuns("c1", 1)).runs
    stage.do(CompleteRun(run.id, run.claim, "tidy", "tidy#1", "tidy", 0, 1, 1, None, b"null", numbers='{"cost":2.5}'))
    words = ("start", "tidy", "--to", "2", "--watch")
    refused = rollout(*words, "costs")
    assert refused.code != 0
    assert "no recent run of version 1 of 'tidy' has measured 'costs'" in refused.err
    assert "Did you mean 'cost'?" in refused.err
    assert "higher or lower" in rollout(*words, "cost:less").err
    assert rollout(*words, "cost:lower").code == 0
    assert rollout("status", "tidy", "--json").json["watch"] == ["cost:lower"]


def test_rollout_that_does_not_exist_is_displayed_as_such(rollout):
    """The way to start one is printed."""
    assert rollout("status").err.startswith("There is no rollout.")
    assert "mainspring rollout start tidy --to VERSION" in rollout("status", "tidy").out
    assert rollout("status", "tidy", "--json").json is None


def test_rollout_is_paused_and_resumed(rollout, stage):
    """Each is an operation on record."""
    rollout("start", "tidy", "--to", "2")
    assert "mainspring rollout resume tidy" in rollout("pause", "tidy").out
    assert "is running" in rollout("resume", "tidy").out
    verbs = [row.verb for row in audit_rows(stage.store.reader, limit=3)]
    assert verbs == ["rollout resume", "rollout pause", "rollout start"]
    plan = json.loads(audit_rows(stage.store.reader, limit=3)[-1].detail)
    assert (plan["in_flight"], plan["age_ms"], plan["margin"]) == ("finish", 60_000, 50_000)


def test_finish_needs_a_confirmation(rollout, cli):
    """It brings the new version into force for all."""
    rollout("start", "tidy", "--to", "2")
    refused = rollout("finish", "tidy")
    assert (refused.code, "Add -y" in refused.err) == (2, True)
    assert "version 2 is in force" in rollout("finish", "tidy", "-y").out
    assert rollout("status", "tidy", "--json").json["percent"] == 100
    assert cli("auto", "show", "tidy", "--json").json["version"] == 2


def test_abort_stops_the_runs_of_the_new_version_on_request(rollout, stage):
    """The bulk operation is named."""
    rollout("start", "tidy", "--to", "2", "--steps", "100%", "--in-flight", "stop")
    assert start_run(stage, "r1", "k1").version == 2
    aborted = rollout("abort", "tidy", "--reason", "too slow")
    assert "was aborted" in aborted.out
    assert "Reason: too slow." in aborted.out
    assert "mainspring bulk show " in aborted.err + aborted.out
    while run_next_piece(stage.store):
        pass
    assert run_view(stage.store.reader, "r1").state is RunState.CANCELLED
    assert start_run(stage, "r2", "k1").version == 1


def test_abort_lets_runs_finish_by_default(rollout, stage):
    """Nothing is cancelled."""
    rollout("start", "tidy", "--to", "2", "--steps", "100%")
    start_run(stage, "r1", "k1")
    rollout("abort", "tidy")
    assert not run_next_piece(stage.store)
    assert run_view(stage.store.reader, "r1").state is RunState.QUEUED


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("tidy", "--to", "2", "--steps", "5%,200%"), 2, "a share of 200 % is not possible"),
        (("tidy", "--to", "2", "--steps", "50%,5%,100%"), 2, "the steps 50 %, 5 %, 100 % do not grow"),
        (("tidy", "--to", "2", "--steps", "5%,50%"), 2, "Add 100% as the last step"),
        (("tidy", "--to", "2", "--steps", "many"), 2, "'many' is not a share"),
        (("tidy", "--to", "2", "--hold", "31d"), 2, "at most 30 days"),
        (("tidy", "--to", "2", "--age", "1ms"), 2, "at least 1 second"),
        (("tidy", "--to", "2", "--age", "31d"), 2, "and of at most 30 days"),
        (("tidy", "--to", "2", "--margin", "100%"), 2, "below 100 %"),
        (("tidy", "--to", "3"), 2, "version 3 has rollout_by='{folder}'"),
        (("tidi", "--to", "2"), 3, "Did you mean 'tidy'?"),
        (("tidy", "--to", "7"), 3, "no worker has ever announced version 7 of 'tidy'; known: 1, 2, 3, 4, 5, 6"),
        (("tidy", "--to", "1"), 8, "version 1 of 'tidy' is in force already"),
    ],
)
def test_rollout_that_cannot_start_is_refused(rollout, words, code, sentence):
    """The cause is named, and no rollout starts."""
    refused = rollout("start", *words)
    assert (refused.code, refused.out) == (code, "")
    assert sentence in refused.err
    assert rollout("status", "--json").json == []


def test_version_without_a_worker_is_refused(rollout, stage):
    """Its runs would wait for ever."""
    stage.do(CloseSession())
    refused = rollout("start", "tidy", "--to", "2")
    assert "no running worker has version 2 of 'tidy'" in refused.err
    assert "mainspring up" in refused.err


def test_rollout_of_a_retired_automation_is_refused(rollout, cli):
    """It starts no run, so nothing would ever count."""
    cli("auto", "retire", "tidy", "-y")
    refused = rollout("start", "tidy", "--to", "2")
    assert (refused.code, refused.err.splitlines()[0]) == (8, "error: automation 'tidy' is retired")
    assert "mainspring auto resume" in refused.err


def test_rollout_of_the_only_version_is_refused(rollout):
    """There is no other one to compare it with, and it needs none."""
    refused = rollout("start", "lonely", "--to", "1")
    assert (refused.code, "no version of 'lonely' is in force" in refused.err) == (8, True)
    assert "Remove rollout=True" in refused.err


def test_rollout_to_another_kind_is_refused(rollout):
    """A run has the kind of its automation, and a task has no undo."""
    refused = rollout("start", "tidy", "--to", "4")
    assert (refused.code, "version 1 of 'tidy' is a task, and version 4 is a workflow" in refused.err) == (2, True)


def test_rollout_to_other_arguments_is_refused(rollout):
    """Runs are started with the arguments of the version in force, so each run of the new one would fail."""
    refused = rollout("start", "tidy", "--to", "5")
    assert (
        refused.code,
        "version 5 of 'tidy' needs the argument 'depth', and version 1 does not have it" in refused.err,
    ) == (2, True)
    assert "a default" in refused.err
    refused = rollout("start", "move", "--to", "2")
    assert (
        refused.code,
        "version 2 of 'move' does not have the argument 'source', and version 1 needs it" in refused.err,
    ) == (2, True)
    assert rollout("start", "tidy", "--to", "6").code == 0


def test_second_rollout_is_refused(rollout):
    """One rollout divides the runs of an automation."""
    rollout("start", "tidy", "--to", "2")
    refused = rollout("start", "tidy", "--to", "2")
    assert (refused.code, "the rollout of 'tidy' to version 2 is running" in refused.err) == (8, True)
    assert "mainspring rollout abort" in refused.err


def test_version_that_was_aborted_starts_again_on_request(rollout):
    """The same code would fail again."""
    rollout("start", "tidy", "--to", "2")
    rollout("abort", "tidy")
    refused = rollout("start", "tidy", "--to", "2")
    assert (refused.code, "was aborted with the same code" in refused.err, "--again" in refused.err) == (8, True, True)
    assert rollout("start", "tidy", "--to", "2", "--again").code == 0


@pytest.mark.parametrize("move", ["pause", "resume", "abort", "finish"])
def test_ended_rollout_moves_no_more(rollout, move):
    """The version is in force, so the message has the way back."""
    rollout("start", "tidy", "--to", "2")
    rollout("finish", "tidy", "-y")
    refused = rollout(move, "tidy", *(["-y"] if move == "finish" else []))
    assert refused.code == 8
    assert refused.err.splitlines() == [
        "error: the rollout of 'tidy' to version 2 is finished",
        "The way back is a rollout, too: `mainspring rollout start NAME --to VERSION --steps 100% --hold 1m`.",
    ]


def test_move_without_a_rollout_names_how_to_start_one(rollout):
    """The name is right, so it is no typing error."""
    refused = rollout("pause", "tidy")
    assert refused.code == 3
    assert refused.err.splitlines() == [
        "error: 'tidy' has no rollout",
        "Start one: `mainspring rollout start NAME --to VERSION`.",
    ]
