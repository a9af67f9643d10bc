"""Why a run is not taken up: each thing that may be in its way, as `explain` tells it."""

import msgspec
import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.effects.effect import CallOutcome
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import AttemptState, FailureReason, OutcomeState, RunState
from mainspring.insight.runs.waits import describe_waits
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run_start import start
from mainspring.store.commands.automations import (
    AnnounceDefinitions,
    PauseAutomation,
    PauseQueue,
    RetireAutomation,
    SetMeta,
    SetQueue,
)
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.journal import SaveAttempt
from mainspring.store.commands.runs import ClaimRuns, ParentLink, StartRun, SuspendRun
from mainspring.store.commands.sessions import DrainSession
from mainspring.store.read.runs.run_views import run_history
from mainspring.store.read.status import status
from mainspring.store.restore_hold import HOLD_KEY
from tests.contract.store.process import fail, finish, halt, outcome, signal
from tests.unit.cli.conftest import BACKUP, ORDER
from tests.unit.cli.effects.test_effects import begin, settle


def explain_run(cli, run):
    """(why, next, commands) of a run."""
    found = cli("explain", run, "--json").json
    return " ".join(found["why"]), " ".join(found["next"]), [can["command"] for can in found["can"]]


def test_run_that_nothing_blocks_is_taken_at_any_moment(cli, stage):
    """A live worker has it: nothing is in the way."""
    text, then, _ = explain_run(cli, stage.start())
    assert text == ""
    assert then == "A worker should claim it at any moment."


def test_held_store_is_reported_first(cli, stage):
    """After a restoring nothing starts, whatever else there is."""
    run = stage.start(due_at=stage.now + 60_000)
    stage.do(SetMeta(HOLD_KEY, "1"))
    text, then, can = explain_run(cli, run)
    assert text.startswith("The store is on hold after a restore or a loss")
    assert can[0] == "mainspring db restore --release"
    assert then == "It does not continue before that changes."


@pytest.fixture
def restored(cli, stage, store_path):
    """A store with a queued and a waiting run, put back from its backup; gives the two ids."""
    queued, run = stage.start(due_at=stage.now + 3_600_000), stage.begin()
    waits = b'[{"kind": "signal", "name": "paid", "ident": "s1", "until_at": null}]'
    stage.do(OpenWait(run.id, run.claim, "s1", "signal", "paid"))
    stage.do(SuspendRun(run.id, run.claim, RunState.WAITING, None, 0, 0, waits))
    assert cli("db", "backup", str(store_path.parent / "copies")).code == 0
    stage.store.close()
    assert cli("db", "restore", str(store_path.parent / "copies"), "-y").code == 0
    return queued, run.id


@pytest.mark.parametrize("place", [0, 1], ids=["queued", "waiting"])
def test_hold_with_undecided_runs_names_the_command_that_lists_them(cli, restored, place):
    """A release is refused before all are decided, so it is offered only then; a waiting run names the hold too."""
    run = restored[place]
    text, then, can = explain_run(cli, run)
    assert "The store is on hold after a restore or a loss" in text
    assert "2 unfinished runs must be decided, including this one" in text
    assert then == "It does not continue before that changes."
    assert can[0] == "mainspring db restore --undecided"
    assert "mainspring db restore --release" not in can
    assert cli(*can[0].split()[1:], "--json").json
    assert cli("db", "restore", "--release").code != 0
    assert cli("db", "restore", "--decide", "continue", "--run", run, "-y").code == 0
    assert "1 unfinished run must be decided." in explain_run(cli, run)[0]
    assert cli("db", "restore", "--decide", "continue", "-y").code == 0
    text, then, can = explain_run(cli, run)
    assert "decided" not in text
    assert can[0] == "mainspring db restore --release"
    assert cli(*can[0].split()[1:]).code == 0
    assert "on hold" not in explain_run(cli, run)[0]


