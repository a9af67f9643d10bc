"""What mainspring is given to reach its store and others is not handed on to what it runs, unless that is allowed by name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm_command_line
from tests.polling import polls

ROOT = Path(__file__).parents[2]
PASSWORD, SECRET = "the-password-of-the-database", "the-secret-of-a-webhook"
WORK = """
import os, subprocess, sys
import mainspring as ms

NAMES = ("PGPASSWORD", "MAINSPRING_STORE_URL", "MAINSPRING_SECRET_HOOK")

@ms.task(isolate="process")
def isolated() -> list[str]:
    inner = subprocess.run([sys.executable, "-c", "import os; print(*os.environ)"], capture_output=True, text=True).stdout
    return [name for name in NAMES if name in os.environ or name in inner.split()]

@ms.task
def threaded() -> list[str]:
    inner = subprocess.run([sys.executable, "-c", "import os; print(*os.environ)"], capture_output=True, text=True).stdout
    return [name for name in NAMES if name in os.environ or name in inner.split()]

@ms.task
async def opens_the_app() -> int:
    app = ms.App.from_config()
    return await (await app.start(twice, 21)).result() if sys.argv[0].endswith("worker_process.py") else 42

@ms.task
def twice(number: int) -> int:
    return 2 * number

ms.script("listed", [sys.executable, "-c", "import os; print(*os.environ)"])

@ms.workflow
async def both(run: ms.Run) -> list[str]:
    return await run.step(isolated)
"""
SHOW = "import os; print([name for name in ('PGPASSWORD', 'MAINSPRING_STORE_URL', 'MAINSPRING_SECRET_HOOK') if name in os.environ])"
pytestmark = pytest.mark.timeout(120)


class Project:
    """A project whose store is named by the environment only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "work.py").write_text(WORK)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT / "src"),
            "PGPASSWORD": PASSWORD,
            "MAINSPRING_STORE_URL": str(folder / "s.db"),
            "MAINSPRING_SECRET_HOOK": SECRET,
        }

    def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "mainspring", *words],
            cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def allow(self, *names: str) -> None:
        (self.folder / "mainspring.toml").write_text(
            f'[project]\nautomations = ["work.py"]\n[secrets]\npass_env = {json.dumps(list(names))}\n'
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    found.allow()
    return found


def test_exec_hands_on_no_password_of_ours(project: Project) -> None:
    """Unless it is allowed, by the flag or by the configuration; a command that fails learns what it did not get."""
    command = ("--", sys.executable, "-c", SHOW)
    assert project.call("exec", *command).stdout.strip() == "[]"
    assert project.call("exec", "--pass-env", "PGPASSWORD", *command).stdout.strip() == "['PGPASSWORD']"
    project.allow("PGPASSWORD", "MAINSPRING_SECRET_HOOK")
    assert project.call("exec", *command).stdout.strip() == "['PGPASSWORD', 'MAINSPRING_SECRET_HOOK']"
    project.allow()
    failed = project.call("exec", "--", sys.executable, "-c", "raise SystemExit(3)")
    assert failed.returncode == 3
    assert "it did not get PGPASSWORD; --pass-env PGPASSWORD passes it on" in failed.stderr
    assert PASSWORD not in failed.stderr


def test_steps_in_children_and_scripts_inherit_no_password_of_ours(project: Project) -> None:
    """Nor does what they start; allowed names reach a step and what it starts."""
    done = project.call("run", "isolated", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == []
    assert project.call("run", "listed").returncode == 0
    displayed = project.call("runs", "logs", "@last").stdout
    assert "MAINSPRING_RUN_ID" in displayed
    assert not any(
        name in displayed.split() for name in ("PGPASSWORD", "MAINSPRING_STORE_URL", "MAINSPRING_SECRET_HOOK")
    )
    project.allow("PGPASSWORD", "MAINSPRING_STORE_URL")
    assert json.loads(project.call("run", "isolated", "--json").stdout)["result"] == [
        "PGPASSWORD",
        "MAINSPRING_STORE_URL",
    ]


def test_command_that_calls_mainspring_uses_no_other_store(project: Project) -> None:
    """Without the address of the store it ends with the fix, and makes no store of its own; allowed, or by its own address, it works."""
    inner = ("--", sys.executable, "-m", "mainspring", "runs", "list")
    refused = project.call("exec", *inner)
    assert refused.returncode != 0
    assert "secrets.pass_env" in refused.stderr
    assert not (project.folder / ".local").exists()
    assert project.call("exec", "--pass-env", "MAINSPRING_STORE_URL", *inner).returncode == 0
    assert (
        project.call(
            "exec", "--", sys.executable, "-m", "mainspring", "--store", str(project.folder / "s.db"), "runs", "list"
        ).returncode
        == 0
    )


@pytest.mark.slow
def test_steps_in_threads_of_a_worker_see_no_password_of_ours(project: Project) -> None:
    """Nor does what they start. Allowed names are seen, and the worker itself still finds its store."""
    done = project.call("run", "threaded", "--json")
    assert json.loads(done.stdout)["result"] == [], done.stderr
    for allowed in ([], ["PGPASSWORD"]):
        project.allow(*allowed)
        with subprocess.Popen(
            [sys.executable, "-m", "mainspring", "up", "--role", "worker"],
            cwd=project.folder, env=project.env, stderr=subprocess.DEVNULL,
        ) as up:  # fmt: skip
            listed = ("workers", "list", "--json")
            for _ in polls(60):
                if '"worker"' in warm_command_line.call(listed, cwd=project.folder, env=project.env, timeout=60).stdout:
                    break
            assert json.loads(project.call("run", "threaded", "--json").stdout)["result"] == allowed
            assert json.loads(project.call("run", "opens_the_app", "--json").stdout)["result"] == 42
            up.terminate()
