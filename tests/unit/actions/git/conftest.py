"""Remotes of the tests: bare repositories on the disk, written to by plain Git as another program would."""

import base64
import contextlib
import functools
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

TOKEN = "tok_9f3b61c7aa52d0e4"
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


class _Site(http.server.SimpleHTTPRequestHandler):
    """Repositories as files, for those who sign in."""

    def do_GET(self):
        expected = base64.b64encode(f"ann:{TOKEN}".encode()).decode()
        if "service=git-receive-pack" in self.path:
            self.send_error(403)
        elif self.path.startswith("/moved"):
            self.send_response(301)
            self.send_header("location", f"http://localhost:{self.server.server_port}{self.path[6:]}")
            self.end_headers()
        elif self.headers.get("authorization") == f"Basic {expected}":
            super().do_GET()
        else:
            self.send_response(401)
            self.send_header("www-authenticate", 'Basic realm="git"')
            self.end_headers()

    def log_message(self, *_words):
        """Stay silent."""


@contextlib.contextmanager
def serving_repositories(folder: Path) -> Iterator[str]:
    """Serve the repositories of a folder to user "ann" with the token; after `git update-server-info` they can be cloned."""
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Site, directory=str(folder)))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{site.server_port}"
    finally:
        site.shutdown()
        site.server_close()


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