def test_run_that_needs_a_person_names_the_hold(cli, stage):
    """Continued it would start only after the release."""
    run = stage.begin()
    stage.do(halt(run))
    stage.do(SetMeta(HOLD_KEY, "1"))
    _, then, can = explain_run(cli, run.id)
    assert "The store is on hold after a restore or a loss" in then
    assert can[0] == "mainspring db restore --release"


def test_due_time(cli, stage):
    """A run that is meant for later says when, and continues by itself."""
    text, then, _ = explain_run(cli, stage.start(due_at=stage.now + 3_600_500))
    assert text.startswith("It is not due before ")
    assert text.endswith("(in 1h).")
    assert then == "It continues by itself at that time."


def test_run_that_waits_for_its_turn_names_the_rate(cli, stage):
    """The option of its automation, and for whom it counts."""
    options = {"rate": "10/m", "per": "{customer}"}
    mail = Definition(kind=DefinitionKind.TASK, name="mail", options=options)
    stage.announce(mail)
    text, then, _ = explain_run(cli, stage.start(mail, b'{"customer":"acme"}', due_at=stage.now + 60_500))
    assert text.endswith("(in 1m). mail has rate=10/m for each {customer}: more runs wait.")
    assert then == "It continues by itself at that time."


def test_paused_automation_and_queue_name_who_and_why(cli, stage):
    """Paused by whom, since when, for what reason; the commands that take it back."""
    run = stage.start()
    stage.do(PauseAutomation("backup", None, "cli:ann@box", "disk swap"))
    stage.do(PauseQueue("default", True, "cli:bob@box"))
    text, _, can = explain_run(cli, run)
    assert "backup was paused now by cli:ann@box: disk swap." in text
    assert "Queue default was paused now by cli:bob@box." in text
    assert can[:2] == ["mainspring auto resume backup", "mainspring queues resume default"]


def test_pause_with_an_end_ends_by_itself(cli, stage):
    """Until when, and nothing has to be done."""
    run = stage.start()
    stage.do(PauseAutomation("backup", stage.now + 7_200_500, "cli:ann@box", None))
    text, then, _ = explain_run(cli, run)
    assert "(in 2h)" in text
    assert then == "It continues by itself at that time."


def test_retired_automation_that_no_worker_has_is_named_with_cancel_and_resume(cli, stage):
    """Not "start a worker": that it is retired, how to take that back, and how to cancel; queued or waiting."""
    waiting, queued = stage.begin(ORDER, b'{"customer": "a"}'), stage.start()
    stage.do(SuspendRun(waiting.id, waiting.claim, RunState.WAITING, None, 0, 0))
    stage.do(RetireAutomation("backup"))
    stage.do(RetireAutomation("order"))
    assert explain_run(cli, queued)[0] == ""  # the worker has loaded it and takes the run
    stage.do(AnnounceDefinitions("other", (), ()))
    for run, name in ((queued, "backup"), (waiting.id, "order")):
        text, then, can = explain_run(cli, run)
        assert text == f"{name} was retired now, and no running worker has loaded it."
        assert then == "It does not continue before that changes."
        words = (f"auto resume {name}", f"runs pause {run}", f"runs cancel {run}")
        assert can == [f"mainspring {line}" for line in words]


def test_pause_of_a_retired_automation_names_the_retirement(cli, stage):
    """One command takes both back."""
    run = stage.start()
    stage.do(PauseAutomation("backup", None, "ann", None))
    stage.do(RetireAutomation("backup"))
    assert explain_run(cli, run)[0] == "backup was paused now by ann. It was retired now."


def test_deadline_that_passed_in_a_pause_is_reported_as_passed(cli, stage):
    """The run ends by it when a worker takes it."""
    run = stage.start(msgspec.structs.replace(BACKUP, options={"deadline": "1ms"}))
    stage.do(PauseAutomation("backup", None, "ann", None))
    then = cli("explain", run, "--json").json["next"]
    assert then[1].startswith("Its deadline passed at ")
    assert then[1].endswith(": it ends when a worker claims it.")


