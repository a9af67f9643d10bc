"""Pictures: every number is drawn where it belongs, whatever the numbers are."""

import itertools
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.states import REOPENABLE_STATES, RunState
from mainspring.insight.automations.due_times import PastDueTime
from mainspring.store.read.automations.automation_stats import RunMark
from mainspring.web.dashboard.charts.heat_grid import draw_heat_grid
from mainspring.web.dashboard.charts.layered_graph import BOX, draw_layered_graph
from mainspring.web.dashboard.charts.punctuality import draw_punctuality, draw_window
from mainspring.web.dashboard.charts.run_strip import HEIGHT, draw_brief_strip, draw_strip
from mainspring.web.pages.status_icons import state_tone

HOUR = 3_600_000
MONDAY = 1_767_571_200_000  # 2026-01-05 00:00 UTC
states = st.sampled_from(list(RunState))
marks = st.lists(
    st.builds(
        lambda run, state, duration_ms: RunMark(
            run, state, None, None, 0, None if duration_ms is None else 0, duration_ms
        ),
        st.uuids().map(str),
        states,
        st.none() | st.integers(0, 10**9),
    ),
    max_size=70,
)


@given(marks)
def test_strip_renders_the_newest_within_its_frame(runs):
    """At the right, none outside, the tone of each its state's."""
    found = draw_strip(runs, 50, 10**9)
    assert (len(found.linked), found.paths) == (min(len(runs), 50), [])
    assert [run.tone for run in found.linked] == [state_tone(run.state) for run in runs[:50]][::-1]
    for run in found.linked:
        assert 0 <= run.x <= found.width - run.width
        assert 0 <= run.y < run.y + run.height <= HEIGHT + 0.1
    if runs:
        assert found.linked[-1].x == found.width - found.linked[-1].width


def test_strip_reports_in_words_what_it_displays():
    """For anyone who does not see it; a run that continues is as high as it has taken so far."""
    done = RunMark("r1", RunState.SUCCEEDED, None, None, 0, 0, 1_000)
    going = RunMark("r2", RunState.RUNNING, None, None, 0, 0, None)
    found = draw_strip([going, done], 50, 4_000)
    assert found.description == "The newest 2: 1 running, 1 succeeded; the last is running."
    assert [run.description for run in found.linked] == ["succeeded, took 1s", "running for 4s"]
    assert [run.height for run in found.linked] == [12, 24]
    assert draw_strip([], 50, 0).description == "no run yet"


@given(marks, st.integers(0, 6))
def test_brief_strip_renders_each_run_once_and_leads_to_the_newest_that_stopped(runs, links):
    """None is lost, and what is no link is drawn where it would be."""
    whole, found = draw_strip(runs, 50, 10**9), draw_brief_strip(runs, 50, 10**9, links)
    stopped = [run.run for run in runs[:50] if run.state in REOPENABLE_STATES][:links]
    assert [run.run for run in found.linked] == stopped[::-1]
    marks = [(tone, int(x)) for tone, path in found.paths for x in re.findall(r"M(\d+) ", path)]
    assert sorted([*marks, *((run.tone, run.x) for run in found.linked)]) == sorted(
        (run.tone, run.x) for run in whole.linked
    )
    assert found.description == whole.description


def hour(at, succeeded=0, failed=0):
    return SimpleNamespace(hour_at=at, succeeded=succeeded, failed=failed)


def test_heat_is_on_the_clock_of_the_zone():
    """Midnight in UTC is one in the morning in Berlin, and seven in the evening before in New York."""
    for zone, label in (("Europe/Berlin", "Mon 01:00"), ("America/New_York", "Sun 19:00"), ("UTC", "Mon 00:00")):
        found = draw_heat_grid([hour(MONDAY, 3, 1)], zone)
        assert [square.description for square in found.squares if square.level] == [f"{label}: 1 of 4 failed"]
        assert (found.failed, found.worst) == (1, f"{label} (1)")


