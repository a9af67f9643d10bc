"""Several projects of one user: what `mainspring exec` keeps outside the store belongs to one of them alone."""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

from mainspring.config import load
from tests import warm_command_line
from tests.acceptance.wrapping import Place
from tests.postgres_server import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0


class User:
    """Two projects of one person, who named one spool for all of them; each project is a store."""

    def __init__(self, folder: Path, urls: list[str]) -> None:
        self.folder = folder
        self.urls = urls
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "PYTHONPATH": str(ROOT / "src"),
        }

    def call(self, project: int | None, *words: str, **env: str) -> Any:
        store = {} if project is None else {"MAINSPRING_STORE_URL": self.urls[project]}
        return warm_command_line.call(
            words, cwd=self.folder, env={**self.env, **store, **env}, timeout=TIMEOUT_S, text=True
        )

    def runs(self, project: int) -> list[str]:
        return [run["automation"] for run in json.loads(self.call(project, "runs", "list", "--json").stdout)]

    def begin(self, project: int) -> None:
        """Make the store, which a busy server may not do within the patience of `exec`, and one run."""
        assert self.call(project, "db", "migrate", "--create").returncode == 0
        assert self.call(project, "exec", "-n", "begin", "--", "true").returncode == 0

    @contextlib.contextmanager
    def away(self, project: int) -> Iterator[None]:
        """The store of the project answers no one who wants to write."""
        url = self.urls[project]
        if url.startswith("postgresql://"):
            with psycopg.connect(url.partition("?")[0]) as connection:
                connection.execute(f"lock table {url.partition('schema=')[2]}.meta in access exclusive mode")
                yield
        else:
            writer = apsw.Connection(url)
            writer.execute("begin immediate")
            yield
            writer.close()


@pytest.fixture(params=["file", "server"])
def user(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[User]:
    if request.param == "file":
        user = User(tmp_path, [str(tmp_path / "a.db"), str(tmp_path / "b.db")])
        user.env["MAINSPRING_EXEC_SPOOL"] = str(tmp_path / "spool")
        yield user
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    user = User(tmp_path, [postgres.new_store(), postgres.new_store()])
    yield user
    for project in user.urls:  # of root they are the machine's
        env = {**user.env, "MAINSPRING_STORE_URL": project}
        shutil.rmtree(load(env=env, cwd=tmp_path, uid=os.getuid()).exec.spool, ignore_errors=True)


def test_spool_and_locks_of_exec_belong_to_one_store(user: User) -> None:
    """A record made while one store is away is accepted by that store alone, and a lock of one project holds up no other."""
    for project in (0, 1):
        user.begin(project)
    with user.away(0):
        done = user.call(0, "exec", "-n", "theirs", "--", "sh", "-c", "echo secret of the first")
        assert "the store is unavailable" in done.stderr
    inner = ("--lock", "backup", "--", "sh", "-c")
    again = f"MAINSPRING_STORE_URL='{user.urls[1]}' exec {sys.executable} -m mainspring exec -n second --lock backup -- echo both"
    both = user.call(0, "exec", "-n", "first", *inner, again)
    assert (both.returncode, both.stdout) == (0, "both\n"), both.stderr
    assert user.call(1, "watch").returncode == 0
    assert user.runs(1) == ["second", "begin"]
    assert user.call(0, "watch").returncode == 0
    assert sorted(user.runs(0)) == ["begin", "first", "theirs"]


def test_lock_still_excludes_within_one_store(user: User) -> None:
    """Also while the store is unavailable: the lock is a file first."""
    user.begin(0)
    store = f"MAINSPRING_STORE_URL='{user.urls[0]}'"  # a command does not inherit it
    again = f"{store} exec {sys.executable} -m mainspring exec -n inner --lock backup -- echo both"
    with user.away(0):
        done = user.call(0, "exec", "-n", "outer", "--lock", "backup", "--", "sh", "-c", again)
    assert (done.returncode, done.stdout) == (75, "")


def test_record_under_a_broken_configuration_reaches_its_own_store(user: User) -> None:
    """A mistyped variable is reported with the nearest name; the record waits for the store that is named all the same."""
    for project in (0, 1):
        user.begin(project)
    known = user.call(0, "exec", "-n", "mine", "--", "echo", "ran", MAINSPRING_WBE_BIND="x")
    assert (known.returncode, known.stdout) == (0, "ran\n")
    assert "Did you mean MAINSPRING_WEB_BIND?" in known.stderr
    for project in (1, 0):
        assert user.call(project, "watch").returncode == 0
    assert (user.runs(1), user.runs(0)) == (["begin"], ["mine", "begin"])
    near = user.call(0, "exec", "-n", "near", "--", "true", MAINSPIRNG_STORE_URL="x")
    assert "did you mean MAINSPRING_STORE_URL?" in near.stderr
    assert "nothing reads the variable MAINSPIRNG_STORE_URL" in user.call(0, "status", MAINSPIRNG_STORE_URL="x").stderr


def test_record_under_an_unreadable_configuration_is_imported_once_it_is_readable(place: Place) -> None:
    """`status` and `doctor` name the failed run until then, but not in another project of the user."""
    place.env["MAINSPRING_STORE_URL"] = ""
    config = '[store]\nurl = "sqlite:///here.db"\n'
    project, other = place.folder / "project", place.folder / "other"
    for folder in (project, other):
        folder.mkdir()
        (folder / "mainspring.toml").write_text(config)
    place.store = project / "here.db"

    def call(folder: Path, *words: str, **env: str) -> str:
        done = warm_command_line.call(words, cwd=folder, env={**place.env, **env}, timeout=TIMEOUT_S, text=True)
        return done.stdout + done.stderr

    for folder in (project, other):
        call(folder, "exec", "-n", "backup", "--", "true")
    (project / "mainspring.toml").write_text("[store\n")
    assert "imports its record" in call(project, "exec", "-n", "backup", "--", "false")
    (project / "mainspring.toml").write_text(config)
    assert "Failed runs of wrapped commands wait in the spool: backup" in call(project, "status")
    assert "backup failed 2" in call(project, "doctor", MAINSPRING_PROJECT_NAME="renamed")
    assert "no known store" not in call(other, "doctor")
    call(other, "watch")
    assert place.runs() == [("succeeded", None)]
    call(project, "watch")
    assert place.runs() == [("succeeded", None), ("failed", "retries_exhausted")]
    assert "wait in the spool" not in call(project, "status")