def child_of(parent, number):
    """Return the command that starts a backup as a child of the run."""
    link = ParentLink(parent.id, f"backup#{number}", parent.claim)
    return StartRun(f"r_child{number}", "backup", "script", 1, b"{}", "json", "child", parent=link)


def test_parent_that_awaits_a_paused_child_names_the_pause(cli, stage):
    """What is in the way of its child, with the command; nothing of a child that it does not wait for."""
    run = stage.begin(ORDER, b'{"customer": "a"}')
    child, other = (stage.do(child_of(run, number)).run for number in (1, 2))
    waits = b'[{"kind": "child", "name": "backup", "ident": "backup#1", "until_at": null}]'
    stage.do(SuspendRun(run.id, run.claim, RunState.WAITING, None, 0, 0, waits))
    assert explain_run(cli, run.id)[0] == ""
    stage.do(PauseAutomation("backup", None, "ann", "disk swap"))
    text, then, can = explain_run(cli, run.id)
    assert text == f"Its child {child} (backup) does not continue: backup was paused now by ann: disk swap."
    assert then == "It continues when its wait ends."
    assert can == [
        f"mainspring {words}" for words in ("auto resume backup", f"runs pause {run.id}", f"runs cancel {run.id}")
    ]
    assert other not in text


def test_parent_names_a_child_that_needs_a_person(cli, stage):
    """A blocker of another kind: the child stopped."""
    run = stage.begin(ORDER, b'{"customer": "a"}')
    waits = b'[{"kind": "child", "name": "backup", "ident": "backup#1", "until_at": null}]'
    stage.do(child_of(run, 1))
    stage.do(halt(stage.claim(), "pay"))
    stage.do(SuspendRun(run.id, run.claim, RunState.WAITING, None, 0, 0, waits))
    text, _, can = explain_run(cli, run.id)
    assert text == "Its child r_child1 (backup) needs a person."
    assert can[0] == "mainspring explain r_child1"


def test_partition_names_the_run_that_holds_the_key(cli, stage):
    """The key, the queue, and the run to look at."""
    first = stage.begin(ORDER, b'{"customer": "c1"}')
    text, _, can = explain_run(cli, stage.start(ORDER, b'{"customer": "c1"}'))
    assert text == f"Run {first.id} has partition key 'c1' of queue default: runs with one key run one after another."
    assert can[0] == f"mainspring explain {first.id}"


def test_limit_of_a_queue_names_what_has_its_places(cli, stage):
    """How many at once, and who they are; then the place in the line."""
    stage.do(SetQueue("default", 1))
    first = stage.begin()
    stage.start()
    text, then, _ = explain_run(cli, stage.start())
    assert f"Queue default allows 1 run at once, and that many run: {first.id} (backup)." in text
    assert "It is number 2 of the ready runs in queue default." in text
    assert then == "It continues by itself when it is its turn."


def test_rate_of_a_queue_reports_the_next_start(cli, stage):
    """One a minute: the second one waits for most of it."""
    stage.do(SetQueue("default", None, 1, 60_000))
    stage.begin()
    text, _, _ = explain_run(cli, stage.start())
    assert "The rate limit of queue default lets the next run start at " in text
    assert "(in 59s)" in text or "(in 1m)" in text


def test_no_worker_with_this_version_or_tag(cli, stage):
    """Which version and tag it needs, and what live workers have."""
    newer = Definition(kind=DefinitionKind.TASK, name="backup", version=3)
    text, _, can = explain_run(cli, stage.start(newer))
    assert text == "It needs version 3 of backup; running workers have version 1."
    assert "mainspring down; mainspring up -m /srv/scripts.toml" in can
    run = stage.start(tag="gpu")
    text, _, can = explain_run(cli, run)
    assert text == "No running worker with backup has tag gpu."
    assert "mainspring down; mainspring up -m /srv/scripts.toml --tag gpu" in can
    stage.do(ClaimRuns("tagged", 0, tags=("gpu",)))
    assert "tag" not in explain_run(cli, run)[0]


