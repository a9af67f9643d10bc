"""How automations stand: each state is reached by what makes it so, and by nothing else."""

from datetime import timedelta

import msgspec
import pytest

from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.domain.definitions.options import parse_options
from mainspring.domain.derived_states import AutomationState
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.outcomes.fail_rate import FailRateTuning
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS
from mainspring.domain.monitors.timing.silence import SilenceTuning
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.domain.triggers.event_sources import JoinedRunsSource, RunEndSource
from mainspring.insight.automations.automation_health import read_automation_health
from mainspring.insight.automations.automation_list import describe_visible_source, list_automation_lines
from mainspring.store.commands.automations import (
    AnnounceDefinitions,
    AutomationRow,
    PauseAutomation,
    RetireAutomation,
    ScheduleRow,
)
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.read.status.status import automations
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import SqliteProcess, fail, finish

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(tmp_path, clock):
    found = SqliteProcess(tmp_path / "s.db", clock)
    found.open()
    yield found
    found.close()


def announce(store, clock, *, problem=None, **options):
    parsed = parse_options(DefinitionKind.TASK, options, "a")
    found = Definition(kind=DefinitionKind.TASK, name="a", options=parsed, schedules=build_schedules(parsed, "a"))
    data = msgspec.json.encode(found.to_data())
    planned = tuple(
        ScheduleRow("a", "a", msgspec.json.encode(schedule.to_data()), schedule.next_after(clock.now()))
        for schedule in found.schedules
    )
    store.do(AnnounceDefinitions("code", (AutomationRow("a", "task", 1, "f", data),), planned))
    if problem:
        store.do(AnnounceDefinitions("code", (AutomationRow("a", "task", 1, "f", None, problem=problem),), planned))


def run_once(store, clock, end=finish):
    run = store.begin()
    clock.forward(1_000)
    store.do(end(run))


def read_health(store, clock, **options):
    return read_automation_health(store.reader, ["a"], clock.now(), **options)["a"]


def test_automation_is_on_time_then_late_then_silent(store, clock):
    """By its schedule: late when its run should have begun, silent when a success is missed."""
    announce(store, clock, every="1h")
    run_once(store, clock)
    found = read_health(store, clock)
    assert (found.state, found.silence) == (AutomationState.ON_TIME, "1h after it is due")
    assert found.due_at == found.last_good_at + HOUR
    assert found.late_at == found.last_good_at + 2 * HOUR
    clock.forward(90 * MINUTE)
    assert read_health(store, clock).state is AutomationState.LATE
    clock.forward(HOUR)
    found = read_health(store, clock)
    assert (found.state, found.since_at) == (AutomationState.SILENT, found.due_at)
    assert "no success for 2h30m" in found.why


def test_automation_without_expectation_is_on_demand_until_it_is_learned(store, clock):
    """No success tells nothing; some are too few; many, over days, are a window."""
    announce(store, clock)
    assert read_health(store, clock).state is AutomationState.ON_DEMAND
    run_once(store, clock, fail)
    assert read_health(store, clock).state is AutomationState.ON_DEMAND
    run_once(store, clock)
    found = read_health(store, clock)
    assert (found.state, found.due_at) == (AutomationState.LEARNING, None)
    assert found.why.startswith("1 success in 0s so far")
    for _ in range(22):
        clock.forward(8 * HOUR)
        run_once(store, clock)
    found = read_health(store, clock)
    assert (found.state, found.silence) == (AutomationState.ON_TIME, "learned: within 1d")
    clock.forward(40 * HOUR)
    assert read_health(store, clock).state is AutomationState.SILENT


def test_automation_that_is_off_is_reported(store, clock):
    """Whatever is due: paused for now, retired for good, not loaded."""
    announce(store, clock, every="1h")
    store.do(PauseAutomation("a", clock.now() + DAY, "cli:ann@box", "noisy"))
    clock.forward(5 * HOUR)
    found = read_health(store, clock)
    assert (found.state, found.why, found.due_at) == (AutomationState.PAUSED, "by cli:ann@box", None)
    store.do(RetireAutomation("a"))
    assert read_health(store, clock).state is AutomationState.RETIRED


