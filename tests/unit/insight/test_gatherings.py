"""Starts that wait for runs of several automations, as far as somebody sees those."""

from mainspring.insight.gatherings import Gathering, gathering_text, seen_gathering

WAITS = Gathering(
    per="k",
    here=["pay"],
    missing=["load", "secret"],
    ended={"secret": "failed"},
    runs={"pay": "r_1", "secret": "r_2"},
    deadline_at=1,
    is_late=True,
)


def test_gathering_names_what_is_seen_alone():
    """Neither names nor runs of the others, in its words either; who sees all is told all."""
    found = seen_gathering(WAITS, lambda name: name != "secret")
    assert (found.here, found.missing, found.ended, found.runs) == (["pay"], ["load"], {}, {"pay": "r_1"})
    assert "secret" not in gathering_text(found, "", 2, "UTC")
    assert "r_2" in gathering_text(WAITS, "", 2, "UTC")
    assert seen_gathering(WAITS, lambda name: True) == WAITS
