"""Folding: what another incident explains, and many of one cause, are part of one that is reported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mainspring.domain.incidents import incident_correlation
from mainspring.domain.incidents.incident import Finding, Incident, IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_correlation import (
    EXPLAINED_BY_AUTOMATION,
    EXPLAINED_BY_SYSTEM,
    LOAD_FAILURE_PREFIX,
    STORM_SIZE,
)
from mainspring.domain.states import IncidentState

K = IncidentKind


def correlate(found, open_incidents, parts=None, succeeded_at=None):
    return incident_correlation.correlate(found, open_incidents, parts or {}, succeeded_at or {})


def finding(automation="a", kind=K.SILENCE, fingerprint="", *, severity=Severity.NOTIFY, cause=None, facts=None):
    return Finding(
        subject=Subject(automation, kind, fingerprint), severity=severity, text="it is wrong", since_at=1, cause=cause,
        facts=facts or {},
    )  # fmt: skip


def incident(of, *, parent=None, id="i1", state=IncidentState.OPEN):
    return Incident(
        id=id, subject=of.subject, state=state, severity=of.severity, text=of.text, hint=None, facts=of.facts,
        since_at=1, opened_at=1, changed_at=1, seen_at=1, parent=parent,
    )  # fmt: skip


def test_silence_that_is_explained_is_part_of_what_explains_it():
    """A dead worker explains every silence, an error only that of its own automation."""
    failing, silent, other = finding(kind=K.PERMANENT_ERROR, fingerprint="f"), finding(), finding("b")
    order, parents = correlate([silent, other, failing], [])
    assert parents == {silent.subject: failing.subject}
    assert order.index(failing) < order.index(silent)
    lost = finding("", K.WORKER_LOST)
    _, parents = correlate([silent, other, failing, lost], [])
    assert parents == {silent.subject: lost.subject, other.subject: lost.subject}


def test_incident_that_is_open_explains_what_is_found_later():
    """The silence comes an hour after the worker died."""
    lost, silent = finding("", K.WORKER_LOST), finding()
    _, parents = correlate([silent], [incident(lost)])
    assert parents == {silent.subject: lost.subject}
    _, parents = correlate([silent], [])
    assert parents == {}, "it is notified by itself once the incident that explained it is over"


@pytest.mark.parametrize(
    "kind",
    [
        *(K.PERMANENT_ERROR, K.RETRIES_EXHAUSTED, K.NEEDS_ATTENTION, K.DELIVERY_REJECTED, K.DELIVERY_FAILED),
        *(K.HUMAN_WAIT, K.STALLED, K.PARTITION_HELD, K.DEBOUNCE_HELD, K.SENDER_REJECTED, K.UNSERVED, K.BACKLOG),
    ],
)
@pytest.mark.parametrize("is_new", [True, False])
def test_incident_about_a_part_explains_no_silence_after_a_later_success(kind, is_new):
    """One old failed item does not hide that the whole automation stopped later."""
    item, silent = finding(kind=kind, fingerprint="f"), finding()
    if is_new and kind in {K.SENDER_REJECTED, K.UNSERVED, K.BACKLOG}:
        assert correlate([item, silent], [], succeeded_at={"a": 9})[1] == {silent.subject: item.subject}
        return
    found, before = ([item, silent], []) if is_new else ([silent], [incident(item)])
    assert correlate(found, before, succeeded_at={"a": 2})[1] == {}
    for succeeded_at in ({"a": 1}, {"b": 2}, {}):
        assert correlate(found, before, succeeded_at=succeeded_at)[1] == {silent.subject: item.subject}


def test_question_explains_no_silence_after_a_success_since_then():
    """It becomes an incident hours later: other runs may have succeeded before that."""
    question = finding(kind=K.HUMAN_WAIT, facts={"opened_at": -5})
    assert correlate([finding()], [incident(question)], succeeded_at={"a": 0})[1] == {}


def test_incident_about_the_whole_automation_explains_a_silence_after_a_success():
    """Work from before its source was lost may still succeed."""
    away, silent = finding(kind=K.SOURCE_UNREACHABLE), finding()
    assert correlate([silent], [incident(away)], succeeded_at={"a": 2})[1] == {silent.subject: away.subject}


def test_storm_of_failed_items_explains_no_silence_after_a_later_success():
    """Eleven failed items of one automation are one incident, and that it stopped later is another one."""
    items = [finding(kind=K.PERMANENT_ERROR, fingerprint=f"f{n}") for n in range(STORM_SIZE)]
    (storm, *_), _ = correlate(items, [])
    known = [incident(storm), *(incident(item, id=f"p{n}", parent="i1") for n, item in enumerate(items))]
    silent = finding()
    assert silent.subject not in correlate([*items, silent], known, {"i1": STORM_SIZE}, {"a": 2})[1]
    assert silent.subject in correlate([*items, silent], known, {"i1": STORM_SIZE}, {"a": 1})[1]


@pytest.mark.parametrize("state", [IncidentState.ACKNOWLEDGED, IncidentState.SNOOZED])
def test_acknowledged_incident_groups_nothing_more(state):
    """No one would hear of what begins after it; what was part of it before stays so."""
    failing, silent = finding(kind=K.PERMANENT_ERROR, fingerprint="f"), finding()
    held = incident(failing, state=state)
    assert correlate([silent], [held])[1] == {}
    assert correlate([silent, failing], [held])[1] == {}
    part = incident(silent, id="i2", parent="i1")
    assert correlate([silent], [held, part])[1] == {silent.subject: failing.subject}


def test_part_of_an_acknowledged_incident_groups_nothing_more():
    """A slot that is late beside a worker whose loss is acknowledged is reported to no one, so it explains nothing new."""
    lost, late, silent = finding("", K.WORKER_LOST), finding(kind=K.LATE_START), finding()
    part = incident(late, id="i2", parent="i1")
    open_incidents = [incident(lost, state=IncidentState.ACKNOWLEDGED), part]
    assert correlate([late, silent], open_incidents)[1] == {late.subject: lost.subject}
    assert correlate([late, silent], [incident(lost), part])[1] == {
        late.subject: lost.subject,
        silent.subject: lost.subject,
    }


def test_late_start_is_grouped_under_a_reported_silence():
    """Where the period is shorter than the grace of a start the silence comes first; found together the late start is reported."""
    late, silent = finding(kind=K.LATE_START), finding()
    assert correlate([silent, late], [])[1] == {silent.subject: late.subject}
    notified = incident(silent)
    assert correlate([silent, late], [notified])[1] == {late.subject: silent.subject}
    assert correlate([late], [notified, incident(late, id="i2", parent="i1")])[1] == {late.subject: silent.subject}
    assert correlate([silent, late], [notified, incident(late, id="i2")])[1] == {late.subject: silent.subject}
    assert correlate([silent, late], [incident(late), incident(silent, id="i2", parent="i1")])[1] == {
        silent.subject: late.subject
    }
    assert correlate([silent, late], [incident(silent, state=IncidentState.ACKNOWLEDGED)])[1] == {}
    assert correlate([late], [])[1] == {}


@pytest.mark.parametrize("is_open", [True, False])
def test_more_severe_finding_is_not_grouped(is_open):
    """A page never waits for the digest that its explanation stands in; what is as loud, or less, is folded."""
    quiet = finding(kind=K.TOO_SLOW, severity=Severity.DIGEST)
    for severity, parents in (
        (Severity.PAGE, {}),
        (Severity.DIGEST, {finding(kind=K.LATE_START).subject: quiet.subject}),
    ):
        late = finding(kind=K.LATE_START, severity=severity)
        found, open_incidents = ([late], [incident(quiet)]) if is_open else ([late, quiet], [])
        assert correlate(found, open_incidents)[1] == parents


def test_part_with_a_higher_severity_is_ungrouped():
    """It was folded as a notice and is a page by now."""
    quiet, late = finding(kind=K.TOO_SLOW), finding(kind=K.LATE_START, severity=Severity.PAGE)
    part = replace(incident(late, id="i2", parent="i1"), severity=Severity.NOTIFY)
    assert correlate([late], [incident(quiet), part])[1] == {}


@pytest.mark.parametrize(
    ("cause", "effect"), [(K.DID_NOTHING, K.TOO_FAST), (K.TOO_SLOW, K.CADENCE_DRIFT), (K.BACKLOG, K.CADENCE_DRIFT)]
)
def test_run_that_does_nothing_is_fast_and_one_that_is_slow_makes_its_schedule_drift(cause, effect):
    """Told as one; each by itself where the other is not found."""
    cause_found, effect_found = finding(kind=cause), finding(kind=effect)
    assert correlate([effect_found, cause_found], [])[1] == {effect_found.subject: cause_found.subject}
    assert correlate([effect_found], [])[1] == correlate([cause_found], [])[1] == {}


def test_run_that_hangs_in_a_step_is_reported():
    """That it is slow, and what is held up behind it, follows; another automation's slowness does not."""
    stalled = finding("a", K.STALLED, "charge")
    found = [stalled, finding("a", K.TOO_SLOW), finding("a", K.LATE_START), finding("b", K.TOO_SLOW)]
    _, parents = correlate(found, [])
    assert parents == {item.subject: stalled.subject for item in found[1:3]}


