"""Lists of incidents, of the runs they stand for and of what comes next, on every store: page by page, each row once, the newest first."""

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainspring.domain.definitions.definition import Definition, build_schedules
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.domain.states import IncidentMove, IncidentState
from mainspring.store.commands.automations import (
    AnnounceDefinitions,
    AutomationRow,
    PauseAutomation,
    RetireAutomation,
    ScheduleRow,
)
from mainspring.store.commands.incidents import (
    AcknowledgeIncident,
    ErrorGroup,
    EvaluatedFinding,
    GroupedFailure,
    IncidentReminder,
    RecordEvaluation,
    ResolveIncident,
)
from mainspring.store.read import incident_pages
from mainspring.store.read.automations.agenda import next_slots
from mainspring.store.read.incidents import ungrouped_failures
from mainspring.store.read.runs.run_views import automations_of
from tests.contract.store.process import audited, fail, finish

HOUR = 3_600_000


def evaluate(store, *names, kind=IncidentKind.SILENCE, severity=Severity.NOTIFY, parent=None, fingerprint=""):
    """Let a watcher find something of each, one millisecond after the other."""
    for name in names:
        store.clock.forward(1)
        finding = Finding(
            subject=Subject(name, kind, fingerprint), severity=severity, text=f"{name} is silent", since_at=1
        )
        found = EvaluatedFinding(
            id=f"i_{name}{kind[:2]}", finding=finding, to=(NotificationTarget(0, "ops"),), parent=parent
        )
        store.do(RecordEvaluation(started_at=store.clock.now(), found=(found,)))


def ids(rows):
    return [row.id for row in rows]


def pages(reader, limit, **expected):
    """Return all pages of a list, one behind the other."""
    found, before = [], None
    while page := incident_pages.incident_page(reader, limit=limit, before=before, **expected):
        found += page
        before = (page[-1].changed_at, page[-1].id)
    return found


def test_incidents_are_listed_page_by_page_and_by_what_they_are(store):
    """By state, severity, kind and automation; what is part of another one only on demand; those of one instant by id, none twice."""
    lost = Subject("w", IncidentKind.WORKER_LOST)
    evaluate(store, "a", "b")
    evaluate(store, "w", kind=IncidentKind.WORKER_LOST, severity=Severity.PAGE)
    evaluate(store, "c", parent=lost)
    store.do(ResolveIncident("i_asi", "ann"))
    store.do(AcknowledgeIncident("i_bsi", "ann"))
    reader = store.reader
    every = ids(incident_pages.incident_page(reader))
    assert sorted(every) == ["i_asi", "i_bsi", "i_wwo"]
    assert [ids(pages(reader, limit)) for limit in (1, 2, 9)] == [every] * 3
    assert ids(incident_pages.incident_page(reader, apart=False, states=[IncidentState.OPEN])) == ["i_csi", "i_wwo"]
    assert ids(incident_pages.incident_page(reader, severities=[Severity.PAGE])) == ["i_wwo"]
    assert ids(incident_pages.incident_page(reader, kinds=[IncidentKind.SILENCE], automation="a")) == ["i_asi"]
    assert incident_pages.incident_page(reader, since_at=store.clock.now() + 1) == []
    assert ids(incident_pages.grouped_incidents_of(reader, "i_wwo")) == ["i_csi"]
    assert ids(incident_pages.incidents_named(reader, ["i_bsi", "i_none"])) == ["i_bsi"]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(limit=st.integers(1, 7))
def test_no_page_ends_leaves_anything_out(store, limit):
    """However large the pages are: eight of one instant too."""
    if not incident_pages.incident_page(store.reader):
        silent = [Subject(f"x{n}", IncidentKind.SILENCE) for n in range(8)]
        found = [
            EvaluatedFinding(
                id=f"i_{n}", finding=Finding(subject=incident, severity=Severity.PAGE, text="t", since_at=1)
            )
            for n, incident in enumerate(silent)
        ]
        store.do(RecordEvaluation(started_at=store.clock.now(), found=tuple(found)))
    assert ids(pages(store.reader, limit)) == [f"i_{n}" for n in reversed(range(8))]


