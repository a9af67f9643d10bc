"""Imports of `exec`: it starts for each line of a crontab, so it must not load what a successful command does not need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mainspring

_CODE = """
import json, sys
from mainspring.cli.main import run_command_line
code = run_command_line(["exec", "-n", "x", "--", "true"])
print(json.dumps([code, sorted(sys.modules)]))
"""
_MAX_MODULES = 500
_UNUSED_LAYERS = (
    "alerting",
    "triggers",
    "web",
    "testing",
    "domain.monitors",
    "engine.driver",
    "engine.worker",
    "engine.body",
)
_UNUSED_MODULES = {
    "asyncio",
    "ctypes",
    "http.client",
    "rich",
    "ssl",
    "statistics",
    "tempfile",
    "tomllib",
    "urllib.parse",
}


@pytest.fixture
def modules(tmp_path):
    """The names of all modules after an `exec` that succeeded in a store of its own."""
    source = str(Path(mainspring.__file__).parent.parent)
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": source}
    variables["MAINSPRING_STORE_URL"] = str(tmp_path / "state.db")
    for _ in range(2):  # the first call creates the store
        done = subprocess.run(
            [sys.executable, "-c", _CODE], env=variables, cwd=tmp_path, capture_output=True, text=True, check=True
        )
    code, names = json.loads(done.stdout)
    assert (code, done.stderr) == (0, "")
    return names


def test_exec_imports_no_layer_that_a_successful_command_needs_not(modules):
    """Monitors, notifications, the web, triggers and the driver of workflows are imported by none of it."""
    prefixes = tuple(f"mainspring.{layer}" for layer in _UNUSED_LAYERS)
    assert [name for name in modules if name.startswith(prefixes)] == []


def test_exec_imports_no_dear_module(modules):
    """Modules of the standard library that take milliseconds are imported only by the calls that use them."""
    assert sorted(_UNUSED_MODULES & set(modules)) == []


def test_exec_imports_a_limited_number_of_modules(modules):
    """Each module costs about a quarter of a millisecond of each call: raise the limit only with a reason."""
    assert len(modules) <= _MAX_MODULES


def test_exec_imports_only_the_handlers_of_its_commands(modules):
    """A handler of people, incidents, deliveries or messages comes with the first such command."""
    package = "mainspring.store.write.command_handlers."
    handlers = {name.removeprefix(package) for name in modules if name.startswith(package)}
    assert handlers <= {"exec_runs", "journal", "logs", "runs", "sessions"}
