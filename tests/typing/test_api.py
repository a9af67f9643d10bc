"""The public API keeps users' types: one file of uses, read by the strict checker."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_api_keeps_the_types_of_users_functions():
    """Right uses have exactly the pinned types, and each wrong one is an error."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent"]
    command += ["--namespace-packages", "--explicit-package-bases", "tests/typing/api.py"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"MYPYPATH": "src"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
