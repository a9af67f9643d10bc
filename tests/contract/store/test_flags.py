"""Flags: changes are numbered, the first answer of a run counts, and a kill finds the runs that hold the side."""

import msgspec
import pytest

from mainspring.domain.flags.flag import FlagAnswer, FlagKind, FlagQuestion, FlagReason, FlagSide, mark_question
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.domain.flags.flag_use import FlagUse
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.flags import AnswerFlag, ChangeFlag, DeleteFlag, RecordFlagUses
from mainspring.store.commands.results import DONE, FlagChanged, Refused
from mainspring.store.commands.runs import ReopenRun
from mainspring.store.read import flags
from tests.contract.store.process import BOOM, fail, finish, outcome

ON = FlagAnswer("true", FlagSide.ON, FlagReason.SHARE)
OFF = FlagAnswer("false", FlagSide.OFF, FlagReason.SHARE)
DAY_MS = 86_400_000
MARK = f"{mark_question(FlagQuestion('f', 'ann', 'false'))}#1"
ALL, NONE = FlagChange(share=1_000_000), FlagChange(share=0)


def ask(run, flag="f", key="ann", *, generation=0, **options):
    return AnswerFlag(run, generation, FlagQuestion(flag, key, "false"), **options)


def test_change_creates_and_changes_a_flag(store, second, clock):
    """Only what is stated changes; each change has a greater number than all before, also a deletion."""
    first = store.do(ChangeFlag("f", FlagChange(share=10, owner="ops", allow=("a", "b"), attributes={"c": ("x",)})))
    assert isinstance(first, FlagChanged)
    assert first.before is None
    store.do(ChangeFlag("g", ALL))
    clock.forward(1_000)
    changed = second.do(ChangeFlag("f", FlagChange(share=20)))
    assert changed.before == first.flag
    expected = msgspec.structs.replace(
        first.flag,
        rules=msgspec.structs.replace(first.flag.rules, share=20),
        changed_at=clock.now(),
        revision=changed.flag.revision,
    )
    assert changed.flag == expected
    assert flags.find_flag(store.reader, "f") == expected
    assert [flag.name for flag in flags.list_flags(store.reader)] == ["f", "g"]
    assert store.do(DeleteFlag("g")) == DONE
    assert first.flag.revision < changed.flag.revision < flags.read_revision(second.reader)
    assert flags.find_flag(store.reader, "g") is None


def test_change_that_cannot_be_is_refused(store):
    """The second of two people gets an error, and nothing is changed."""
    assert isinstance(store.do(ChangeFlag("f", FlagChange(share=2_000_000))), Refused)
    assert store.do(ChangeFlag("f", NONE, must_exist=True)) == Refused("not_found", "there is no flag 'f'")
    assert store.do(DeleteFlag("f")) == Refused("not_found", "there is no flag 'f'")
    assert flags.list_flags(store.reader) == []
    assert flags.read_revision(store.reader) == 0


def test_first_answer_of_a_run_counts(store, second):
    """For one key and generation, from all processes. Another run, key or generation gets an answer of its own."""
    run, other = store.start().run, store.start().run
    store.do(ChangeFlag("f", ALL))
    assert store.do(ask(run)) == ON
    second.do(ChangeFlag("f", NONE))
    assert second.do(ask(run)) == ON
    assert store.again(ask(run)) == ON
    assert store.do(ask(other)) == store.do(ask(run, key="bob")) == store.do(ask(run, generation=1)) == OFF
    second.do(DeleteFlag("f"))
    assert store.do(ask(run)) == ON


def test_answers_of_one_group_agree(store):
    """The second one sees the first, in the same commit, and a change in between."""
    run = store.start().run
    answers = store.do(ChangeFlag("f", ALL), ask(run), ChangeFlag("f", NONE), ask(run), ask(run, key="bob"))
    assert [answers[1], answers[3], answers[4]] == [ON, ON, OFF]


def test_fresh_answer_is_not_recorded(store):
    """It is that of the rules now, and the answer on record stays."""
    run = store.start().run
    store.do(ChangeFlag("f", ALL))
    assert store.do(ask(run, is_fresh=True)) == ON
    store.do(ChangeFlag("f", NONE))
    assert store.do(ask(run)) == OFF
    store.do(ChangeFlag("f", ALL))
    assert store.do(ask(run, is_fresh=True)) == ON
    assert store.do(ask(run)) == OFF


def test_answer_of_a_provider_is_recorded_like_another(store):
    """The first one counts."""
    run = store.start().run
    given = FlagAnswer("true", FlagSide.ON, FlagReason.PROVIDER)
    assert store.do(ask(run, given=given)) == given
    assert store.do(ask(run, given=msgspec.structs.replace(given, value="false"))) == given
    assert store.do(ask(run)) == given


def test_kill_counts_also_where_a_provider_answers(store):
    """A person turns it off here, whatever the provider says."""
    run = store.start().run
    given = FlagAnswer("true", FlagSide.ON, FlagReason.PROVIDER)
    store.do(ChangeFlag("f", FlagChange(is_killed=True)))
    assert store.do(ask(run, given=given)) == FlagAnswer("false", FlagSide.OFF, FlagReason.KILLED)


def test_unknown_flag_is_answered_with_the_default(store):
    """It is recorded too: a flag that is created in the middle of a run does not change it."""
    run = store.start().run
    default = FlagAnswer("false", FlagSide.DEFAULT, FlagReason.UNKNOWN, is_default=True)
    assert store.do(ask(run)) == default
    store.do(ChangeFlag("f", ALL))
    assert store.do(ask(run)) == default