def test_no_worker_that_serves_the_queue(cli, stage):
    """Workers say which queues they claim from: the run's own is not among them; `workers list` shows it too."""
    run = stage.start(queue="mail")
    assert explain_run(cli, run)[0] == ""  # it has not yet said: all of them
    assert cli("workers", "list", "--json").json[0]["queues"] is None
    stage.do(ClaimRuns("c", 1, queues=("reports", "default"), tags=("gpu",)))
    text, then, can = explain_run(cli, run)
    assert text == "No running worker with backup serves queue mail; they serve default, reports."
    assert then == "It does not continue before that changes."
    assert "mainspring down; mainspring up -m /srv/scripts.toml" in can
    (row,) = cli("workers", "list", "--json").json
    assert row["queues"] == ["default", "reports"]
    assert row["tags"] == ["gpu"]
    assert row["automations"] == {"backup": [1], "order": [1]}
    assert "default, reports" in cli("workers", "list").out


def test_no_worker_at_all_or_only_draining_ones(cli, stage):
    """No one announced it; everyone is draining."""
    text, _, _ = explain_run(cli, stage.start(Definition(kind=DefinitionKind.TASK, name="other")))
    assert text == "No running worker has loaded other; no worker has ever announced it."
    run = stage.start()
    stage.do(DrainSession(stage.store.session))
    text, _, _ = explain_run(cli, run)
    assert text == "Every worker that has loaded backup drains and claims no runs."


def test_announced_without_it_is_no_worker(cli, stage):
    """A worker that no longer has the automation does not count."""
    run = stage.start()
    stage.do(AnnounceDefinitions("other", (), ()))
    assert explain_run(cli, run)[0] == "No running worker has loaded backup; running workers started without it."


def test_running_step_is_reported_with_its_attempt(cli, stage):
    """Who has it, which step, since when."""
    run = stage.begin()
    stage.do(SaveAttempt(run.id, run.claim, "dump", "dump", 0, 2, AttemptState.STARTED, 1, stage.now, "backup"))
    sentences = " ".join(cli("explain", run.id, "--json").json["what"])
    assert "by worker " in sentences
    assert "Step dump is at attempt 2, started now." in sentences


def test_running_command_is_not_called_continued(cli, stage):
    """Its process alone runs it; of a task another worker takes over."""
    nightly = Definition(kind=DefinitionKind.EXEC, name="nightly")
    act = operation_context(Actor.cli("ann", "box"), stage.clock)
    run = start(stage.store, stage.clock, nightly, b"{}", act=act, here=True).run
    assert "no worker continues it" in explain_run(cli, run)[1]
    assert "another worker continues it" in explain_run(cli, stage.begin().id)[1]


def test_run_of_a_process_that_died_names_who_continues_it(cli, stage, monkeypatch):
    """No process has taken note of it, and where no worker lives a person has to start one."""
    run = stage.begin().id
    assert "It runs, claimed by worker" in cli("explain", run, "--json").json["what"][0]
    monkeypatch.setattr(status, "has_process_ended", lambda host, pid, started: True)
    found = cli("explain", run, "--json").json
    assert found["what"] == ["Its process died, and no other process has recorded that yet."]
    assert found["next"] == ["It does not continue before a worker runs."]
    assert [can["command"] for can in found["can"]] == ["mainspring up -m /srv/scripts.toml", "mainspring watch"]


def test_retrying_step_reports_error_and_next_attempt(cli, stage):
    """What failed last, and when it is tried again."""
    run = stage.begin()
    at = stage.now + 120_500
    stage.do(
        SaveAttempt(
            run.id,
            run.claim,
            "dump",
            "dump",
            0,
            1,
            AttemptState.FAILED,
            1,
            stage.now,
            "backup",
            stage.now,
            at,
            Failure("E", "e", "503 busy"),
        )
    )
    stage.do(SuspendRun(run.id, run.claim, RunState.RETRYING, at, 0, 0))
    sentences = " ".join(cli("explain", run.id, "--json").json["what"])
    assert "Step dump failed at attempt 1: 503 busy" in sentences
    assert "(in 2m)" in sentences


