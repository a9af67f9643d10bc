"""Looks of a watcher on every store: what is wrong is one incident, told once, and over when it is over."""

from datetime import timedelta

import msgspec
import pytest

from mainspring.alerting.evaluation import Evaluator
from mainspring.domain.definitions.definition import Definition, build_schedules
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.outcomes.fail_rate import FailRateTuning
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS
from mainspring.domain.notifications.digest_schedule import DEFAULT_DIGEST
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.rendering import NotificationContext, render_notification
from mainspring.domain.notifications.routing import NotificationRoute, NotificationRouting
from mainspring.domain.runs.run_conditions import ConditionKind, ConditionSnapshot
from mainspring.domain.states import FailureReason, IncidentState
from mainspring.domain.time.quiet_hours import next_clock_time
from mainspring.store.commands.automations import (
    AnnounceDefinitions,
    ApplyRetention,
    AuditedCommand,
    AutomationRow,
    PauseAutomation,
    RecordRunConditions,
    ResumeAutomation,
    RetireAutomation,
    ScheduleRow,
)
from mainspring.store.commands.inbox import OpenWait
from mainspring.store.commands.incidents import AcknowledgeIncident
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.commands.runs import ReopenRun
from mainspring.store.commands.sessions import RecordHeartbeat
from mainspring.store.read.automations.recent_changes import changes_since
from tests.contract.store.process import audited, fail, finish, halt, take_alerts

HOUR = 3_600_000
ROUTING = NotificationRouting(
    channels=("ops", "boss"), routes=(NotificationRoute(to=("ops",), escalate=("boss",)),), group_wait_ms=0
)


def runtime(version, host="box"):
    return ConditionSnapshot(ConditionKind.RUNTIME, f"host:{host}", {"Python": "3.13.1", "requests": version})


class Site:
    """A worker's session with automations, and a watcher on the same store."""

    def __init__(self, store):
        self.store = store
        self.watch = self.watcher()

    def watcher(self, routing=ROUTING):
        return Evaluator(
            self.store,
            self.store.clock,
            tunings=DEFAULT_TUNINGS,
            routing=routing,
            redact=lambda text: text.replace("hush", "***"),
        )

    def announce(self, *names, **options):
        rows, schedules = [], []
        for name in names:
            definition = Definition(
                kind=DefinitionKind.TASK, name=name, options=options, schedules=build_schedules(options, name)
            )
            rows.append(AutomationRow(name, "task", 1, "code", msgspec.json.encode(definition.to_data())))
            now = self.store.clock.now()
            schedules += [
                ScheduleRow(name, name, msgspec.json.encode(schedule.to_data()), schedule.next_after(now))
                for schedule in definition.schedules
            ]
        self.store.do(AnnounceDefinitions("code", tuple(rows), tuple(schedules)))

    def evaluate(self, forward=0):
        """Let time pass, with a worker that lives, and look."""
        self.store.clock.forward(forward)
        self.store.do(RecordHeartbeat())
        return self.watch.evaluate_once()

    def open_subjects(self):
        return [
            (incident.subject.automation, incident.subject.kind, incident.state)
            for incident in self.store.read("incidents")
        ]

    def notices(self):
        return [(alert.about, alert.channel) for alert in reversed(self.store.read("alerts"))]

    def fail(self, automation="a", reason=FailureReason.PERMANENT_ERROR):
        run = self.store.begin(automation=automation, item="one item")
        self.store.do(fail(run, "upload#1", reason))
        return run

    def succeed(self, automation="a"):
        self.store.do(finish(self.store.begin(automation=automation, item="one item")))


def no_store(_):
    raise StoreUnavailableError("the store is away")


def on_record(verb, subject, command):
    return AuditedCommand(f"cmd-{verb}-{subject}", "cli:ann@box", verb, subject, command)


@pytest.fixture
def site(store):
    return Site(store)


def test_failure_is_reported_at_once_and_once(site):
    """By its step and error, under the tier of its automation; a second look and a second watcher add nothing."""
    site.announce("a", tier="page", owner="ann")
    site.fail()
    site.evaluate()
    (incident,) = site.store.read("incidents")
    assert (incident.subject.kind, incident.severity, incident.text) == (
        IncidentKind.PERMANENT_ERROR, Severity.PAGE, "failed: upload: ValueError: it broke",
    )  # fmt: skip
    site.evaluate()
    site.watcher().evaluate_once()
    assert site.notices() == [(NotificationEvent.OPENED, "ops")]
    (group,) = site.store.read("errors")
    assert (group.type, group.message, group.number) == ("ValueError", "upload: ValueError: it broke", 1)