def many(number, **options):
    return [finding(f"a{place:02}", **options) for place in range(number)]


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"cause": "host:box"}, "host:box"),
        ({"kind": K.PERMANENT_ERROR, "fingerprint": "f1"}, "error:f1"),
        ({}, "kind:silence"),
    ],
)
def test_many_of_one_cause_are_one_storm(options, cause):
    """Eleven at once are one incident that names them; ten are ten."""
    found = [*many(STORM_SIZE, **options), finding("z", K.TOO_SLOW)]
    order, parents = correlate(found, [])
    storm = order[0]
    assert storm.subject == Subject("", K.STORM, cause)
    assert "11 incidents" in storm.text
    assert "a00, a01" in storm.text
    assert set(parents.values()) == {storm.subject}
    assert len(parents) == STORM_SIZE
    assert correlate(many(STORM_SIZE - 1, **options), []) == (many(STORM_SIZE - 1, **options), {})


def test_two_load_failures_of_one_place_are_a_storm():
    """One module that fails to load is one thing to fix; two modules are two, and one automation is reported itself."""
    place = f"{LOAD_FAILURE_PREFIX}shop.py:3: SyntaxError: invalid syntax"
    of_shop = many(2, kind=K.DEFINITION_LOST, cause=place)
    other = finding("z", K.DEFINITION_LOST, cause=f"{LOAD_FAILURE_PREFIX}other.py:1: ImportError: no")
    order, parents = correlate([*of_shop, other], [])
    storm = order[0]
    assert storm.text == "2 automations fail to load (a00, a01): shop.py:3: SyntaxError: invalid syntax"
    assert parents == {item.subject: storm.subject for item in of_shop}
    silent = finding("a00")
    assert correlate([*of_shop, silent], [])[1][silent.subject] == storm.subject


