"""The chart of a rollout's share: bars in order of time, within the picture."""

from mainspring.insight.rollouts.rollout_detail import RolloutStepRow, make_rate
from mainspring.web.dashboard.charts.share_steps import HEIGHT, WIDTH, draw_shares


def make_step(step, percent, started_at=None, ended_at=None):
    none = make_rate(0, 0)
    times = {"started_at": started_at, "ended_at": ended_at}
    return RolloutStepRow(step=step, percent=percent, **times, old_runs=0, new_runs=0, old_failed=none, new_failed=none)


def test_bars_are_as_wide_as_their_time_and_as_high_as_their_share():
    """A step that has not started has none; the one that counts ends now."""
    chart = draw_shares([make_step(1, 5, 0, 6_000), make_step(2, 50, 6_000), make_step(3, 100)], 10_000, "UTC")
    assert [(bar.x, bar.width, bar.y, bar.height) for bar in chart.bars] == [(0, 600, 95, 5), (600, 400, 50, 50)]
    assert chart.description == "5 % from 1970-01-01 00:00:00 UTC; 50 % from 1970-01-01 00:00:06 UTC"


def test_short_steps_and_small_shares_stay_visible():
    """All of them are inside the picture, also if no time has passed or the clock was set back."""
    steps = [make_step(1, 0.0001, 0, 0), make_step(2, 1, 0, 10**9), make_step(3, 100, 10**9)]
    for now in (10**9, 10**9 - 5):
        for bar in draw_shares(steps, now, "UTC").bars:
            assert bar.width > 0 < bar.height
            assert 0 <= bar.x < bar.x + bar.width <= WIDTH
            assert 0 <= bar.y < bar.y + bar.height <= HEIGHT
    assert draw_shares([make_step(1, 5)], 0, "UTC").bars == []
