"""What a run happens under, and how a change of it is put into words."""

import pytest

from mainspring.domain.incidents.recent_changes import RecentChanges, describe_changes
from mainspring.domain.runs.run_conditions import ConditionChange, ConditionKind

DEFINITION, CONFIGURATION, RUNTIME = ConditionKind


@pytest.mark.parametrize(
    ("kind", "subject", "was", "now", "text"),
    [
        (
            DEFINITION,
            "automation:a",
            {"version": "1", "fingerprint": "x"},
            {"version": "2", "fingerprint": "y"},
            "it went from version 1 to 2",
        ),
        (
            DEFINITION,
            "automation:a",
            {"version": "1", "fingerprint": "x"},
            {"version": "1", "fingerprint": "y"},
            "its definition changed",
        ),
        (
            CONFIGURATION,
            "host:web1",
            {"worker.threads": "aa"},
            {},
            "the configuration of web1 changed (worker.threads)",
        ),
        (
            RUNTIME,
            "host:web1",
            {"Python": "3.12.1", "old": "1", "same": "1"},
            {"Python": "3.13.0", "new": "2", "same": "1"},
            "on web1 Python changed from 3.12.1 to 3.13.0, new 2 added, old 1 removed",
        ),
        (
            RUNTIME,
            "host:w\x1b",
            {},
            {str(n): "1" for n in range(5)},
            "on w\\x1b 0 1 added, 1 1 added, 2 1 added and 2 more",
        ),
    ],
)
def test_change_is_reported_in_words(kind, subject, was, now, text):
    """What it is about, the first few of many, and nothing that harms a terminal."""
    assert ConditionChange(1, kind, subject, was, now).text == text


def test_definition_of_another_automation_is_no_cause():
    """What a host runs under is everyone's."""
    changes = RecentChanges(
        conditions=(
            ConditionChange(5, DEFINITION, "automation:other", {"fingerprint": "x"}, {"fingerprint": "y"}),
            ConditionChange(5, CONFIGURATION, "host:h", {}, {"a": "b"}),
        )
    )
    assert describe_changes(changes, 10, "mine", "default", 1) == "the configuration of h changed (a) 5ms before"
