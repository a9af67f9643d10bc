"""What people decided of a run, and what settled it, as `explain` and `runs show` say it."""

import re

import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.errors import ConflictError
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import FailureReason, OutcomeState
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run import discard, mark_done
from mainspring.service.runs.run_recovery import give_result, retry_from
from mainspring.service.runs.run_start import start
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.read.runs.run_views import run_view
from tests.contract.store.process import fail, finish, halt, outcome

ITEM = Definition(kind=DefinitionKind.TASK, name="backup", options={"healthy": "item", "item": "{customer}"})
SAME = Definition(kind=DefinitionKind.TASK, name="backup", options={"healthy": "automation"})

JUST_NOW = r"(now|\d+s ago)"


def explained(cli, run):
    return cli("explain", run, "--json").json


def commands(found):
    return [can["command"] for can in found["can"]]


def by_ann(stage, reason=None):
    return operation_context(Actor.cli("ann", "box"), stage.clock, reason=reason)


def test_failed_run_that_a_later_success_settled_offers_no_retry(cli, stage):
    """The run that settled it is named; a retry is no more than a remark."""
    bad = stage.begin(SAME)
    stage.do(fail(bad))
    assert f"mainspring runs retry {bad.id}" in commands(explained(cli, bad.id))
    good = stage.begin(SAME)
    stage.do(finish(good))
    found = explained(cli, bad.id)
    assert f"It is settled: run {good.id}, a later run of backup, succeeded now." in found["what"]
    assert commands(found) == [f"mainspring runs show {good.id}"]
    remark = f"A retry would do its work a second time: mainspring runs retry {bad.id}"
    assert found["next"] == [f"Nothing more happens, and you need not do anything. {remark}"]
    assert found["settlement"]["how"] == "automation_succeeded"
    assert found["settlement"]["by"] == good.id
    assert "It is settled" in cli("runs", "show", bad.id).out
    assert cli("runs", "show", bad.id, "--json").json["settlement"] == found["settlement"]


def test_failed_run_that_a_success_of_its_item_settled_names_that_run(cli, stage):
    """Another item settles nothing."""
    bad = stage.begin(ITEM, b'{"customer": "c1"}', item="c1")
    stage.do(fail(bad))
    stage.do(finish(stage.begin(ITEM, b'{"customer": "c2"}', item="c2")))
    assert explained(cli, bad.id)["settlement"] is None
    good = stage.begin(ITEM, b'{"customer": "c1"}', item="c1")
    stage.do(finish(good))
    found = explained(cli, bad.id)
    assert f"It is settled: run {good.id}, a later run of the same item, succeeded now." in found["what"]
    assert commands(found) == [f"mainspring runs show {good.id}"]


def test_failed_run_whose_key_a_newer_run_has_reports_that_a_retry_is_refused(cli, stage):
    """What is offered works; the newer run is named before it has ended."""
    bad = stage.begin(key="k1")
    stage.do(fail(bad))
    successor = stage.begin(key="k1", key_policy="restart")
    found = explained(cli, bad.id)
    assert found["next"] == [f"Its key 'k1' belongs to the newer run {successor.id}: a retry of this one is refused."]
    assert commands(found) == [f"mainspring runs show {successor.id}", f"mainspring failed discard {bad.id} -y"]
    assert cli("runs", "retry", bad.id, "-y").code != 0
    stage.do(finish(successor))
    found = explained(cli, bad.id)
    assert any(sentence.startswith(f"It is settled: run {successor.id}") for sentence in found["what"])
    assert commands(found) == [f"mainspring runs show {successor.id}"]


def test_failed_run_that_a_person_settled_names_who_and_why(cli, stage):
    """What may still be done stands under the condition that the decision was a mistake."""
    bad = stage.begin()
    stage.do(fail(bad))
    discard(stage.store, bad.id, act=by_ann(stage, "customer is gone"))
    found = explained(cli, bad.id)
    (sentence,) = [sentence for sentence in found["what"] if sentence.startswith("It is settled")]
    assert re.fullmatch(rf"It is settled: cli:ann@box discarded it {JUST_NOW}: customer is gone\.", sentence)
    assert found["next"] == ["Nothing more happens, and you need not do anything."]
    assert found["can"][0]["command"] == f"mainspring runs retry {bad.id}"
    assert found["can"][0]["does"].startswith("only if that was a mistake: ")


def test_failed_run_that_nothing_settled_is_offered_as_before(cli, stage):
    """A retry first, and no word of a settlement."""
    bad = stage.begin()
    stage.do(fail(bad))
    found = explained(cli, bad.id)
    assert found["settlement"] is None
    assert not any("settled" in sentence for sentence in found["what"])
    assert commands(found)[0] == f"mainspring runs retry {bad.id}"


