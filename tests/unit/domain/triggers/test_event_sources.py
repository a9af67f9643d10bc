"""What is listened for inside: names, states and values as they are written, and what is refused."""

from datetime import timedelta

import pytest

from mainspring.domain.errors import OptionError
from mainspring.domain.triggers.event_sources import (
    END_STATES,
    EventSource,
    JoinedRunsSource,
    RunEndSource,
    read_end_states,
)


def test_event_is_meant_by_its_values():
    """Dotted paths lead into the data; no values = each event of the name."""
    expected = EventSource.parse("paid", {"card.country": "DE", "amount": 5})
    assert expected.matches({"card": {"country": "DE"}, "amount": 5, "x": 1})
    for data in ({"card": {"country": "FR"}, "amount": 5}, {"amount": 5}, {"card": "DE", "amount": 5}, [], None):
        assert not expected.matches(data)
    assert EventSource.parse("paid", None).matches(None)


def test_states_are_those_in_which_a_run_ends():
    """Succeeded where none is said, each of them for "any"."""
    assert END_STATES == ("cancelled", "failed", "succeeded")
    assert read_end_states(None) == ("succeeded",)
    assert read_end_states("any") == END_STATES
    assert read_end_states(["failed", "cancelled", "failed"]) == ("cancelled", "failed")
    assert RunEndSource.parse("load", "failed") == RunEndSource(automation="load", states=("failed",))
    with pytest.raises(OptionError, match="no run ends as 'running'") as refused:
        read_end_states("running")
    assert "any" in (refused.value.hint or "")


def test_several_runs_are_gathered_by_slot_or_key():
    """A day where no span is said."""
    assert JoinedRunsSource.parse(["a", "b"]) == JoinedRunsSource(automations=("a", "b"), per="slot", within=86_400_000)
    expected = JoinedRunsSource.parse(("a", "b"), state="any", per="key", within=timedelta(hours=2))
    assert (expected.states, expected.per, expected.within) == (END_STATES, "key", 7_200_000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"automations": ["a"]}, "runs of 'a': this waits for two or more"),
        ({"automations": "ab"}, "runs of 'ab': this waits for two or more"),
        ({"automations": []}, "runs of nothing"),
        ({"automations": ["a", "a"]}, "two or more different"),
        ({"automations": ["a", ""]}, "'' is not the name of an automation"),
        ({"per": "day"}, "per='day' is neither slot nor key"),
        ({"within": "0s"}, "is too short"),
        ({"state": "done"}, "no run ends as 'done'"),
    ],
)
def test_runs_that_cannot_be_gathered_are_refused(options, message):
    """With what to write."""
    with pytest.raises(OptionError, match=message) as refused:
        JoinedRunsSource.parse(**{"automations": ["a", "b"], **options})
    assert refused.value.hint


@pytest.mark.parametrize("name", ["", "  ", 5, None])
def test_names_are_texts(name):
    """Of events and of automations."""
    with pytest.raises(OptionError, match="is not the name of an event"):
        EventSource.parse(name, None)
    with pytest.raises(OptionError, match="is not the name of an automation"):
        RunEndSource.parse(name, None)
