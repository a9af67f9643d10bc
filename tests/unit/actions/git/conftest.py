"""Remotes of the tests: bare repositories on the disk, written to by plain Git as another program would."""

import os
import subprocess
from pathlib import Path

import pytest

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{role}_{name}": "other" for role in ("AUTHOR", "COMMITTER") for name in ("NAME", "EMAIL")},
}


def run_git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "init.defaultBranch=main", *words]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | _ENVIRONMENT, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


class OtherProgram:
    """Another user of the remote, with a clone of its own."""

    def __init__(self, remote: Path, folder: Path) -> None:
        self.remote = remote
        self.folder = folder
        run_git(remote.parent, "clone", "-q", str(remote), str(folder))

    def push(self, name: str, text: str, branch: str = "main") -> str:
        """Write a file and push it; return the commit."""
        run_git(self.folder, "fetch", "-q")
        if run_git(self.remote, "branch", "--list", branch):
            run_git(self.folder, "checkout", "-q", "-B", branch, f"origin/{branch}")
        else:
            run_git(self.folder, "checkout", "-q", "-B", branch)
        (self.folder / name).write_text(text)
        run_git(self.folder, "add", "-A")
        run_git(self.folder, "commit", "-q", "-m", f"other {name}")
        run_git(self.folder, "push", "-q", "origin", branch)
        return run_git(self.folder, "rev-parse", "HEAD")

    def subjects(self, branch: str = "main") -> list[str]:
        """Return the subjects of the commits of the remote, newest first."""
        return run_git(self.remote, "log", "--format=%s", branch).split("\n")

    def read(self, name: str, branch: str = "main") -> str:
        """Return a file of the remote."""
        return run_git(self.remote, "show", f"{branch}:{name}")


@pytest.fixture
def remote(tmp_path):
    path = tmp_path / "remote.git"
    path.mkdir()
    run_git(path, "init", "-q", "--bare")
    return path


@pytest.fixture
def other(remote, tmp_path):
    """A remote with one commit."""
    program = OtherProgram(remote, tmp_path / "other")
    program.push("a.txt", "a\n")
    return program