def test_settled_command_is_not_offered_to_be_run_again(cli, stage):
    """A wrapped command that a later one of its name overtook."""
    nightly = Definition(kind=DefinitionKind.EXEC, name="nightly", options={"healthy": "automation"})

    def has_started():
        act = operation_context(Actor.cli("ann", "box"), stage.clock)
        run = start(stage.store, stage.clock, nightly, b"{}", act=act, options=StartOptions(), here=True).run
        return run_view(stage.store.reader, run)

    bad = has_started()
    stage.do(fail(bad))
    good = has_started()
    stage.do(finish(good))
    found = explained(cli, bad.id)
    assert commands(found) == [f"mainspring runs show {good.id}"]
    assert found["next"] == ["Nothing more happens, and you need not do anything."]


@pytest.mark.parametrize(
    ("words", "command"),
    [(["sh", "-c", "exit 3"], "sh -c 'exit 3'"), (["echo", *["word"] * 99], "COMMAND"), ([], "COMMAND")],
)
def test_failed_command_is_offered_with_its_words(cli, stage, words, command):
    """A long one stays out: its definition may lack the last words."""
    nightly = Definition(kind=DefinitionKind.EXEC, name="nightly", command=words)
    stage.announce(nightly)
    act = operation_context(Actor.cli("ann", "box"), stage.clock)
    run = start(stage.store, stage.clock, nightly, b"{}", act=act, options=StartOptions(), here=True).run
    stage.do(fail(run_view(stage.store.reader, run)))
    assert commands(explained(cli, run))[0] == f"mainspring exec -n nightly ... -- {command}"


def test_declared_success_has_actor_and_reason(cli, stage):
    """It is not told as the success of its code."""
    run = stage.start()
    mark_done(stage.store, run, act=by_ann(stage, "the bank confirmed it."), result={"paid": 3})
    found = explained(cli, run)
    assert found["state"] == "succeeded"
    assert found["what"][0].startswith("cli:ann@box declared it done at ")
    assert found["what"][0].endswith(": the bank confirmed it.")
    assert found["what"][1] == "Its code did not end: its result was set by hand."
    (given,) = found["manual_results"]
    assert (given["ident"], given["by"], given["reason"]) == (None, "cli:ann@box", "the bank confirmed it.")
    assert "cli:ann@box declared it done" in cli("runs", "show", run).out
    assert cli("runs", "show", run, "--json").json["manual_results"] == [given]


def test_run_that_was_declared_done_without_a_result_is_reported(cli, stage):
    """As `db restore --decide done` leaves it."""
    run = stage.start()
    mark_done(stage.store, run, act=by_ann(stage))
    assert explained(cli, run)["what"][1] == "Its code did not end, and no result was given."


def test_success_of_the_code_has_no_manual_result(cli, stage):
    """A refused try to declare it done changes nothing of that."""
    run = stage.begin()
    stage.do(finish(run))
    assert cli("runs", "show", run.id, "--json").json["manual_results"] == []
    with pytest.raises(ConflictError):
        mark_done(stage.store, run.id, act=by_ann(stage))
    found = explained(cli, run.id)
    assert found["manual_results"] == []
    assert found["what"][0].startswith("It succeeded")


def test_step_with_a_given_result_has_actor_and_reason(cli, stage):
    """As long as the given result counts: not before the run took it, nor after the step ran again."""
    run = stage.begin()
    stage.do(outcome(run, 1, "pay", state=OutcomeState.IN_DOUBT, output=None, kind=OutcomeKind.STEP))
    stage.do(halt(run, "pay", FailureReason.IN_DOUBT, rank=1))
    reads = OperationReads(stage.store.reader)
    give_result(stage.store, reads, run.id, b"7", act=by_ann(stage, "seen at the bank"), step="pay")
    assert explained(cli, run.id)["manual_results"] == []
    again = stage.claim()
    stage.do(outcome(again, 2, "pay", output=b"7", kind=OutcomeKind.STEP, at=stage.now))
    stage.do(fail(again, rank=2))
    found = explained(cli, run.id)
    expected_text = (
        rf"cli:ann@box set the result of step pay {JUST_NOW}: seen at the bank; the step did not return it\."
    )
    assert any(re.fullmatch(expected_text, sentence) for sentence in found["what"])
    assert [given["ident"] for given in found["manual_results"]] == ["pay"]
    retry_from(stage.store, reads, run.id, "pay", act=by_ann(stage))
    once_more = stage.claim()
    stage.do(outcome(once_more, 3, "pay", output=b"8", kind=OutcomeKind.STEP, at=stage.now))
    assert explained(cli, run.id)["manual_results"] == []
