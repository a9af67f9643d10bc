"""What is wrong as far as someone sees: a storm, its parts, and which of an automation counts."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity, Subject
from mainspring.domain.states import IncidentState
from mainspring.insight.incidents.visible_incidents import most_severe_by_automation, select_visible

SILENT_INCIDENT = Incident(
    id="i1", subject=Subject("pay", IncidentKind.SILENCE), state=IncidentState.OPEN, severity=Severity.NOTIFY, text="t", hint=None,
    facts={}, since_at=5, opened_at=0, changed_at=0, seen_at=0,
)  # fmt: skip
STORM = replace(SILENT_INCIDENT, id="s", subject=Subject("", IncidentKind.STORM), severity=Severity.PAGE)
PARTS = [
    replace(SILENT_INCIDENT, id=f"p{number}", subject=Subject(name, IncidentKind.TOO_SLOW), parent="s", since_at=number)
    for number, name in enumerate(("pay", "backup"))
]


def all_of_it(_):
    return True


def pay_only(name):
    return name == "pay"


def test_visible_storm_represents_its_parts():
    """Who sees all is reported once."""
    assert [incident.id for incident in select_visible([STORM, SILENT_INCIDENT], PARTS, all_of_it)] == ["s", "i1"]


def test_part_of_a_hidden_storm_represents_itself():
    """No one learns that everything is healthy because what is wrong with theirs is wrong with others too; of those others nothing."""
    assert [incident.id for incident in select_visible([STORM, SILENT_INCIDENT], PARTS, pay_only)] == ["p0", "i1"]
    own = replace(STORM, subject=Subject("pay", IncidentKind.STORM))
    assert [incident.id for incident in select_visible([own], PARTS, pay_only)] == ["s"]


incidents = st.builds(
    lambda name, state, severity, at: replace(
        SILENT_INCIDENT, subject=Subject(name, IncidentKind.SILENCE), state=state, severity=severity, since_at=at
    ),
    st.sampled_from(["a", "b"]),
    st.sampled_from([IncidentState.OPEN, IncidentState.SNOOZED]),
    st.sampled_from(list(Severity)),
    st.integers(0, 9),
)


@given(st.lists(incidents))
def test_loudest_is_open_before_loud_before_old(found):
    """Of each automation one, and none that stands behind another of it."""
    worst = most_severe_by_automation(found)
    assert set(worst) == {item.subject.automation for item in found}

    def place(item):
        return item.state is not IncidentState.OPEN, item.severity.rank, item.since_at

    for item in found:
        assert place(worst[item.subject.automation]) <= place(item)
