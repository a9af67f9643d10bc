"""Ways of runs as a picture: what fits is drawn, with its numbers apart; what says nothing, or is too much, is not."""

from mainspring.domain.states import OutcomeState, RunState
from mainspring.insight.runs.run_paths import build_run_paths
from mainspring.store.read.runs.run_paths import PathOutcome, RunPath
from mainspring.web.dashboard.charts.run_paths import BOX, draw_run_paths
from tests.unit.insight.runs.test_run_paths import FAILED, run


def draw_sample(*runs):
    return draw_run_paths(build_run_paths("a", runs, bool))


def test_nothing_and_too_much_are_not_rendered():
    """A table says it then."""
    assert draw_sample() is None
    assert draw_sample(run("r", *((f"s{n}",) for n in range(38)))) is not None
    assert draw_sample(run("r", *((f"s{n}",) for n in range(60)))) is None


def test_start_is_rendered_where_useful():
    """Where there is more than one way out of it."""
    charged, rejected = run("r1", ("charge",)), run("r2", ("refuse",))
    assert [box.text for box in draw_sample(charged).boxes] == ["charge", "succeeded"]
    assert "start" in [box.text for box in draw_sample(charged, rejected).boxes]


def test_failures_have_their_own_style():
    """What is missing, what continued, what went well; ends are reported by their tone."""
    lost = run("r1", ("mail",), ("charge", 1, FAILED), state=RunState.FAILED, by="charge")
    caught = run("r2", ("mail", 0, FAILED), ("apologise",))
    found = draw_sample(lost, caught)
    styles = {(line.edge.step, line.edge.then): line.style for line in found.lines}
    assert styles["charge", "failed"] == "missing"
    assert styles["mail", "apologise"] == "fell"
    assert styles["mail", "charge"] == "went"
    assert "charge to failed: 1 run, no error path" in [line.description for line in found.lines]
    tones = {box.text: (box.tone, box.failed_text) for box in found.boxes}
    assert (tones["failed"], tones["mail"]) == (("bad", ""), ("", "1 failed"))


def test_numbers_do_not_overlap():
    """Also those of two ways between the same boxes, and of one that leads back."""
    steps = [PathOutcome(1, "a", "a", "step", OutcomeState.SUCCEEDED, 0), PathOutcome(2, "a2", "a", "step", FAILED, 0)]
    both = RunPath("r1", RunState.SUCCEEDED, None, None, [*steps, PathOutcome(3, "b", "b", "step", FAILED, 2)])
    found = draw_sample(both, run("r2", ("a",), ("b",), ("a",), ("b", 3, FAILED), ("b",)))
    places = [(line.x, line.y) for line in found.lines]
    assert len(set(places)) == len(places) == len(found.lines)
    assert all(0 <= x <= found.width and 0 <= y <= found.height for x, y in places)


def test_no_line_runs_behind_a_box():
    """A way over several boxes goes beside them."""
    lost = run("r2", ("a", 0, FAILED), state=RunState.FAILED, by="a")
    found = draw_sample(run("r1", ("a",), ("b",), ("c",), state=RunState.FAILED), lost)
    (long,) = [line for line in found.lines if line.style == "missing"]
    (b,) = [box for box in found.boxes if box.text == "b"]
    heights = {int(part.split("C")[0].split()[1]) for part in long.path[1:].split("L")[1:]}
    assert heights
    assert all(not b.y <= y <= b.y + BOX[1] for y in heights)