@given(st.lists(st.builds(hour, st.integers(0, 2_000).map(lambda n: MONDAY + n * HOUR), *[st.integers(0, 99)] * 2)))
def test_heat_is_darker_the_more_failed(hours):
    """Nothing ended, all well, and four shades; all failures are in it."""
    found = draw_heat_grid(hours, "UTC")
    assert len(found.squares) == 168
    assert all(0 <= square.level <= 5 for square in found.squares)
    assert found.failed == sum(hour.failed for hour in hours)
    assert (max(square.level for square in found.squares) == 5) == bool(found.failed)


def test_expected_lists_missing_runs():
    """What may still come is not lost yet; what was left out on purpose is reported as that."""
    past = [
        PastDueTime(schedule="a", due_at=MONDAY, run="r1", state=RunState.SUCCEEDED, came_at=MONDAY + 60_000),
        PastDueTime(schedule="a", due_at=MONDAY + HOUR, run="r2", state=RunState.FAILED),
        PastDueTime(schedule="a", due_at=MONDAY + 2 * HOUR, note="skipped: it went on"),
        PastDueTime(schedule="a", due_at=MONDAY + 3 * HOUR),
        PastDueTime(schedule="a", due_at=MONDAY + 4 * HOUR),
    ]
    found = draw_punctuality(past, "UTC", met_until=MONDAY + 4 * HOUR)
    assert [(column.tone, column.lost, column.run) for column in found.columns] == [
        ("good", False, "r1"),
        ("bad", False, "r2"),
        ("warn", False, None),
        (None, True, None),
        ("idle", False, None),
    ]
    assert (found.met, found.due) == (1, 5)
    assert found.columns[0].description == "2026-01-05 00:00:00: succeeded 1m after it was due"
    assert draw_punctuality(past, "UTC").columns[-1].lost


@pytest.mark.parametrize(
    ("passed", "filled", "tone"),
    [(0, 0, "good"), (50, 200, "good"), (75, 300, "warn"), (100, 400, "bad"), (200, 400, "bad")],
)
def test_window_fills_until_it_is_missed(passed, filled, tone):
    """In the tone of how near that is, and never beyond its end."""
    found = draw_window(1_000, 101_000, 1_000 + passed * 1_000)
    assert (found.filled, found.tone) == (filled, tone)


names = st.integers(0, 8).map(lambda n: f"n{n}")
edges = st.lists(st.tuples(names, names, st.just("")), max_size=20)


@given(edges)
def test_layers_draw_any_graph(graph):
    """Cycles and selves too: no two boxes on one place, all within the frame, each edge forward unless it closes a cycle."""
    nodes = sorted({end for edge in graph for end in edge[:2]})
    found = draw_layered_graph(nodes, graph)
    places = {box.name: (box.x, box.y) for box in found.boxes}
    assert len(set(places.values())) == len(places) == len(nodes)
    for x, y in places.values():
        assert 0 <= x <= found.width - BOX[0]
        assert 0 <= y <= found.height - BOX[1]
    assert len(found.lines) == len(graph)
    for (a, b, _), line in zip(graph, found.lines, strict=True):
        assert line.back == (places[a][0] >= places[b][0])


def test_layers_follow_the_order_of_starts():
    """Behind the last of those that lead to it; a long name is cut."""
    found = draw_layered_graph(["a", "b", "c" * 40], [("a", "b", ""), ("b", "c" * 40, ""), ("a", "c" * 40, "with b")])
    xs = [box.x for box in found.boxes]
    assert xs == sorted(set(xs))
    assert found.boxes[-1].text.endswith("…")
    assert not any(line.back for line in found.lines)
    assert draw_layered_graph([], []).boxes == []


def test_layers_draw_a_long_chain():
    """As long as there are automations."""
    length = 1_200
    nodes = [f"n{n}" for n in range(length)]
    found = draw_layered_graph(nodes, [(a, b, "") for a, b in itertools.pairwise(nodes)])
    assert len({box.x for box in found.boxes}) == length
