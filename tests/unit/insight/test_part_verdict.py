"""The verdict on a part of a project says nothing of the rest."""

import pytest
from msgspec.structs import replace

from mainspring.domain.incident import Incident, IncidentKind, Severity, Subject
from mainspring.domain.states import IncidentState
from mainspring.insight.part_verdict import judge_part
from mainspring.store.views import AutomationView

OPEN = Incident(
    id="i1", subject=Subject("pay", IncidentKind.SILENCE), state=IncidentState.OPEN, severity=Severity.PAGE, text="t", hint=None, facts={},
    since_at=0, opened_at=0, changed_at=0, seen_at=0,
)  # fmt: skip
PAY = AutomationView("pay", "task", 1, b"{}", "f", 1, None, None, None, None, None, None, 0)


@pytest.mark.parametrize(
    ("told", "views", "questions", "sentence"),
    [
        ([], [PAY], 0, "All is well: 1 automation."),
        (
            [],
            [PAY, replace(PAY, name="old", retired_at=1)],
            2,
            "All is well: 1 automation, 2 questions wait for an answer.",
        ),
        ([OPEN], [PAY], 0, "1 thing needs you: 1 open incident (1 page: mainspring incidents list), 1 automation."),
        ([replace(OPEN, state=IncidentState.SNOOZED)], [PAY], 0, "All is well: 1 incident looked after, 1 automation."),
        ([], [replace(PAY, problem="SyntaxError")], 0, "1 thing needs you: 1 automation."),
    ],
)
def test_sentence_says_what_is_seen(told, views, questions, sentence):
    """What is open, looked after, or does not load; retired automations count for nothing."""
    assert judge_part(told, views, questions).sentence == sentence


def test_what_an_incident_says_is_not_said_twice():
    """An automation that does not load, of which an incident tells."""
    lost = replace(OPEN, subject=Subject("pay", IncidentKind.DEFINITION_LOST))
    assert judge_part([lost], [replace(PAY, problem="SyntaxError")]).untold == []
    assert judge_part([], [replace(PAY, problem="SyntaxError")]).count == 1