def test_failure_is_over_when_it_succeeds_again(site):
    """The next success of its item resolves it, and who was notified hears that."""
    site.fail()
    site.evaluate()
    site.store.deliver_all()
    site.store.clock.forward(1_000)
    site.succeed()
    site.evaluate()
    assert site.open_subjects() == []
    assert site.notices() == [(NotificationEvent.OPENED, "ops"), (NotificationEvent.RESOLVED, "ops")]


def test_same_failure_again_is_the_same_incident(site):
    """A hundred failures of one cause are one incident that counts them; another cause is another one."""
    for _ in range(3):
        site.fail()
    site.evaluate()
    site.fail()
    site.evaluate()
    (incident,) = site.store.read("incidents")
    assert (incident.number, len(site.notices())) == (4, 1)
    site.fail(reason=FailureReason.RETRIES_EXHAUSTED)
    site.evaluate()
    assert {IncidentKind.PERMANENT_ERROR, IncidentKind.RETRIES_EXHAUSTED} <= {
        kind for _, kind, _ in site.open_subjects()
    }


def test_hundreds_of_causes_at_once_are_all_reported(site):
    """None is lost between the commits of one look."""
    names = [f"job{number:03}" for number in range(260)]
    site.announce(*names)
    for name in names:
        site.fail(name)
    site.evaluate()
    assert len(site.store.read("incidents", limit=1_000)) == len(names) + 1
    assert site.store.read("ungrouped_failures") == []


def test_run_that_needs_a_person_is_open_until_one_decided(site):
    """Other successes say nothing about it."""
    run = site.store.begin()
    site.store.do(halt(run, "charge#1"))
    site.evaluate()
    site.store.clock.forward(1_000)
    site.succeed()
    site.evaluate()
    assert site.open_subjects() == [("a", IncidentKind.NEEDS_ATTENTION, IncidentState.OPEN)]
    site.store.do(audited(ReopenRun(run.id)))
    site.evaluate(1_000)
    assert site.open_subjects() == []


def test_silence_is_one_incident_until_a_success(site):
    """It is found once, stays the same, and ends with the success."""
    site.announce("a", silence="2h")
    site.succeed()
    assert site.evaluate(HOUR) == 0
    site.evaluate(HOUR + 60_000)
    assert (("a", IncidentKind.SILENCE, IncidentState.OPEN)) in site.open_subjects()
    site.evaluate(HOUR)
    silent = [incident for incident in site.store.read("incidents") if incident.subject.kind is IncidentKind.SILENCE]
    assert len(silent) == 1
    site.store.clock.forward(1_000)
    site.succeed()
    site.evaluate()
    assert IncidentKind.SILENCE not in {kind for _, kind, _ in site.open_subjects()}


@pytest.mark.parametrize("act", [PauseAutomation("a", None, "ann", "holiday"), RetireAutomation("a")])
def test_paused_or_retired_automation_is_not_missed(site, act):
    """An open silence ends with the act of a person."""
    site.announce("a", silence="2h")
    site.succeed()
    site.evaluate(3 * HOUR)
    assert ("a", IncidentKind.SILENCE, IncidentState.OPEN) in site.open_subjects()
    site.store.do(audited(act))
    site.evaluate(1_000)
    assert IncidentKind.SILENCE not in {kind for _, kind, _ in site.open_subjects()}


def test_many_of_one_cause_are_reported_as_one(site):
    """A dead night is one message; each of what is in it is listed, and all are over when they are."""
    names = [f"job{number:02}" for number in range(12)]
    site.announce(*names, silence="2h")
    for name in names:
        site.succeed(name)
    site.evaluate(3 * HOUR)
    storms = [incident for incident in site.store.read("incidents") if incident.subject.kind is IncidentKind.STORM]
    silent = [incident for incident in site.store.read("incidents") if incident.subject.kind is IncidentKind.SILENCE]
    assert len(silent) == 12
    assert all(incident.parent is not None for incident in silent)
    assert len([alert for alert in site.notices() if alert[1] == "ops"]) == len(storms)
    site.store.clock.forward(1_000)
    for name in names:
        site.succeed(name)
    site.evaluate()
    site.evaluate(1_000)
    assert site.open_subjects() == []


def test_dead_scheduler_is_reported_and_not_what_follows(site):
    """Nothing starts any more: one message names the scheduler, whatever is late or silent because of it."""
    site.announce("a", "b", every="1h")
    site.succeed("a")
    site.evaluate(3 * HOUR)
    every = site.store.read("incidents")
    assert {("", IncidentKind.WORKER_LOST), ("a", IncidentKind.SILENCE)} <= {
        (incident.subject.automation, incident.subject.kind) for incident in every
    }
    (message,) = [incident for incident in every if incident.parent is None]
    assert (message.subject.kind, message.subject.fingerprint) == (IncidentKind.WORKER_LOST, "scheduler")
    assert site.notices() == [(NotificationEvent.OPENED, "ops")]


