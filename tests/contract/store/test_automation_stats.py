"""What is read of automations for people: newest runs, figures, what was healed and helped, what came back; the same on every database."""

from msgspec.structs import replace

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.states import RunState
from mainspring.insight.automations.trust import describe_trust, read_trust
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import ReopenRun
from mainspring.store.read.automations import automation_stats
from tests.contract.store.process import audited, fail, finish, outcome

HOUR, DAY = 3_600_000, 86_400_000
_NEVER = 2**63 - 1


def ended(store, clock, duration_ms=1_000, end=finish, **options):
    run = store.begin(**options)
    clock.forward(duration_ms)
    store.do(end(run))
    return run


def helped(run, command=None, verb="retry", actor="cli:ann@box"):
    act = audited(ReopenRun(run), command, verb)
    return type(act)(act.command, actor, act.verb, f"run:{run}", act.inner)


def test_newest_runs_are_read_of_each(store, clock):
    """As many of each as are asked for, newest first; one that has not ended took nothing yet."""
    ids = [ended(store, clock, duration_ms=2_000).id for _ in range(3)]
    other = ended(store, clock, automation="b", end=fail)
    running = store.begin()
    found = automation_stats.newest_runs(store.reader, ["a", "b", "nobody"], 3)
    assert [bar.run for bar in found["a"]] == [running.id, *ids[:0:-1]]
    assert [(bar.state, bar.duration_ms) for bar in found["a"]] == [
        (RunState.RUNNING, None),
        *[(RunState.SUCCEEDED, 2_000)] * 2,
    ]
    assert [bar.run for bar in found["b"]] == [other.id]
    assert found["nobody"] == []


def test_ends_are_counted_over_a_span(store, clock):
    """From the minute on in which it begins, and not at its end."""
    ended(store, clock)
    clock.forward(2 * HOUR)
    first_at = clock.now()
    ended(store, clock)
    ended(store, clock, end=fail)
    assert automation_stats.ended_between(store.reader, ["a", "b"], first_at, _NEVER) == {"a": (1, 1)}
    assert automation_stats.ended_between(store.reader, ["a"], 0, first_at) == {"a": (1, 0)}


def test_hours_report_how_long_runs_took(store, clock):
    """By powers of two; an hour without counts is left out."""
    ended(store, clock, duration_ms=1_000)
    ended(store, clock, duration_ms=100)
    clock.forward(3 * HOUR)
    ended(store, clock, duration_ms=5_000, end=fail)
    first, last = automation_stats.hours(store.reader, "a", 0)
    assert (first.succeeded, first.failed, first.took) == (2, 0, {10: 1, 7: 1})
    assert (last.succeeded, last.failed, last.took) == (0, 1, {13: 1})
    assert last.hour_at - first.hour_at in (3 * HOUR, 4 * HOUR)


def test_healed_is_what_succeeded_at_a_later_attempt(store, clock):
    """Each such step once; first attempts count for nothing, also after a person's help, nor does the same outcome sent again."""
    run = store.begin()
    store.do(outcome(run, 1))
    store.twice(outcome(run, 2, attempt=3))
    store.do(outcome(run, 3, attempt=3, spent=2))
    store.do(finish(run))
    assert automation_stats.counted_between(store.reader, "a", 0, _NEVER).healed == 1


def test_help_of_people_is_counted(store, clock):
    """Once for a command id; neither what was refused, nor what a program's own app did, nor another verb."""
    first, second, third = (ended(store, clock, end=fail).id for _ in range(3))
    store.do(helped(first, "one"))
    store.do(helped(first, "one"))
    assert isinstance(store.do(helped(first, "two")), Refused)
    store.do(helped(second, actor="app:main@box"))
    store.do(helped(third, verb="cancel"))
    assert automation_stats.counted_between(store.reader, "a", 0, _NEVER).helped == 1
    assert automation_stats.counted_between(store.reader, "b", 0, _NEVER).helped == 0


def test_causes_that_returned_are_reported_by_automation(store, clock):
    """What was resolved and found again; what is another automation's, or older, is not."""
    for automation, id in (("a", "i_a"), ("b", "i_b")):
        subject = Subject(automation, IncidentKind.SILENCE)
        finding = Finding(subject=subject, severity=Severity.NOTIFY, text="silent", since_at=clock.now())
        for observed in ({"found": (EvaluatedFinding(id=id, finding=finding, to=()),)}, {"healthy": (subject,)}) * 2:
            store.do(RecordEvaluation(started_at=clock.forward(1_000), **observed))
    (reopening,) = automation_stats.incident_reopenings(store.reader, "a", 0)
    assert (reopening.incident, reopening.kind, reopening.text) == ("i_a", IncidentKind.SILENCE, "silent")
    assert automation_stats.incident_reopenings(store.reader, "a", clock.now() + 1) == []


def test_trust_compares_two_spans_of_thirty_days(store, clock):
    """Each figure on its side; what a person had to let continue is not called healed."""
    assert describe_trust(read_trust(store.reader, "a", clock.now())) == "no run ended in 60 days"
    ended(store, clock)
    ended(store, clock, end=fail)
    clock.forward(40 * DAY)
    run = store.begin()
    store.do(outcome(run, 1, attempt=2), outcome(run, 2, attempt=2, spent=1), finish(run))
    store.do(helped(ended(store, clock, end=fail).id))
    trust = read_trust(store.reader, "a", clock.now())
    assert (trust.now.ended, trust.now.success_share, trust.now.healed, trust.now.helped) == (2, 0.5, 1, 1)
    assert (trust.before.ended, trust.before.healed, trust.before.helped) == (2, 0, 0)
    assert describe_trust(trust).startswith(
        "last 30 days (30 days before): 50.0 % of 2 runs succeeded (50.0 %), 1 step fixed by a retry (0)"
    )
    recent = replace(trust, before=replace(trust.before, ended=0))
    assert describe_trust(recent).startswith(
        "last 30 days: 50.0 % of 2 runs succeeded, 1 step fixed by a retry, 1 manual"
    )
