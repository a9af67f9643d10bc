"""Values by reference in quantity: the memory of the worker does not grow with them, and nothing stays after retention."""

import json
import os
import subprocess
import sys

import pytest

COUNT = 1_000 if os.environ.get("TESTS_LONG") else 60
"""Runs with a value of a mebibyte each, which is the result of one step and the input of the next one."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_many_large_values_need_little_memory_and_leave_nothing(request, tmp_path, kind):
    """A worker that passes a gibibyte through its runs stays below 200 MB."""
    place = str(tmp_path / "state.db") if kind == "sqlite" else request.getfixturevalue("lent_store")
    words = [sys.executable, "-m", "tests.torture.large_values_life", place, str(COUNT)]
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=850, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    end = json.loads(done.stdout)
    assert end["before"] == 2 * COUNT  # as text, and as an argument
    assert end["after"] == 0
    assert end["memory"] < 200_000_000