def test_storm_that_is_open_takes_more_in():
    """What joins later is not told by itself; what was open by itself before stays."""
    storm = correlate(many(STORM_SIZE), [])[0][0]
    single_silence = finding("b")
    late, notified = finding("c"), incident(single_silence)
    order, parents = correlate([late, single_silence], [incident(storm), notified])
    assert parents == {late.subject: storm.subject}
    assert [item.subject.kind for item in order] == [K.STORM, K.SILENCE, K.SILENCE]


def test_storm_counts_all_that_is_part_of_it():
    """What it accepted before counts, once, though this look found nothing of most of it."""
    storm = correlate(many(STORM_SIZE), [])[0][0]
    old, late = finding("a00"), finding("c")
    open_incidents = [incident(storm), incident(old, id="i2", parent="i1")]
    first = correlate([old, late], open_incidents, {"i1": 20_000})[0][0]
    assert first.text.startswith("20001 incidents with one cause (kind:silence): a00, c and others")
    assert first.facts["number"] == 20_001


def test_acknowledged_storm_groups_nothing_more():
    """What comes alone is reported by itself, and many are the next storm; what is in the first one stays there."""
    storm = correlate(many(STORM_SIZE), [])[0][0]
    old, late = finding("a00"), finding("c")
    open_incidents = [incident(storm, state=IncidentState.ACKNOWLEDGED), incident(old, id="i2", parent="i1")]
    assert correlate([old, late], open_incidents)[1] == {old.subject: storm.subject}
    new = [finding(f"b{number:02}") for number in range(STORM_SIZE)]
    order, parents = correlate([old, *new], open_incidents)
    again = Subject("", K.STORM, "kind:silence (2)")
    assert parents == {old.subject: storm.subject, **{item.subject: again for item in new}}
    assert [item.subject for item in order[:2]] == [storm.subject, again]
    _, parents = correlate([late], [*open_incidents, incident(order[1], id="i3")])
    assert parents == {late.subject: again}


