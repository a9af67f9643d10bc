"""The user's rules for failures, named once in the configuration, hold for scripts, steps in child processes, and wrapped commands."""

import json
import os
import subprocess
from pathlib import Path

import pytest

import mainspring
from tests import warm_command_line

FAULTS = """
import mainspring as ms

class BankError(Exception): ...

def of_bank(error):
    if isinstance(error, BankError) or getattr(error, "returncode", None) == 3:
        return ms.Verdict.permanent("bank_refused")
"""
WORK = """
import mainspring as ms
from faults import BankError

@ms.task(isolate="{isolate}", retry=3)
def pay() -> None:
    raise BankError("no money")

ms.script("ship", ["sh", "-c", "exit 3"], retry=3)
"""


def call(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(mainspring.__file__).parent.parent)
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": source,
        "HOME": str(folder),
        "MAINSPRING_STORE_URL": str(folder / "state.db"),
    }
    return warm_command_line.call(args, cwd=folder, env=env, timeout=60)


def project(folder: Path, rule: str = "faults:of_bank", isolate: str = "process") -> None:
    (folder / "faults.py").write_text(FAULTS)
    (folder / "work.py").write_text(WORK.format(isolate=isolate))
    (folder / "mainspring.toml").write_text(f'[project]\nautomations = ["work.py"]\nclassify = ["{rule}"]\n')


def outcome(folder: Path) -> dict[str, object]:
    (line,) = json.loads(call(folder, "runs", "show", "@last", "--json").stdout)["step_lines"]
    return {"attempts": len(line["tries"]), "code": line["failure"]["code"], "kind": line["failure"]["kind"]}


@pytest.mark.parametrize(("name", "isolate"), [("pay", "thread"), ("pay", "process"), ("ship", "thread")])
def test_configured_rule_ends_the_attempts_of_steps_and_scripts(tmp_path, name, isolate):
    """Unknown to the table, so tried three times; permanent by the rule, so tried once."""
    project(tmp_path, isolate=isolate)
    output = call(tmp_path, "run", name)
    assert output.returncode == 5, output.stderr
    assert outcome(tmp_path) == {"attempts": 1, "code": "bank_refused", "kind": "permanent"}


def test_wrapped_command_is_evaluated_by_the_rule_too(tmp_path):
    """Exit code 3 is permanent here: one attempt of three."""
    project(tmp_path)
    output = call(
        tmp_path, "exec", "-n", "x", "--retry", "3", "--retry-wait", "0s", "--", "sh", "-c", "echo once; exit 3"
    )
    assert (output.returncode, output.stdout) == (3, "once\n")


def test_rule_that_cannot_be_imported_is_named(tmp_path):
    """`run` refuses, `doctor` finds it, `exec` says so and runs the command all the same."""
    project(tmp_path, rule="faults:of_nobody")
    output = call(tmp_path, "run", "pay")
    assert output.returncode == 2
    assert "`project.classify` 'faults:of_nobody' cannot be used: it cannot be imported" in output.stderr
    assert "faults:of_nobody" in call(tmp_path, "doctor").stdout
    output = call(
        tmp_path, "exec", "-n", "x", "--retry", "2", "--retry-wait", "0s", "--", "sh", "-c", "echo tried; exit 3"
    )
    assert (output.returncode, output.stdout) == (3, "tried\ntried\n")
    assert "failures are classified without it" in output.stderr