def test_unacknowledged_incident_escalates(site):
    """After a quarter of an hour it goes to whom the route names; who acknowledges in time ends that."""
    site.fail()
    site.evaluate()
    site.evaluate(14 * 60_000)
    assert site.notices() == [(NotificationEvent.OPENED, "ops")]
    site.evaluate(60_000)
    site.evaluate(60_000)
    assert site.notices() == [(NotificationEvent.OPENED, "ops"), (NotificationEvent.ESCALATED, "boss")]
    site.store.do(audited(AcknowledgeIncident(site.store.read("incidents")[0].id, "ann")))
    site.evaluate(4 * HOUR)
    assert (NotificationEvent.REPEATED, "ops") not in site.notices()


def test_secrets_are_in_no_incident(site):
    """What a failure says goes through the one door for text before it is written anywhere else."""
    from mainspring.domain.failures.failure import Failure

    run = site.store.begin()
    failure = Failure("ValueError", "auth", "password hush refused")
    site.store.do(msgspec.structs.replace(fail(run, "s1"), failure=failure))
    site.evaluate()
    (incident,) = site.store.read("incidents")
    assert incident.text == "failed: s1: ValueError: password *** refused"
    assert site.store.read("errors")[0].message == "s1: ValueError: password *** refused"


def test_changes_before_a_failure_are_reported(site):
    """New code and what people did, of this automation alone; another failure later does not forget it."""
    site.announce("a", "b")
    site.store.clock.forward(60_000)
    site.store.do(on_record("pause", "automation:a", PauseAutomation("a", None, "ann", None)))
    site.store.do(on_record("resume", "automation:a", ResumeAutomation("a")))
    site.store.clock.forward(60_000)
    site.fail()
    site.evaluate()
    (incident,) = site.store.read("incidents")
    changed = incident.facts["changed"]
    assert "it was resumed by cli:ann@box 1m before" in changed
    assert "deployment 2 was announced, and its definition changed 2m before" in changed
    site.store.clock.forward(2 * HOUR)
    site.fail()
    site.evaluate()
    (incident,) = [
        incident for incident in site.store.read("incidents") if incident.subject.kind is IncidentKind.PERMANENT_ERROR
    ]
    assert (incident.number, incident.facts["changed"]) == (2, changed)


def test_changed_definition_and_host_are_reported(site):
    """A definition that was announced again as it was is no change, nor is what is seen of a host for the first time."""
    site.store.announce("a", "b", fingerprint="one")
    site.store.do(RecordRunConditions((runtime("2.31"),)))
    site.store.clock.forward(HOUR)
    site.store.announce("a", "b", fingerprint="one")
    assert site.store.do(RecordRunConditions((runtime("2.31"),))) == NumberAnswer(0)
    site.store.announce("a", "b", fingerprint="two")
    site.store.clock.forward(60_000)
    assert site.store.do(RecordRunConditions((runtime("2.32"),))) == NumberAnswer(1)
    site.fail()
    site.evaluate()
    (incident,) = [
        incident for incident in site.store.read("incidents") if incident.subject.kind is IncidentKind.PERMANENT_ERROR
    ]
    changes = incident.facts["changed"].split("; ")
    assert changes == [
        "on box requests changed from 2.31 to 2.32 0s before",
        "deployment 3 was announced, and its definition changed 1m before",
    ]


def test_new_host_is_compared_with_the_one_that_was_noted_last(site):
    """Containers have a name of their own each: what the next deploy brings is a change, what its others have too is none."""
    noted = [("2.31", "c1"), ("2.31", "c2"), ("2.32", "c3"), ("2.32", "c4"), ("2.31", "c1")]
    changes = []
    for version, host in noted:
        site.store.clock.forward(1_000)
        changes.append(site.store.do(RecordRunConditions((runtime(version, host),))).number)
    assert changes == [0, 0, 1, 0, 0]
    (condition,) = changes_since(site.store.reader, 0).conditions
    assert condition.text == "on c3 requests changed from 2.31 to 2.32"