@pytest.mark.parametrize("number", [3, STORM_SIZE])
@pytest.mark.parametrize("extra", [(), (IncidentState.OPEN,), (IncidentState.SNOOZED,)])
def test_second_storm_keeps_its_parts_whatever_becomes_of_the_first(number, extra):
    """The first one is over, or open again: what is in the second one is reported by itself no more than before."""
    first = correlate(many(STORM_SIZE), [])[0][0]
    second = replace(first, subject=Subject("", K.STORM, f"{first.subject.fingerprint} (2)"))
    parts = many(number)
    held = [incident(part, id=f"p{place}", parent="i2") for place, part in enumerate(parts)]
    open_incidents = [*(incident(first, state=state) for state in extra), incident(second, id="i2"), *held]
    order, parents = correlate(parts, open_incidents)
    assert parents == {part.subject: second.subject for part in parts}
    assert [item.subject for item in order if item.subject.kind is K.STORM] == [second.subject]
    single_silence = finding("z")
    _, parents = correlate([*parts, single_silence], open_incidents)
    assert parents[single_silence.subject] == (first.subject if IncidentState.OPEN in extra else second.subject)


def test_many_errors_of_one_automation_are_one_storm():
    """Each says something else, so that no error is the cause; another automation's stays by itself."""
    found = [finding("a", K.PERMANENT_ERROR, f"f{number:02}") for number in range(STORM_SIZE)]
    other = finding("b", K.PERMANENT_ERROR, "g")
    order, parents = correlate([*found, other], [])
    assert order[0].subject == Subject("", K.STORM, "automation:a")
    assert other.subject not in parents
    assert len(parents) == STORM_SIZE


def test_many_findings_at_once_are_one_closed_storm():
    """What fails everywhere at once is reported as one; what fails alone while that is open is reported by itself; its parts stay."""
    found = [finding(f"a{number:02}", K.PERMANENT_ERROR, f"f{number:02}") for number in range(STORM_SIZE)]
    order, parents = correlate(found, [])
    storm = order[0]
    assert storm.subject == Subject("", K.STORM, "many:permanent_error")
    assert set(parents.values()) == {storm.subject}
    late = finding("z", K.PERMANENT_ERROR, "g")
    _, parents = correlate([found[0], late], [incident(storm), incident(found[0], parent="i1")])
    assert parents == {found[0].subject: storm.subject}


def test_storm_is_as_loud_as_its_loudest():
    """One page among them makes it a page, and it never becomes quieter."""
    found = [*many(STORM_SIZE - 1), finding("z", severity=Severity.PAGE)]
    storm = correlate(found, [])[0][0]
    assert storm.severity is Severity.PAGE
    again = correlate(many(2), [incident(storm)])[0][0]
    assert again.severity is Severity.PAGE


def test_nothing_explains_itself():
    """The tables have no ring: whatever is folded ends at something that is reported."""
    for table in (EXPLAINED_BY_SYSTEM, EXPLAINED_BY_AUTOMATION):
        for start in table:
            seen, reached = set(), {start}
            while reached:
                seen |= reached
                reached = {kind for each in reached for kind in table.get(each, ())} - {None}
                assert start not in reached, start


@given(
    st.lists(st.builds(finding, st.sampled_from("ab"), st.sampled_from(list(K))), unique_by=lambda item: item.subject),
    st.integers(0, 50),
)
def test_every_finding_has_a_reported_root(found, open_count):
    """Nothing is lost by folding, and following what each is part of never goes round, whatever was `open_count` before."""
    order, parents = correlate(
        found, [incident(item, id=f"i{number}") for number, item in enumerate(found[:open_count])]
    )
    assert {item.subject for item in found} <= {item.subject for item in order}
    place = {item.subject: number for number, item in enumerate(order)}
    for child, root in parents.items():
        assert root not in parents
        assert place[root] < place[child]
