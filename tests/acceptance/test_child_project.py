"""Actions in a child process use the project of their worker, by whatever way the worker found it."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORK = """
import mainspring as ms
from mainspring.actions import email, sql

@ms.task
def threaded() -> None:
    sql.insert_once("shop", "visits", {"place": "thread"}, key="place")

@ms.task(isolate="process")
def isolated() -> None:
    sql.insert_once("shop", "visits", {"place": "process"}, key="place")

@ms.task(isolate="process", retry=1)
def mails() -> None:
    email.send(to="ann@example.com", subject="hello", text="hello")
"""
CONFIG = """
[project]
automations = ["work.py"]
environment = "development"
[databases]
shop = "sqlite:///shop.db"
[notify.channels]
mail = "smtp://127.0.0.1:{port}/ops@example.com?from=ms@example.com"
"""
pytestmark = pytest.mark.timeout(120)


class Shop:
    """A project in a folder of its own, and commands that come from another folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.elsewhere = folder / "project", folder / "elsewhere"
        self.folder.mkdir()
        self.elsewhere.mkdir()
        (self.folder / "work.py").write_text(WORK)
        (self.folder / "mainspring.toml").write_text(CONFIG.format(port=9))
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT / "src")}
        for name in ("shop.db", "shop-development.db"):
            with contextlib.closing(sqlite3.connect(self.folder / name)) as raw:
                raw.execute("create table visits (place text primary key)")

    def call(self, *words: str, **env: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "mainspring", "--config", str(self.folder / "mainspring.toml"), *words],
            cwd=self.elsewhere, env=self.env | env, capture_output=True, text=True, timeout=60, check=False,
        ).stderr  # fmt: skip

    def visits(self, name: str) -> list[str]:
        with contextlib.closing(sqlite3.connect(self.folder / name)) as raw:
            return [place for (place,) in raw.execute("select place from visits order by place")]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_step_in_a_child_writes_to_the_database_of_its_environment(shop: Shop) -> None:
    """The flag counts there too, and not the environment of the file."""
    for name in ("threaded", "isolated"):
        shop.call("--env", "production", "run", name)
    assert (shop.visits("shop.db"), shop.visits("shop-development.db")) == (["process", "thread"], [])
    for name in ("threaded", "isolated"):
        shop.call("run", name)
    assert shop.visits("shop-development.db") == ["process", "thread"]


def test_step_in_a_child_finds_the_configuration_of_its_worker(shop: Shop) -> None:
    """From another folder, and with an address of the store that the child does not get."""
    assert "port 9" in shop.call("--env", "production", "run", "mails").replace(":9", " port 9")
    store = str(shop.folder / "other.db")
    assert "mails" in shop.call("--env", "production", "run", "mails", MAINSPRING_STORE_URL=store)
    shop.call("--env", "production", "run", "isolated", MAINSPRING_STORE_URL=store)
    assert shop.visits("shop.db") == ["process"]


PROGRAM = """
import os, sys
import mainspring as ms

def see() -> int:
    return os.getpid()

@ms.workflow
async def look(run: ms.Run) -> int:
    return await run.options(isolate="process", retry=1).step(see)

open("started", "a").write("once\\n")
print(ms.App("s.db").run(look))
"""


def test_program_that_runs_at_its_import_starts_no_processes_without_end(tmp_path: Path) -> None:
    """A child process imports the file of its step, and would run the program again."""
    (tmp_path / "program.py").write_text(PROGRAM)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "src")}
    ended = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, (tmp_path / "started").read_text()) == (1, "once\nonce\n")
    assert 'below: if __name__ == "__main__":' in ended.stderr
