"""What a process takes of its machine: memory of now, its share of a core since the beat before."""

import resource
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.store.process_usage import ProcessUsage, resident_bytes

_MIB = 1024**2


class Clock:
    """Two counters that a test moves."""

    def __init__(self) -> None:
        self.passed, self.used = 100.0, 3.0

    def usage(self) -> ProcessUsage:
        return ProcessUsage(lambda: self.passed, lambda: self.used)


def test_share_is_of_the_time_since_the_beat_before():
    """Not since the process began: one that is idle now reads as idle, one with two threads may take more than a core."""
    clock = Clock()
    usage = clock.usage()
    clock.passed, clock.used = 102.0, 4.0
    assert usage.beat().processor == 500
    clock.passed = 104.0
    assert usage.beat().processor == 0
    clock.passed, clock.used = 106.0, 8.0
    assert usage.beat().processor == 2_000


def test_share_of_no_time_is_not_known():
    """A beat at the instant of the one before says nothing of the processor, and still of memory."""
    beat = Clock().usage().beat()
    assert beat.processor is None
    assert beat.memory is not None


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0, 64)), min_size=1, max_size=20))
def test_shares_add_up_to_what_was_taken(beats):
    """Whatever the spans between beats, nothing is counted twice or lost but by rounding."""
    clock = Clock()
    usage = clock.usage()
    counted = 0.0
    for span, cores in beats:
        clock.passed += span
        clock.used += span * cores
        counted += usage.beat().processor / 1000 * span
    assert counted == pytest.approx(clock.used - 3.0, abs=0.001 * sum(span for span, _ in beats))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_memory_is_read_from_the_kernel():
    """In bytes: what the status file of the process tells in kilobytes, but for what came in between."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    assert resident_bytes() == pytest.approx(int(line.split()[1]) * 1024, abs=64 * _MIB)
    assert resident_bytes() > _MIB


def test_memory_is_the_peak_where_the_system_reports_no_more(tmp_path):
    """Counted in single bytes on macOS, in kilobytes elsewhere."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    assert resident_bytes(tmp_path / "statm") >= most * unit > _MIB
