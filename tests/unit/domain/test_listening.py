"""What is listened for inside: names, states and values as they are written, and what is refused."""

from datetime import timedelta

import pytest

from mainspring.domain.errors import OptionError
from mainspring.domain.listening import ENDS, OnEvent, OnRun, OnRuns, states_of


def test_event_is_meant_by_its_values():
    """Dotted paths lead into the data; no values = each event of the name."""
    wanted = OnEvent.parse("paid", {"card.country": "DE", "amount": 5})
    assert wanted.takes({"card": {"country": "DE"}, "amount": 5, "x": 1})
    for data in ({"card": {"country": "FR"}, "amount": 5}, {"amount": 5}, {"card": "DE", "amount": 5}, [], None):
        assert not wanted.takes(data)
    assert OnEvent.parse("paid", None).takes(None)


def test_states_are_those_in_which_a_run_ends():
    """Succeeded where none is said, each of them for "any"."""
    assert ENDS == ("cancelled", "failed", "succeeded")
    assert states_of(None) == ("succeeded",)
    assert states_of("any") == ENDS
    assert states_of(["failed", "cancelled", "failed"]) == ("cancelled", "failed")
    assert OnRun.parse("load", "failed") == OnRun(automation="load", states=("failed",))
    with pytest.raises(OptionError, match="no run ends as 'running'") as refused:
        states_of("running")
    assert "any" in (refused.value.hint or "")


def test_several_runs_are_gathered_by_slot_or_key():
    """A day where no span is said."""
    assert OnRuns.parse(["a", "b"]) == OnRuns(automations=("a", "b"), per="slot", within=86_400_000)
    wanted = OnRuns.parse(("a", "b"), state="any", per="key", within=timedelta(hours=2))
    assert (wanted.states, wanted.per, wanted.within) == (ENDS, "key", 7_200_000)


@pytest.mark.parametrize(
    ("options", "said"),
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
def test_runs_that_cannot_be_gathered_are_refused(options, said):
    """With what to write."""
    with pytest.raises(OptionError, match=said) as refused:
        OnRuns.parse(**{"automations": ["a", "b"], **options})
    assert refused.value.hint


@pytest.mark.parametrize("name", ["", "  ", 5, None])
def test_names_are_texts(name):
    """Of events and of automations."""
    with pytest.raises(OptionError, match="is not the name of an event"):
        OnEvent.parse(name, None)
    with pytest.raises(OptionError, match="is not the name of an automation"):
        OnRun.parse(name, None)