def test_automation_that_does_not_load_is_a_problem(store, clock):
    """With what is wrong."""
    announce(store, clock, problem="SyntaxError in a.py", every="1h")
    found = read_health(store, clock)
    assert (found.state, found.why) == (AutomationState.PROBLEM, "SyntaxError in a.py")


def test_settings_of_monitors_hold(store, clock):
    """Where no one watches for silence, nothing is silent; so it is where the definition says so."""
    announce(store, clock, silence="1h")
    clock.forward(2 * HOUR)
    assert read_health(store, clock).state is AutomationState.SILENT
    off = {**DEFAULT_TUNINGS, IncidentKind.SILENCE: SilenceTuning(on=False)}
    assert read_health(store, clock, tunings=off).state is AutomationState.ON_DEMAND
    announce(store, clock, silence=False)
    found = read_health(store, clock)
    assert (found.state, found.silence) == (AutomationState.ON_DEMAND, "off")


def test_line_reports_stats_of_a_week_and_the_newest_runs(store, clock):
    """With who answers for it; what cannot be seen is reported without its name."""
    announce(store, clock, owner="ann", team="data", tags=["nightly"])
    run_once(store, clock)
    clock.forward(8 * DAY)
    for end in (finish, finish, fail):
        run_once(store, clock, end)
    (line,) = list_automation_lines(store.reader, automations(store.reader), clock.now(), runs=2)
    assert (line.owner, line.team, line.tags) == ("ann", "data", {"nightly": ""})
    assert (line.succeeded, line.failed, line.p95_ms, len(line.runs)) == (2, 1, 1_000, 2)
    assert line.success_share == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "source", [RunEndSource(automation="secret"), JoinedRunsSource(automations=("a", "secret"), per="slot", within=1)]
)
def test_hidden_automation_is_not_named(source):
    """Who may see it reads its name, who may not does not."""
    assert "secret" in describe_visible_source(source, lambda _: True)
    assert "secret" not in describe_visible_source(source, lambda name: name == "a")


def test_every_monitor_evaluates_one_automation(store, clock):
    """Where one is looked at closely."""
    announce(store, clock, every="1h")
    run_once(store, clock)
    kinds = [item.subject.kind for item in read_health(store, clock, is_single=True).judged]
    assert kinds[:2] == [IncidentKind.SILENCE, IncidentKind.LATE_START]
    assert IncidentKind.TOO_SLOW in kinds


def fail_rate(store, clock, **options):
    (found,) = (
        item
        for item in read_health(store, clock, is_single=True, **options).judged
        if item.subject.kind is IncidentKind.FAIL_RATE
    )
    return found


def test_open_incident_is_evaluated_as_by_the_watcher(store, clock):
    """A failure rate that was reported is healthy below half of its limit only; where nothing is open, below all of it."""
    announce(store, clock)
    for end in (fail, fail, *[finish] * 5, fail, finish, finish):
        run_once(store, clock, end)
    assert fail_rate(store, clock).finding is None
    finding = Finding(
        subject=Subject("a", IncidentKind.FAIL_RATE), severity=Severity.NOTIFY, text="", since_at=clock.now()
    )
    store.do(RecordEvaluation(started_at=clock.now(), found=(EvaluatedFinding(id="i_1", finding=finding),)))
    assert fail_rate(store, clock).finding is not None


def test_failure_rate_is_that_of_the_window_that_is_set(store, clock):
    """For all, or for this one alone; of the usual hour too few ended, and the last twenty are judged."""
    announce(store, clock)
    for end in (*[finish] * 20, fail):
        run_once(store, clock, end)
    clock.forward(2 * HOUR)
    assert fail_rate(store, clock).figures["ended"] == 20
    wide = {**DEFAULT_TUNINGS, IncidentKind.FAIL_RATE: FailRateTuning(window=timedelta(hours=6))}
    assert fail_rate(store, clock, tunings=wide).figures["ended"] == 21
    own = TuningOverrides({"a": {IncidentKind.FAIL_RATE: {"window": timedelta(hours=6)}}})
    assert fail_rate(store, clock, own=own).figures["ended"] == 21
