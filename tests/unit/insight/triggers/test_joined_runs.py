"""Starts that wait for runs of several automations, as far as someone sees those."""

from mainspring.insight.triggers.joined_runs import JoinedRunsView, describe_joined_runs, hide_joined_runs

WAITS = JoinedRunsView(
    per="k",
    here=["pay"],
    missing=["load", "secret"],
    ended={"secret": "failed"},
    runs={"pay": "r_1", "secret": "r_2"},
    deadline_at=1,
    is_late=True,
)


def test_gathering_names_what_is_seen_only():
    """Neither names nor runs of the others, in its words either; who sees all is reported all."""
    found = hide_joined_runs(WAITS, lambda name: name != "secret")
    assert (found.here, found.missing, found.ended, found.runs) == (["pay"], ["load"], {}, {"pay": "r_1"})
    assert "secret" not in describe_joined_runs(found, "", 2, "UTC")
    assert "r_2" in describe_joined_runs(WAITS, "", 2, "UTC")
    assert hide_joined_runs(WAITS, lambda name: True) == WAITS