def test_waiting_run_names_its_input_and_command(cli, stage):
    """Question with choices, signal, sleep: each with its end and its command."""
    run = stage.begin(ORDER, b'{"customer": "a"}')
    question = b'{"text": "Ship it?", "choices": ["yes", "no"]}'
    stage.do(OpenWait(run.id, run.claim, "q1", "ask", "ask", question=question))
    waits = b"""[{"kind": "answer", "name": "Ship it?", "ident": "q1", "until_at": null},
                 {"kind": "signal", "name": "paid", "ident": "s1", "until_at": 4000000000000},
                 {"kind": "timer", "name": "sleep", "ident": "t1", "until_at": 4000000000000}]"""
    stage.do(SuspendRun(run.id, run.claim, RunState.WAITING, None, 0, 0, waits))
    found = cli("explain", run.id, "--json").json
    sentences = " ".join(found["what"])
    assert "It asks: Ship it? [yes, no]." in sentences
    assert "It waits for signal paid, until 2096-10-02" in sentences
    assert "It sleeps, until 2096-10-02" in sentences
    commands = [can["command"] for can in found["can"]]
    assert commands[:2] == [f"mainspring runs answer {run.id} {choice}" for choice in ("yes", "no")]
    assert [can["body"] for can in found["can"][:2]] == [{"question": "q1", "choice": word} for word in ("yes", "no")]
    assert f"mainspring runs signal {run.id} paid JSON" in commands
    assert found["why"] == []


def test_end_of_a_wait_is_no_hindrance(cli, stage):
    """A wait with an end continues at that time at the latest; that it is not there yet is not told as a reason."""
    run = stage.begin()
    stage.do(SuspendRun(run.id, run.claim, RunState.WAITING, stage.now + 3_600_500, 0, 0))
    text, then, _ = explain_run(cli, run.id)
    assert text == ""
    assert then.startswith("It continues when its wait ends, at the latest at ")
    assert then.endswith("(in 1h).")


def test_step_in_doubt_offers_both_answers(cli, stage):
    """It happened, or it did not: each with its command."""
    run = stage.begin()
    stage.do(halt(run, "pay", FailureReason.IN_DOUBT))
    text, then, can = explain_run(cli, run.id)
    assert "may or may not have had its effect" in text
    assert "nothing is lost" in then
    assert can[0] == f"mainspring runs give-result {run.id} JSON --step pay"
    assert can[1] == f"mainspring runs retry {run.id} --again pay"


@pytest.mark.parametrize(("decision", "expected"), [("confirm", "(done)"), ("forget", "(it did not happen)")])
def test_decided_effect_lets_its_run_continue(cli, stage, decision, expected):
    """`explain` names the decision and the command that continues it, and no other."""
    run = stage.begin()
    begin(stage, decision, run=run.id)
    settle(stage, decision, CallOutcome.UNKNOWN)
    failure = Failure("EffectInDoubtError", "effect_in_doubt", "effect may or may not have happened", hint="hint")
    stage.do(outcome(run, 1, "order#1", state=OutcomeState.IN_DOUBT, output=None, failure=failure))
    stage.do(msgspec.structs.replace(halt(run, "order#1", FailureReason.IN_DOUBT, rank=1), failure=failure))
    text, _, can = explain_run(cli, run.id)
    assert text.endswith("Check at the target. Each decision below settles the effect too.")
    assert can[0] == f"mainspring runs give-result {run.id} JSON --step 'order#1'"
    assert cli("effects", "show", decision, "--json").json["can"][0]["command"] == can[0]
    assert cli("runs", "retry", run.id).code == 8
    decided = cli("effects", decision, decision, "-y")
    assert f"mainspring runs retry {run.id}" in decided.err
    text, _, can = explain_run(cli, run.id)
    assert expected in text
    assert can[0] == f"mainspring runs retry {run.id}"
    assert not any("--again" in command for command in can)
    assert cli("runs", "retry", run.id).code == 0