def test_hosts_that_are_gone_are_forgotten(site):
    """The newest of all stays, to compare the next one with."""
    for host in ("c1", "c2", "c3"):
        site.store.clock.forward(1_000)
        site.store.do(RecordRunConditions((runtime("2.31", host),)))
    site.store.do(ApplyRetention(None, None, None, None, site.store.clock.now() + 1))
    stored = [
        site.store.reader.read("find_last_run_condition", ("runtime", f"host:{host}")) for host in ("c1", "c2", "c3")
    ]
    assert [bool(row) for row in stored] == [False, False, True]
    assert site.store.do(RecordRunConditions((runtime("2.32", "c4"),))) == NumberAnswer(1)


def test_run_conditions_follow_a_rename_and_outlive_retention_once(site):
    """What changed under the old name is reported under the new one; of each subject the newest stays."""
    site.store.announce("a", fingerprint="one")
    for code in ("two", "three"):
        site.store.clock.forward(1_000)
        site.store.announce("a", fingerprint=code)
    site.store.announce("new", fingerprint="three", was="a")
    changes = changes_since(site.store.reader, 0).conditions
    assert [(change.subject, change.was["fingerprint"]) for change in changes] == [
        ("automation:new", "code-1"),
        ("automation:new", "one"),
        ("automation:new", "two"),
    ]
    site.store.clock.forward(1_000)
    site.store.do(ApplyRetention(None, None, None, None, site.store.clock.now()))
    assert [condition.was["fingerprint"] for condition in changes_since(site.store.reader, 0).conditions] == ["two"]


def test_failure_without_a_change_before_it_reports_nothing(site):
    """What changed long ago, or elsewhere, is no cause."""
    site.announce("a")
    site.store.clock.forward(2 * HOUR)
    site.store.do(on_record("pause", "automation:b", PauseAutomation("b", None, "ann", None)))
    site.fail()
    site.evaluate()
    (incident,) = [
        incident for incident in site.store.read("incidents") if incident.subject.kind is IncidentKind.PERMANENT_ERROR
    ]
    assert "changed" not in incident.facts


def test_window_of_the_fail_rate_is_the_one_that_is_set(site):
    """A watcher counts the ends of the window that the configuration states, not of an hour."""
    site.announce("a")
    for _ in range(25):
        site.fail()
    site.store.clock.forward(3 * HOUR)
    tuning = FailRateTuning(window=timedelta(hours=6))
    watch = Evaluator(
        site.store,
        site.store.clock,
        tunings={**DEFAULT_TUNINGS, IncidentKind.FAIL_RATE: tuning},
        routing=ROUTING,
        redact=str,
    )
    site.store.do(RecordHeartbeat())
    watch.evaluate_once()
    (incident,) = [
        incident for incident in site.store.read("incidents") if incident.subject.kind is IncidentKind.FAIL_RATE
    ]
    assert incident.facts["counted"] == "in 6h"


def test_early_signs_are_reported_once_at_the_time_of_the_digest(site):
    """By whichever watcher, and nothing where there is nothing to say; the alert is about no incident, and stays until told."""
    site.announce("a")
    at = next_clock_time(DEFAULT_DIGEST, ROUTING.zone, site.store.clock.now() + HOUR)
    site.evaluate(at - 30_000 - site.store.clock.now())
    assert site.notices() == []
    site.store.do(PauseAutomation("a", None, "ann", None))
    site.evaluate(24 * HOUR)
    assert site.notices() == [(NotificationEvent.DIGEST, "ops")]
    (alert,) = site.store.read("alerts")
    assert (alert.incident, alert.due_at) == ("", at + 24 * HOUR)
    other = site.watcher()
    site.store.do(RecordHeartbeat())
    other.evaluate_once()
    site.evaluate(30_000)
    assert len(site.notices()) == 1
    site.store.do(ApplyRetention(None, None, None, None, 1))
    (channel,) = site.store.do(take_alerts("ops")).channels
    assert [(alert.about, alert.incident) for alert in channel.alerts] == [(NotificationEvent.DIGEST, None)]
    site.evaluate(24 * HOUR)
    assert site.notices() == [(NotificationEvent.DIGEST, "ops")] * 2


def test_digest_that_failed_is_tried_again(site, monkeypatch):
    """A look that fails forgets nothing."""
    site.announce("a")
    site.store.do(PauseAutomation("a", None, "ann", None))
    at = next_clock_time(DEFAULT_DIGEST, ROUTING.zone, site.store.clock.now() + 25 * HOUR)
    with monkeypatch.context() as patch:
        patch.setattr(site.store, "apply", no_store)
        with pytest.raises(StoreUnavailableError):
            site.evaluate(at - site.store.clock.now())
    site.watch.evaluate_once()
    assert site.notices() == [(NotificationEvent.DIGEST, "ops")]


