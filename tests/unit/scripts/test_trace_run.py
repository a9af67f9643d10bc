"""The trace counts what a run passes through, and what is beside it apart."""

import os
import re
import subprocess
import sys

import pytest

from ratchet import ROOT

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="it is made of sys.monitoring")


@pytest.mark.slow
def test_trace_prints_files_functions_and_hops():
    """Of a task, a workflow and a failure up to its message."""
    words = [sys.executable, ROOT / "scripts" / "trace_run.py"]
    printed = subprocess.run(
        words,
        env={**os.environ, "PYTHONHASHSEED": "0", "TRACE_REPETITIONS": "8"},
        capture_output=True,
        text=True,
        check=True,
    )
    counts = dict(re.findall(r"^([^\n:]+): (\d+) files, \d+ functions$", printed.stdout, re.MULTILINE))
    assert len(counts) == 5, printed.stdout
    assert int(counts["task, from app.start to its result"]) < int(counts["workflow, from app.start to its result"])
    hops = [int(count) for count in re.findall(r": (\d+) hops$", printed.stdout, re.MULTILINE)]
    assert len(hops) == 4
    assert min(hops) > 3


def test_path_is_what_all_repetitions_have():
    """In the order of the first; the rest is background."""
    import trace_run

    assert trace_run.common([["a", "b", "c"], ["c", "a"]]) == ["a", "c"]
    assert trace_run.files_of(["a.py:f", "a.py:g", "b.py:f"]) == {"a.py", "b.py"}
