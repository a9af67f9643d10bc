"""The public API keeps users' types: one file of uses, read by two checkers."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_api_keeps_the_types_of_users_functions():
    """Right uses have exactly the pinned types, and each wrong one is an error."""
    check_types("tests/typing/api.py")


def test_api_keeps_the_types_of_users_functions_for_pyright():
    """The other checker, and the one of editors, says the same of each line."""
    _check(["pyright", "--project", "tests/typing"])


def check_types(path):
    """Check one file with mypy; an `ignore` without an error is an error."""
    options = ["--strict", "--config-file=", "--follow-imports=silent", "--namespace-packages"]
    _check(["mypy", *options, "--explicit-package-bases", path])


def _check(command):
    environment = os.environ | {"MYPYPATH": "src", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