def test_clock_that_was_ahead_does_not_mute_what_is_open(site):
    """Put back by three days, the first look takes it as opened now: it is escalated and repeated, and over when it succeeds."""
    now = site.store.clock.now()
    site.announce("a")
    site.store.clock.at = now + 72 * HOUR
    site.fail()
    site.evaluate()
    site.store.clock.at = now
    site.evaluate()
    site.evaluate(5 * HOUR)
    assert site.notices() == [
        (NotificationEvent.OPENED, "ops"),
        (NotificationEvent.ESCALATED, "boss"),
        (NotificationEvent.REPEATED, "ops"),
    ]
    site.succeed()
    site.evaluate(1)
    assert [state for _, kind, state in site.open_subjects() if kind is IncidentKind.PERMANENT_ERROR] == []


def test_incident_states_what_is_missing_and_what_comes_next(site):
    """Of silence the last success, the slots since and the next one; of a failure the same without a count."""
    site.announce("a", every="1h")
    site.succeed()
    good_at = site.store.clock.now()
    site.evaluate(3 * HOUR + 1_000)
    (silent,) = (incident for incident in site.store.read("incidents") if incident.subject.kind is IncidentKind.SILENCE)
    assert (silent.facts["last_good_at"], silent.facts["missed"]) == (good_at, 2)
    assert 0 < silent.facts["next_try_at"] - site.store.clock.now() <= HOUR
    site.fail()
    site.evaluate()
    (failed,) = (
        incident for incident in site.store.read("incidents") if incident.subject.kind is IncidentKind.PERMANENT_ERROR
    )
    assert failed.facts["last_good_at"] == good_at
    assert failed.facts["next_try_at"] == silent.facts["next_try_at"]
    fields = {
        field.label: field.text
        for field in render_notification("", NotificationEvent.OPENED, 0, silent, NotificationContext()).fields
    }
    assert fields["Impact"] == "2 slots missed"
    assert "last success" in fields["Since"]
    assert fields["Next attempt"]


def test_failure_without_a_retry_is_marked(site):
    """It was started by a person, and waits for one."""
    site.announce("a")
    site.fail()
    site.evaluate()
    (failed,) = site.store.read("incidents")
    assert failed.facts["next_try_at"] is None
    assert "last_good_at" not in failed.facts


def ask_question(site, question):
    run = site.store.begin(automation="a")
    site.store.do(OpenWait(run.id, run.claim, "q1", "ask", "ask", question=question))
    site.evaluate(25 * HOUR)
    return next(
        incident for incident in site.store.read("incidents") if incident.subject.kind is IncidentKind.HUMAN_WAIT
    )


def test_question_that_no_one_answers_is_reported_with_its_choices(site):
    """Without its evidence, with secrets hidden, and no longer than a message."""
    question = {"text": f"Ship to hush? {'x' * 1_000}", "choices": [*"abcdefghijkl"], "evidence": {"token": "t0p"}}
    site.announce("a")
    incident = ask_question(site, msgspec.json.encode(question))
    text = incident.facts["what"]
    assert text.startswith("It asks: Ship to ***? xxx")
    assert text.endswith("[a, b, c, d, e, f, g, h, i, j, ...]")
    assert len(text) < 500
    assert "t0p" not in str(incident.facts)
    (field, *_) = render_notification("", NotificationEvent.OPENED, 0, incident, NotificationContext()).fields
    assert (field.label, field.text) == ("What", text)
    assert incident.hint == f"mainspring runs answer {incident.facts['run']} a"
    assert site.evaluate() == 0


@pytest.mark.parametrize("question", [b"\x00aes\x00sealed", b"[]", b"{}", None])
def test_question_that_cannot_be_read_is_reported_without_its_words(site, question):
    """A codec is no business of the watcher."""
    site.announce("a")
    incident = ask_question(site, question)
    assert "what" not in incident.facts
    assert incident.hint == f"mainspring runs answer {incident.facts['run']} TEXT"


def test_one_of_several_questions_is_answered_by_its_name(site):
    """An answer without a name would be rejected."""
    site.announce("a")
    run = site.store.begin(automation="a")
    question = msgspec.json.encode({"text": "Ship?", "choices": ["ship it", "no"]})
    for ident in ("q1", "q2"):
        site.store.do(OpenWait(run.id, run.claim, ident, "ask", ident, question=question))
    site.evaluate(25 * HOUR)
    (incident,) = (item for item in site.store.read("incidents") if item.subject.kind is IncidentKind.HUMAN_WAIT)
    assert incident.hint in {f"mainspring runs answer {run.id} 'ship it' --question {ident}" for ident in ("q1", "q2")}
