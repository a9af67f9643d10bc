"""The verdict on a part of a project says nothing of the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity, Subject
from mainspring.domain.states import IncidentState
from mainspring.insight.runs.unresolved_failures import NO_RUNS, UnresolvedFailures
from mainspring.insight.status.project_status import evaluate_visible_status
from mainspring.store.views import AutomationView, Capped

OPEN = Incident(
    id="i1", subject=Subject("pay", IncidentKind.SILENCE), state=IncidentState.OPEN, severity=Severity.PAGE, text="t", hint=None, facts={},
    since_at=0, opened_at=0, changed_at=0, seen_at=0,
)  # fmt: skip
HOUR = 3_600_000
SNOOZED = replace(OPEN, state=IncidentState.SNOOZED, snoozed_until=14 * HOUR, by="web:ana")
ACKNOWLEDGED = replace(OPEN, state=IncidentState.ACKNOWLEDGED, by="bob")
UNRESOLVED = [state for state in IncidentState if state is not IncidentState.RESOLVED]
PAY = AutomationView("pay", "task", 1, b"{}", "f", 1, None, None, None, None, None, None, 0)


def part(open_incidents, views):
    return evaluate_visible_status(open_incidents, views, UnresolvedFailures(), now=0, zone="UTC")


@pytest.mark.parametrize(
    ("open_incidents", "views", "questions", "sentence"),
    [
        ([], [PAY], 0, "Healthy: 1 automation."),
        (
            [],
            [PAY, replace(PAY, name="old", retired_at=1)],
            2,
            "Healthy: 1 automation, 2 questions wait for an answer.",
        ),
        ([OPEN], [PAY], 0, "1 thing needs you: 1 open incident (1 page: mainspring incidents list), 1 automation."),
        (
            [SNOOZED],
            [PAY],
            0,
            "1 problem is snoozed until 14:00 UTC by ana: 1 incident acknowledged or snoozed, 1 automation.",
        ),
        (
            [replace(SNOOZED, severity=Severity.NOTIFY)],
            [PAY],
            0,
            "Healthy: 1 incident acknowledged or snoozed, 1 automation.",
        ),
        ([], [replace(PAY, problem="SyntaxError")], 0, "1 thing needs you: 1 automation."),
    ],
)
def test_sentence_counts_visible_incidents(open_incidents, views, questions, sentence):
    """What is open, looked after, or does not load; retired automations count for nothing."""
    assert (
        evaluate_visible_status(open_incidents, views, UnresolvedFailures(), questions, now=0, zone="UTC").sentence
        == sentence
    )


def test_text_of_an_incident_is_not_repeated():
    """An automation that does not load, with an incident."""
    lost = replace(OPEN, subject=Subject("pay", IncidentKind.DEFINITION_LOST))
    assert part([lost], [replace(PAY, problem="SyntaxError")]).untold == []
    assert part([], [replace(PAY, problem="SyntaxError")]).count == 1


@pytest.mark.parametrize(
    ("open_incidents", "head"),
    [
        ([SNOOZED], "1 problem is snoozed until 14:00 UTC by ana"),
        ([replace(SNOOZED, snoozed_until=60 * HOUR)], "1 problem is snoozed until 1970-01-03 12:00 UTC by ana"),
        ([ACKNOWLEDGED], "1 problem is acknowledged by bob"),
        ([replace(ACKNOWLEDGED, by=None)], "1 problem is acknowledged"),
        ([replace(ACKNOWLEDGED, by="web:a\nb\x1b[31m")], "1 problem is acknowledged by a b\\x1b[31m"),
        ([SNOOZED, replace(SNOOZED, snoozed_until=13 * HOUR)], "2 problems are snoozed, the first until 13:00 UTC"),
        ([SNOOZED, ACKNOWLEDGED], "2 problems are acknowledged or snoozed, the first until 14:00 UTC"),
        ([ACKNOWLEDGED, ACKNOWLEDGED], "2 problems are acknowledged"),
        ([SNOOZED, OPEN], "1 thing needs you"),
        ([replace(ACKNOWLEDGED, severity=Severity.DIGEST)], "Healthy"),
    ],
)
def test_snoozed_page_is_not_healthy(open_incidents, head):
    """It is said who did, and until when; what is open comes before it, what is quieter than a page is only counted."""
    found = part(open_incidents, [PAY])
    assert found.head == head
    assert found.sentence.startswith(f"{head}: ")
    assert (found.put_off > 0) == ("problem" in head or OPEN in open_incidents)


def test_instants_are_reported_on_the_clock_of_the_project():
    """And its zone is named."""
    found = evaluate_visible_status([SNOOZED], [PAY], UnresolvedFailures(), now=0, zone="Europe/Berlin")
    assert found.head == "1 problem is snoozed until 15:00 Europe/Berlin by ana"


@given(
    st.lists(st.builds(replace, st.just(OPEN), state=st.sampled_from(UNRESOLVED), severity=st.sampled_from(Severity))),
)
def test_status_is_never_healthy_while_a_page_is_open(open_incidents):
    """Whatever someone did about it."""
    is_loud = any(item.severity is Severity.PAGE or item.state is IncidentState.OPEN for item in open_incidents)
    assert part(open_incidents, [PAY]).head.startswith("Healthy") == (not is_loud)


@pytest.mark.parametrize(
    ("runs", "sentence", "count"),
    [
        (
            UnresolvedFailures(undecided=Capped(1, more=False)),
            "1 failed run still needs a decision: `mainspring failed list`. Otherwise healthy: 1 automation.",
            1,
        ),
        (
            UnresolvedFailures(undecided=Capped(40, more=True)),
            "40+ failed runs still need a decision: `mainspring failed list`. Otherwise healthy: ",
            1,
        ),
        (UnresolvedFailures(halted=Capped(1, more=False)), "1 thing needs you: ", 1),
        (
            UnresolvedFailures(NO_RUNS, Capped(1, more=False), Capped(1, more=False)),
            "1 failed run and 1 stopped run need a decision: `mainspring failed list`. Otherwise healthy: 1 automation.",
            1,
        ),
        (
            UnresolvedFailures(*[Capped(2, more=False)] * 2),
            "1 thing needs you: 2 failed runs still need a decision, 1 automation.",
            1,
        ),
    ],
)
def test_undecided_failed_run_is_a_problem(runs, sentence, count):
    """Whatever else is healthy, with the command that lists them."""
    found = evaluate_visible_status([], [PAY], runs, now=0, zone="UTC")
    assert found.sentence.startswith(sentence)
    assert found.count == count