def test_runs_of_an_incident_are_its_members(store):
    """Each once, however often it failed, the newest first; those that are named beside them too, and none of another incident."""
    runs = [store.begin(automation="a") for _ in range(3)]
    for run in runs[:2]:
        store.do(fail(run, "s1"))
    store.do(finish(runs[2]))
    reported = tuple(
        GroupedFailure(failure.seq, failure.run, failure.at) for failure in ungrouped_failures(store.reader)
    )
    finding = Finding(
        subject=Subject("a", IncidentKind.PERMANENT_ERROR, "f1"), severity=Severity.PAGE, text="t", since_at=1
    )
    found = EvaluatedFinding(id="i_1", finding=finding, faults=tuple(failure.seq for failure in reported))
    store.do(
        RecordEvaluation(
            started_at=store.clock.now(), groups=(ErrorGroup("a", "f1", "E", "e", "p", "m", reported),), found=(found,)
        )
    )
    assert ids(incident_pages.runs_of_incident(store.reader, "i_1")) == [runs[1].id, runs[0].id]
    assert ids(incident_pages.runs_of_incident(store.reader, "i_1", [runs[2].id, "r_gone"])) == [
        run.id for run in reversed(runs)
    ]
    assert incident_pages.runs_of_incident(store.reader, "i_2") == []
    assert automations_of(store.reader, [runs[0].id, "r_gone"]) == {runs[0].id: "a"}


def test_moves_since_an_instant(store):
    """The newest first, with who made them; not of what is reported by another one, nor of what was before."""
    evaluate(store, "a")
    store.clock.forward(HOUR)
    since_at = store.clock.now()
    evaluate(store, "w", kind=IncidentKind.WORKER_LOST)
    evaluate(store, "c", parent=Subject("w", IncidentKind.WORKER_LOST))
    store.clock.forward(1)
    store.do(audited(ResolveIncident("i_asi", "ann", "mended")))
    found = [
        (move.incident, move.move, move.by, move.note) for move in incident_pages.moves_since(store.reader, since_at)
    ]
    assert found == [("i_asi", IncidentMove.RESOLVE, "ann", "mended"), ("i_wwo", IncidentMove.OPEN, None, None)]


def test_acknowledged_for_a_time_is_open_again(store):
    """Not before; then it is reported once more, by one move."""
    evaluate(store, "a")
    until = store.clock.now() + HOUR
    store.do(audited(AcknowledgeIncident("i_asi", "ann", "on it", until)))
    assert store.read("incident", "i_asi").snoozed_until == until
    wake = IncidentReminder("i_asi", 1, NotificationEvent.REPEATED, until, (NotificationTarget(0, "ops"),), wakes=False)
    store.do(RecordEvaluation(started_at=store.clock.now(), reminders=(wake,)))
    assert store.read("incident", "i_asi").state is IncidentState.ACKNOWLEDGED
    store.clock.forward(HOUR)
    for _ in range(2):
        store.do(RecordEvaluation(started_at=store.clock.now(), reminders=(msgspec.structs.replace(wake, wakes=True),)))
    incident = store.read("incident", "i_asi")
    assert (incident.state, incident.snoozed_until) == (IncidentState.OPEN, None)
    assert [move.move for move in store.read("moves", "i_asi")][1:] == [IncidentMove.ACKNOWLEDGE, IncidentMove.WAKE]


def test_next_slots_are_those_that_make_runs(store):
    """The earliest first, of some automations or of all; not of what is paused, or retired."""
    names = ("a", "b", "c", "d")
    rows, slots = [], []
    for place, name in enumerate(names):
        definition = Definition(
            kind=DefinitionKind.TASK,
            name=name,
            options={"every": "1h"},
            schedules=build_schedules({"every": "1h"}, name),
        )
        rows.append(AutomationRow(name, "task", 1, "code", msgspec.json.encode(definition.to_data())))
        spec = msgspec.json.encode(definition.schedules[0].to_data())
        slots.append(ScheduleRow(name, name, spec, store.clock.now() + (9 - place) * HOUR))
    store.do(AnnounceDefinitions("code2", tuple(rows), tuple(slots)))
    store.do(audited(PauseAutomation("b", None, "ann", None)))
    store.do(audited(RetireAutomation("c")))
    assert [slot.automation for slot in next_slots(store.reader)] == ["d", "a"]
    assert [slot.automation for slot in next_slots(store.reader, ["a", "b"])] == ["a"]
    assert [slot.automation for slot in next_slots(store.reader, limit=1)] == ["d"]
    assert next_slots(store.reader, []) == []
