"""A late start names what keeps its run from starting, on every store."""

from functools import partial

import pytest

from mainspring.alerting.evaluation import Evaluator
from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS
from mainspring.domain.notifications.routing import NotificationRouting
from mainspring.insight.runs.late_causes import add_causes, describe_cause
from mainspring.store.commands.automations import MakeSlot, PauseQueue, ScheduleRow, SetMeta, SetQueue
from mainspring.store.commands.runs import SlotLink
from mainspring.store.read.status.status import blocker
from mainspring.store.restore_hold import HOLD_KEY, RESTORED_AT, decision_key

HOUR = 3_600_000


@pytest.fixture
def watch(store):
    explain = partial(add_causes, redact=lambda text: text.replace("hush", "***"), zone="UTC")
    return Evaluator(
        store, store.clock, tunings=DEFAULT_TUNINGS, routing=NotificationRouting(), redact=str, explain=explain
    )


def late_run(store, **options):
    """Let a slot come and its run wait, half an hour long; return the run."""
    due_at = store.clock.now() + HOUR
    store.announce("a", "b", schedules=(ScheduleRow("a", "a", b'{"every":3600000}', due_at, "k"),))
    start = store.starting(slot=SlotLink("a", due_at), **options)
    store.clock.forward(HOUR)
    store.do(MakeSlot("a", due_at, due_at + HOUR, "run", start, None))
    store.clock.forward(HOUR // 2)
    return start.id


def late(store):
    """Return the incident of the late start."""
    (found,) = [
        incident for incident in store.read("incidents") if incident.subject == Subject("a", IncidentKind.LATE_START)
    ]
    return found


def test_late_start_names_its_blocker(store, watch):
    """As `explain` does: who paused the queue and why; secrets are hidden; it is reported as it is at each look."""
    run = late_run(store)
    store.do(PauseQueue("default", True, "cli:bob@box", "disk hush"))
    watch.evaluate_once()
    cause = "Queue default was paused now by cli:bob@box: disk ***."
    assert late(store).text.endswith(f"its run {run} is queued and no worker claims it. {cause}")
    assert late(store).facts["blocker"] == cause
    store.do(PauseQueue("default", False, "cli:bob@box"))
    store.clock.forward(60_000)
    watch.evaluate_once()
    assert late(store).text.endswith("no worker claims it")
    assert "blocker" not in late(store).facts


def test_hold_counts_the_runs_that_must_be_decided(store, clock):
    """Of a run it says whether that is one of them; without a hold there is nothing to decide."""
    first, second = store.start().run, store.start().run
    assert blocker(store.reader, first).undecided is None
    restored = clock.now()
    clock.forward(10)
    later = store.start().run
    store.do(
        SetMeta(HOLD_KEY, "1"), SetMeta(RESTORED_AT, str(restored)), SetMeta(decision_key(str(restored), first), "done")
    )
    found = {run: blocker(store.reader, run) for run in (first, second, later)}
    assert [found[run].is_undecided for run in (first, second, later)] == [False, True, False]
    assert {str(blocker_found.undecided) for blocker_found in found.values()} == {"1"}


def test_incident_without_a_run_gets_no_cause(store, watch):
    """Without a run there is nothing that a claim would meet."""
    due_at = store.clock.now() + HOUR
    store.announce("a", schedules=(ScheduleRow("a", "a", b'{"every":3600000}', due_at, "k"),))
    store.clock.forward(2 * HOUR)
    watch.evaluate_once()
    assert late(store).text.endswith("no run was created for it")


def test_cause_names_no_run_and_no_key_of_others(store):
    """Anyone who sees one automation reads its incidents: what holds places or keys may be another's."""
    store.announce("a", "b")
    store.do(SetQueue("slow", concurrency=1))
    busy = store.begin(automation="b", queue="slow")
    waits = store.start("a", queue="slow").run
    assert (
        describe_cause(blocker(store.reader, waits), store.clock.now(), "UTC")
        == "Queue slow allows 1 run at once, and that many run."
    )
    holder = store.begin(automation="b", queue="keys", partition="secret-key")
    held = store.start("a", queue="keys", partition="secret-key").run
    cause = describe_cause(blocker(store.reader, held), store.clock.now(), "UTC")
    assert cause == "Another run with its partition key has not ended."
    store.do(PauseQueue("keys", True, "ana"))
    assert "was paused" in describe_cause(blocker(store.reader, held), store.clock.now(), "UTC")
    for run in (busy.id, holder.id):
        assert describe_cause(blocker(store.reader, run), store.clock.now(), "UTC") == ""


def test_evaluation_explains_no_more_than_some(store):
    """Of many that are late at once: a look stays short."""
    run = late_run(store)
    store.do(PauseQueue("default", True, "bob"))
    watch = Evaluator(store, store.clock, tunings=DEFAULT_TUNINGS, routing=NotificationRouting(), redact=str)
    watch.evaluate_once()
    finding = late(store)
    assert finding.facts["run"] == run
    findings = add_causes([finding] * 30, store.reader, store.clock.now(), redact=str, zone="UTC")
    assert ["blocker" in each.facts for each in findings] == [True] * 20 + [False] * 10
