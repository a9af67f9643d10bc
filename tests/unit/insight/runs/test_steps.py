"""Steps as bars: from journal and attempts to lines."""

import pytest

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import AttemptState, OutcomeState
from mainspring.insight.runs.steps import WIDEST, draw_bars, label_step, list_step_lines
from mainspring.store.commands.journal import SaveAttempt, SaveCheckpoint
from mainspring.store.commands.runs import ReleaseRun
from mainspring.store.read.runs.run_views import run_history
from tests.contract.store.process import outcome

AWAY = Failure("OSError", "away", "it is away")


def attempt(run, number, state, started_at, ended_at=None, next_at=None, name="upload"):
    return SaveAttempt(
        run.id, run.claim, name, name, 0, number, state, 1, started_at, run.automation, ended_at, next_at,
        None if state is AttemptState.STARTED else AWAY,
    )  # fmt: skip


def lines(stage, run):
    return list_step_lines(run_history(stage.store.reader, run.id))


def test_every_attempt_is_kept_with_its_own_error(stage):
    """Two failed attempts and the one that counts stand on one line, in order."""
    run = stage.begin()
    stage.do(attempt(run, 1, AttemptState.FAILED, 100, 200, 1_200))
    stage.do(attempt(run, 2, AttemptState.FAILED, 1_200, 1_300, 3_300))
    stage.do(outcome(run, 1, "upload", attempt=3, started_at=3_300, duration_us=1_000_000, marked=True))
    (line,) = lines(stage, run)
    assert [attempt.number for attempt in line.tries] == [1, 2, 3]
    assert [attempt.state for attempt in line.tries] == ["failed", "failed", "succeeded"]
    assert line.tries[0].failure == AWAY
    assert line.duration_ms(0) == 4_200


def test_open_step_is_running_or_retrying(stage):
    """A start mark runs, a failed attempt with a next time retries; progress is reported."""
    run = stage.begin()
    stage.do(attempt(run, 1, AttemptState.STARTED, 100))
    stage.do(SaveCheckpoint(run.id, run.claim, "upload", None, 3, 10))
    stage.do(attempt(run, 1, AttemptState.FAILED, 100, 200, 1_200, name="notify"))
    found = {line.name: line for line in lines(stage, run)}
    assert (found["upload"].state, found["upload"].progress) == ("running", (3, 10))
    assert (found["notify"].state, found["notify"].tries[0].next_at) == ("retrying", 1_200)


def test_bars_are_as_long_as_the_time(stage):
    """The longest is full, half the time is half a bar, tries before the one that counts are hollow."""
    run = stage.begin()
    stage.do(outcome(run, 1, "long", started_at=0, duration_us=2_000_000))
    stage.do(outcome(run, 2, "half", started_at=0, duration_us=1_000_000))
    stage.do(attempt(run, 1, AttemptState.FAILED, 0, 500, 600, name="again"))
    stage.do(outcome(run, 3, "again", attempt=2, started_at=600, duration_us=500_000, marked=True))
    assert draw_bars(lines(stage, run), 0)[:2] == ["█" * WIDEST, "█" * (WIDEST // 2)]
    assert "░░░░░ █████" in draw_bars(lines(stage, run), 0)


def test_wait_is_dots_on_a_scale_of_its_own(stage):
    """Three days of sleep do not flatten a second of work."""
    run = stage.begin()
    stage.do(outcome(run, 1, "work", started_at=0, duration_us=1_000_000))
    stage.do(outcome(run, 2, "sleep", kind=OutcomeKind.TIMER, started_at=1_000, at=260_000_000, duration_us=0))
    assert draw_bars(lines(stage, run), 0) == ["█" * WIDEST, "·" * WIDEST]


def test_failed_bar_is_hollow(stage):
    """What did not count is never solid."""
    run = stage.begin()
    stage.do(outcome(run, 1, "x", state=OutcomeState.FAILED, started_at=0, duration_us=1_000_000, failure=AWAY))
    assert draw_bars(lines(stage, run), 0) == ["░" * WIDEST]


def test_attempt_of_a_run_that_no_one_has_is_lost_and_lasts_no_longer(stage):
    """Its process release it: it is not drawn as running, nor ever longer."""
    run = stage.begin()
    stage.do(attempt(run, 1, AttemptState.STARTED, stage.now - 1_000))
    stage.do(ReleaseRun(run.id, run.claim, 0))
    (line,) = lines(stage, run)
    assert (line.state, line.tries[0].state) == ("lost", "lost")
    assert line.duration_ms(stage.now + 3_600_000) < 60_000


@pytest.mark.parametrize(
    ("ident", "name", "label"),
    [
        ("deploy[a]", "deploy", "deploy[a]"),
        ("deploy[b/c [x]]", "deploy", "deploy[b/c [x]]"),
        ("roll_out#2/deploy[a]", "deploy", "deploy[a]"),
        ("undo:deploy[a]", "deploy", "deploy[a]"),
        ("deploy#2", "deploy", "deploy"),
        ("load#1[17]", "load", "load"),
        ("redeploy[a]", "deploy", "deploy"),
        ("deploy", "deploy", "deploy"),
    ],
)
def test_label_of_a_step_has_its_key(ident, name, label):
    """The branch that asked for it and the number of a call without a key are left out."""
    assert label_step(ident, name) == label
