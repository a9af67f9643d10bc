"""Values by reference in quantity: the memory of the worker does not grow with them, and nothing stays after retention."""

import json
import os
import subprocess
import sys

import pytest

COUNT = 1_000 if os.environ.get("TESTS_LONG") else 60
"""Runs with a value of a mebibyte each, which is the result of one step and the input of the next one."""

MEBIBYTES = 1_024 if os.environ.get("TESTS_LONG") else 100
"""The size of the file."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("isolate", ["thread", "process"])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_large_file_needs_little_memory(request, tmp_path, kind, isolate):
    """A worker whose steps put and read a gibibyte needs at most 50 MB more, also for the chunks of a child process.

    On a server twice that: the driver writes and reads bytes as text.
    """
    place = str(tmp_path / "state.db") if kind == "sqlite" else request.getfixturevalue("lent_store")
    words = [sys.executable, "-m", "tests.torture.large_files_life", place, str(MEBIBYTES), isolate]
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=850, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    assert json.loads(done.stdout.splitlines()[-1])["grown"] < (50_000_000 if kind == "sqlite" else 100_000_000)


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
