"""The way from a bare machine to a virtual environment, played by stand-ins for the Pythons one meets."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "venv.sh"
OLD = """\
case "$2" in
  *'%d.%d.%d'*) echo 3.10.13;;
  *) exit 1;;
esac
"""
# Debian without python3-venv: `-m venv` fails for want of ensurepip, and a pip of the system can fill the environment.
# The stand-in for that pip uses ensurepip, so that the test needs no network.
WITHOUT_ENSUREPIP = """\
case "$*" in
  "-m venv --without-pip "*) exec {python} "$@";;
  "-m venv "*) mkdir "$3"; exit 1;;
  "-m pip --python "*) exec "$4" -m ensurepip;;
  "-m pip "*|"-m virtualenv "*) exit 1;;
  *) exec {python} "$@";;
esac
"""


@pytest.fixture
def make_venv(tmp_path):
    def run(body):
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\n" + body.format(python=sys.executable))
        python.chmod(0o755)
        return subprocess.run(
            ["/bin/sh", SCRIPT, python, tmp_path / "venv"], capture_output=True, text=True, check=False
        )

    return run


def test_old_python_gets_one_clear_line(make_venv, tmp_path):
    """A Python that is too old is named with its version and the way to choose another, and nothing is made."""
    result = make_venv(OLD)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "3.11 or newer is needed" in result.stderr
    assert "3.10.13" in result.stderr
    assert "make PYTHON=" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_missing_python_gets_one_clear_line(make_venv):
    """A name on the PATH that does not start counts as no Python at all."""
    result = make_venv("exit 127\n")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert "no Python 3.11 or newer found" in result.stderr


def test_python_without_ensurepip_gets_pip_from_elsewhere(make_venv, tmp_path):
    """Where the environment cannot be made with pip it is made without, filled by a pip of the machine, and then kept."""
    pytest.importorskip("ensurepip", reason="plays the part of the machine's pip")
    result = make_venv(WITHOUT_ENSUREPIP)
    assert result.returncode == 0, result.stderr
    pip = subprocess.run([tmp_path / "venv/bin/python", "-m", "pip", "--version"], capture_output=True, check=False)
    assert pip.returncode == 0
    (tmp_path / "venv" / "mine").touch()
    assert make_venv(WITHOUT_ENSUREPIP).stdout == ""
    assert (tmp_path / "venv" / "mine").exists()


@pytest.mark.xdist_group("group")
def test_tests_of_a_group_stay_in_one_process(request):
    """pytest-xdist adds the group to the name of a test; under a version of pytest that it does not know it adds nothing, in silence."""
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("these tests run in one process, or without groups")
    assert request.node.nodeid.endswith("@group")
