"""Real `mainspring exec` and `watch` processes on a store of their own, and what is on record of them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw

from mainspring.config.locations import hash_store_url, store_url
from tests import warm_command_line

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60


class Place:
    """A folder with a store and a spool, and the lines that a crontab would have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "state" / "s.db"
        self.spool = folder / "spool" / hash_store_url(store_url(self.store), {})
        self._started: list[subprocess.Popen[bytes]] = []
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT / "src"),
            "MAINSPRING_EXEC_SPOOL": str(self.spool.parent),
            "MAINSPRING_UP_ROLES": "worker,scheduler",
        }

    def start(self, *words: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start one call of the program."""
        env = {**self.env, "MAINSPRING_STORE_URL": str(self.store), **more.pop("env", {})}
        nothing = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        words = (sys.executable, "-m", "mainspring", *words)
        process = subprocess.Popen(words, cwd=self.folder, env=env, **{**nothing, **more})
        self._started.append(process)
        return process

    def call(self, *words: str, input: bytes | None = None, **more: Any) -> subprocess.CompletedProcess[bytes]:
        """Make one call and wait for its end."""
        if not more.keys() - {"env"}:
            env = {**self.env, "MAINSPRING_STORE_URL": str(self.store), **more.get("env", {})}
            return warm_command_line.call(words, cwd=self.folder, env=env, timeout=TIMEOUT_S, input=input, text=False)
        if input is not None:
            more["stdin"] = subprocess.PIPE
        process = self.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        out, err = process.communicate(input, timeout=TIMEOUT_S)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def close(self) -> None:
        """End what a failed test left."""
        for process in self._started:
            process.kill()
            process.wait()

    def exec(self, *words: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        return self.call("exec", *words, **more)

    def sh(self, script: str, *options: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        return self.exec("-n", "line", *options, "--", "sh", "-c", script, **more)

    def watch(self) -> tuple[int, dict[str, Any], str]:
        """Make one round of the watcher; return exit code, what it found, and what it said."""
        done = self.call("watch", "--json")
        return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr.decode()

    def rows(self, text: str, *params: Any) -> list[tuple[Any, ...]]:
        """Ask the store."""
        connection = apsw.Connection(str(self.store))
        connection.set_busy_timeout(10_000)  # ms; a program that creates or recovers the file locks readers out
        try:
            return connection.execute(text, params).fetchall()
        finally:
            connection.close()

    def runs(self) -> list[tuple[str, str | None]]:
        """Return (state, reason) of each run, in order."""
        return self.rows("select state, reason from runs order by seq")

    def spooled(self) -> list[Path]:
        return sorted(self.spool.glob("*.run.json"))

    def fifo(self, name: str) -> Path:
        path = self.folder / name
        os.mkfifo(path)
        return path
