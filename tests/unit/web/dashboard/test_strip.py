"""Strips: each run is one cell, within the picture, and the newest failures lead to their runs."""

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.states import REOPENABLE, RunState
from mainspring.store.reads.soon import BriefRun
from mainspring.web.dashboard.strip import HEIGHT, WIDTH, strip_of

ROW = BriefRun("r_1", RunState.SUCCEEDED, 0, 0, 0)
runs = st.lists(
    st.builds(
        lambda state, took, number: msgspec.structs.replace(ROW, id=f"r_{number}", state=state, finished_at=took),
        st.sampled_from(RunState), st.none() | st.integers(0, 10**9), st.integers(0, 10**6),
    ),
    max_size=60,
)  # fmt: skip


@given(runs=runs)
def test_each_run_is_one_cell_inside(runs):
    """None is lost, none stands on another, none is higher than the picture."""
    found = strip_of(runs, 50)
    cells = re.findall(
        r"M(\d+) (\d+)h\d+v(\d+)h-\d+z",
        "".join([*(one.path for one in found.bars), *(one.path for one in found.linked)]),
    )
    assert len(cells) == min(len(runs), 50)
    assert len({x for x, _, _ in cells}) == len(cells)
    assert all(0 <= int(x) <= found.width - WIDTH and int(y) + int(height) == HEIGHT for x, y, height in cells)
    stopped = [run.id for run in runs[:50] if run.state in REOPENABLE]
    assert [one.run for one in found.linked] == stopped[:5]


def test_picture_is_told_in_words():
    """For whoever does not see it."""
    failed = msgspec.structs.replace(ROW, state=RunState.FAILED)
    assert strip_of([failed, ROW], 50).said == "2 runs, 1 stopped by an error; the newest failed"
    assert strip_of([], 50).said == "no run yet"