def test_every_reason_has_a_sentence():
    """No run stops for a reason that no one explains."""
    from mainspring.insight.runs.explanation import REASONS

    assert set(REASONS) == set(FailureReason)


def test_ended_runs_are_reported(cli, stage):
    """Succeeded: over. Failed: what and how to continue."""
    good = stage.begin()
    stage.do(finish(good))
    assert explain_run(cli, good.id)[1] == "Nothing more happens: it has ended."
    bad = stage.begin()
    stage.do(outcome(bad, 1, "dump", kind=OutcomeKind.STEP))
    stage.do(fail(bad, "dump"))
    text, _, can = explain_run(cli, bad.id)
    assert "The error is permanent" in text
    retries = [f"mainspring runs retry {bad.id}", f"mainspring runs retry {bad.id} --from-step dump"]
    assert can == [*retries, f"mainspring failed discard {bad.id} -y"]
    assert cli("failed", "discard", bad.id, "-y").code == 0
    assert explain_run(cli, bad.id)[2] == retries


def test_explain_prints_what_why_next_and_commands(cli, stage):
    """The four answers, as text."""
    run = stage.start(BACKUP, due_at=stage.now + 60_000)
    out = cli("explain", run).out
    assert [line.split()[0] for line in out.splitlines()[1:4]] == ["what", "why", "next"]
    assert f"$ mainspring runs cancel {run}" in out


def test_discarded_run_in_doubt_is_offered_only_what_is_accepted(cli, stage):
    """A plain retry is refused while a step is in doubt, and from that step on it would be repeated under a new key."""
    run = stage.begin()
    stage.do(outcome(run, 1, "pay", state=OutcomeState.IN_DOUBT, output=None))
    stage.do(halt(run, "pay", FailureReason.IN_DOUBT, rank=1))
    assert cli("failed", "discard", run.id, "-y").code == 0
    commands = [operation["command"] for operation in cli("explain", run.id, "--json").json["can"]]
    assert commands == [
        f"mainspring runs give-result {run.id} JSON --step pay",
        f"mainspring runs retry {run.id} --again pay",
    ]
    assert cli("runs", "retry", run.id, "--again", "pay", "-y").code == 0


def test_arguments_that_cannot_be_saved_are_not_called_a_step_that_is_done(cli, stage):
    """The step never ran."""
    run = stage.begin()
    stage.do(fail(run, reason=FailureReason.VALUE_REFUSED))
    reasons = " ".join(cli("explain", run.id, "--json").json["why"])
    assert "is done" not in reasons
    assert "cannot be saved" in reasons


def test_message_that_lies_in_the_inbox_is_not_waited_for(cli, stage):
    """It came; a worker has to take it in."""
    run = stage.begin()
    stage.do(OpenWait(run.id, run.claim, "go#1", "signal", "go"))
    waiting = b'[{"kind":"signal","name":"go","ident":"go#1","until_at":null}]'
    stage.do(SuspendRun(run.id, run.claim, RunState.WAITING, None, 0, 0, waiting))
    assert "It waits for signal go." in cli("explain", run.id).out
    stage.do(signal(run.id))
    assert "It has signal go, which arrived and is not processed yet." in describe_waits(
        run_history(stage.store.reader, run.id), 0, str
    )


def test_command_that_starts_a_worker_names_the_file_and_the_store(cli, stage, store_path):
    """The file in which the automation is declared, as the configuration does not; the store as this command got it."""
    run = stage.start()
    stage.store.close()
    can = cli("explain", run, "--store", str(store_path), "--json").json["can"]
    assert can[0]["command"] == f"mainspring --store {store_path} up -m /srv/scripts.toml"