def test_answer_on_record_fits_the_next_question(store):
    """Where the default of the code counts, it is that of each question; a value of another type never comes to code."""
    run = store.start().run
    store.do(ask(run, "unknown"))
    other = AnswerFlag(run, 0, FlagQuestion("unknown", "ann", '"red"'))
    assert store.do(other) == FlagAnswer('"red"', FlagSide.DEFAULT, FlagReason.UNKNOWN, is_default=True)
    store.do(ChangeFlag("f", ALL), ask(run))
    number = AnswerFlag(run, 0, FlagQuestion("f", "ann", "5"))
    assert store.do(number) == FlagAnswer("5", FlagSide.DEFAULT, FlagReason.KIND_MISMATCH, is_default=True)
    assert store.do(AnswerFlag(run, 0, FlagQuestion("f", "ann", "null"))) == ON
    store.do(ChangeFlag("j", FlagChange(kind=FlagKind.JSON, on_value="10", share=1_000_000)))
    assert store.do(ask(run, "j")) == store.do(ask(run, "j")) == FlagAnswer("10", FlagSide.ON, FlagReason.SHARE)


def test_new_generation_keeps_the_answers_of_the_body(store):
    """A retry from a later step replays the body with them, so its steps must not get another side; other keys are asked now."""
    run = store.begin()
    store.do(ChangeFlag("f", ALL), ask(run.id), ask(run.id, key="of a step"))
    store.do(outcome(run, 1, MARK, name="f", kind=OutcomeKind.FLAG))
    store.do(ChangeFlag("f", NONE))
    assert store.do(ask(run.id, generation=1)) == ON
    assert store.do(ask(run.id, generation=1, key="of a step")) == store.do(ask(run.id, generation=1, key="new")) == OFF
    other = store.start().run
    store.do(ChangeFlag("f", ALL), ask(other), ChangeFlag("f", NONE))
    assert store.do(ask(other, generation=1)) == OFF


def test_run_in_a_new_generation_holds_the_answers_of_its_body(store):
    """A kill lists it, although the answer is of an earlier generation; an answer of a step that runs again is not held any more."""
    run = store.begin()
    store.do(ChangeFlag("f", ALL), ChangeFlag("g", ALL), ask(run.id), ask(run.id, "g"))
    store.do(outcome(run, 1, MARK, name="f", kind=OutcomeKind.FLAG))
    store.do(outcome(run, 2, "bad", state=OutcomeState.FAILED, failure=BOOM, output=None))
    store.do(fail(run, "bad", rank=2))
    store.do(ReopenRun(run.id, "bad"))
    assert store.run(run.id).generation == 1
    assert flags.count_runs_of_flag(store.reader, "f", FlagSide.ON) == 1
    assert flags.count_runs_of_flag(store.reader, "g", FlagSide.ON) == 0


def test_kill_counts_the_unfinished_runs_that_hold_the_side(store):
    """Each once, in its present generation; those that ended, or that got the other side, are not among them."""
    runs = [store.begin() for _ in range(4)]
    store.do(ChangeFlag("f", FlagChange(deny=("d",), share=1_000_000)))
    for run in runs[:3]:
        store.do(ask(run.id), ask(run.id, key="bob"))
    store.do(ask(runs[3].id, key="d"))
    store.do(finish(runs[0]))
    store.do(ChangeFlag("f", FlagChange(is_killed=True), must_exist=True))
    assert flags.count_runs_of_flag(store.reader, "f", FlagSide.ON) == 2
    holding = flags.list_runs_of_flag(store.reader, "f", FlagSide.ON, 10)
    assert [row.run for row in holding] == sorted(run.id for run in runs[1:3])
    assert {row.automation for row in holding} == {"a"}
    assert store.do(ask(runs[1].id)).side is FlagSide.ON
    assert store.do(ask(runs[1].id, key="new")) == FlagAnswer("false", FlagSide.OFF, FlagReason.KILLED)


@pytest.mark.parametrize("is_repeated", [False, True])
def test_uses_are_grouped_by_hour(store, second, clock, is_repeated):
    """By flag, automation, side and reason. A command that is sent again counts once, also in the next hour."""
    use = FlagUse("f", "a", FlagSide.ON, FlagReason.SHARE, 3)
    store.do(RecordFlagUses(1, (use, msgspec.structs.replace(use, side=FlagSide.OFF))))
    second.do(RecordFlagUses(1, (use,)))
    command = RecordFlagUses(2, (use,))
    store.do(command)
    if is_repeated:
        store.again(command)
        clock.forward(3_600_000)
        store.again(command)
    counted = flags.list_flag_uses(store.reader, "f", 0)
    assert [(row.side, row.number) for row in counted] == [(FlagSide.OFF, 3), (FlagSide.ON, 9)]
    assert flags.list_flag_uses(store.reader, "g", 0) == []
    assert flags.list_flag_uses(store.reader, None, clock.now() + 3_600_000) == []


def test_uses_and_answers_are_not_stored_for_ever(store, clock):
    """Questions for 60 days, answers as long as their run."""
    run, other = store.begin(), store.start().run
    store.do(ChangeFlag("f", ALL), ask(run.id), ask(other))
    store.do(RecordFlagUses(1, (FlagUse("f", "a", FlagSide.ON, FlagReason.SHARE, 3),)))
    store.do(finish(run))
    clock.forward(59 * DAY_MS)
    store.do(ApplyRetention(None, None, None, None, None))
    assert len(flags.list_flag_uses(store.reader, "f", 0)) == 1
    clock.forward(2 * DAY_MS)
    store.do(ApplyRetention(clock.now(), None, None, None, None))
    assert flags.list_flag_uses(store.reader, "f", 0) == []
    assert store.reader.read_text("select run from flag_answers", ()) == [(other,)]
