"""Where bars lie: in order, within the picture, to scale, with idle time left out."""

from hypothesis import given
from hypothesis import strategies as st

from mainspring.insight.runs.steps import StepLine, StepTry
from mainspring.web.dashboard.charts.step_bars import WIDE, TimeAxis, draw_bars

NOW = 10_000_000


def line(*tries, kind="step", state="succeeded"):
    found = [
        StepTry(number, state if number == len(tries) else "failed", start, end)
        for number, (start, end) in enumerate(tries, 1)
    ]
    return StepLine(
        ident="s", name="s", kind=kind, state=state, request_number=1, generation=0, superseded=None, tries=found
    )


def test_work_is_to_scale_and_idle_time_is_not():
    """A second beside three; three days between them take less than they."""
    days = 3 * 86_400_000
    first, second, wait = draw_bars(
        [line((0, 1_000)), line((days, days + 3_000)), line((1_000, days), kind="timer")], days + 3_000
    )
    assert round(second[0].width / first[0].width, 1) == 3.0
    assert (wait[0].style, first[0].style) == ("dots", "solid")
    assert wait[0].width < second[0].width
    assert first[0].x == 0
    assert round(second[0].x + second[0].width) == WIDE


def test_attempts_before_the_last_are_hollow_with_dots_between():
    """The one that continues is solid, up to now."""
    (found,) = draw_bars([line((0, 10), (20, 30), (40, None), state="running")], 50)
    assert [bar.style for bar in found] == ["hollow", "dots", "hollow", "dots", "solid"]
    assert found[-1].title == "attempt 3: running, 10ms"
    (failed,) = draw_bars([line((0, 10), state="failed")], 50)
    assert [run.style for run in failed] == ["hollow"]


def test_nothing_and_only_instants_are_rendered():
    """A run without steps has no bars; steps of no time have a width that can be seen."""
    assert draw_bars([], NOW) == []
    (found,) = draw_bars([line((5, 5))], NOW)
    assert found[0].width > 0
    assert len(draw_bars([line(*[(n, n + 1) for n in range(100)])], NOW)[0]) <= 24


spans = st.tuples(st.integers(0, NOW), st.integers(0, NOW)).map(sorted)


@given(st.lists(spans, min_size=1, max_size=8), st.lists(spans, max_size=3))
def test_every_bar_lies_within_the_picture_and_time_keeps_its_order(work, waits):
    """However steps overlap."""
    lines = [*(line(tuple(span)) for span in work), *(line(tuple(wait), kind="timer") for wait in waits)]
    found = draw_bars(lines, NOW)
    assert [len(bars) for bars in found] == [1] * len(lines)
    for bars in found:
        for bar in bars:
            assert 0 <= bar.x <= WIDE
            assert bar.width > 0
            assert bar.x + bar.width <= WIDE + 0.2
    axis = TimeAxis(lines, NOW)
    places = [axis.place(at) for at in range(0, NOW, NOW // 50)]
    assert places == sorted(places)
