"""What stands around the automation: its folder, the engine as a user would start it, the desk, and the command line."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import IO, Any

from demo import warehouse

HOME = Path(__file__).resolve().parent
_CONFIG = """\
# Written by the demo, which makes this whole folder anew each time.
[project]
name = "flights"
automations = ["{automations}"]

[store]
url = "sqlite:///store.db"

[databases]
default = "sqlite:///warehouse.db"

[web]
bind = "{web}"

[hooks]
bind = "{hooks}"

[worker]
processes = 2
drain = "5s"
"""


class Stage:
    """A fresh folder with everything in it. Leave it by `close`, whatever happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "mainspring.toml"
        self._up: subprocess.Popen[bytes] | None = None
        self._desk: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None
        self.desk = ""
        self.web = f"127.0.0.1:{_port(7171)}"
        # The demo is to touch nothing but its folder, whatever this shell is set to.
        for name in [name for name in os.environ if name.startswith("MAINSPRING_")]:
            del os.environ[name]
        os.environ["MAINSPRING_CONFIG"] = str(self.config)

    def prepare(self) -> None:
        """Stop what an earlier demo left running here, and begin anew."""
        if self.config.exists():
            self.ask("down", "--timeout", "20", without_store=[])
        elif any(self.folder.iterdir()):
            raise SystemExit(f"{self.folder} is not empty and no folder of the demo's; name another with --into.")
        for old in self.folder.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for name in ("inbox", "clean"):
            (self.folder / name).mkdir()
        config = _CONFIG.format(automations=HOME / "intake.py", web=self.web, hooks=f"127.0.0.1:{_port(0)}")
        self.config.write_text(config, encoding="utf-8")
        warehouse.create(self.folder / "warehouse.db")

    def open(self) -> None:
        """Start the desk on a free port and `mainspring up`."""
        self._desk = subprocess.Popen(
            [sys.executable, "-m", "demo.desk"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=HOME.parent, start_new_session=True,
        )  # fmt: skip
        assert self._desk.stdout is not None
        self.desk = self._desk.stdout.readline().strip()
        self._log = (self.folder / "worker.log").open("ab")
        # A session of its own: Ctrl-C reaches the demo alone, which then ends everything in order.
        self._up = subprocess.Popen(
            [sys.executable, "-m", "mainspring", "up"], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            start_new_session=True,
        )  # fmt: skip

    def close(self) -> None:
        """End the engine in order (its worker drains), then the desk."""
        if self._up is not None:
            self._up.terminate()
            try:
                self._up.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._up.pid, signal.SIGKILL)
                self._up.wait()
            self._up = None
        if self._desk is not None:
            assert self._desk.stdin is not None
            self._desk.stdin.close()
            self._desk.wait(10)
            self._desk = None
        if self._log is not None:
            self._log.close()

    def check_up(self) -> None:
        """Raise if the engine has ended by itself."""
        if self._up is not None and self._up.poll() is not None:
            raise SystemExit(f"mainspring up ended with {self._up.returncode}; see {self.folder / 'worker.log'}")

    def worker(self, *, other_than: int = 0, within: float = 20.0) -> int:
        """Return the process number of the worker that lives, once there is one."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            self.check_up()
            for session in self.ask("workers", "list", without_store=[]):
                if session["role"] == "worker" and session["pid"] != other_than and session["state"] == "alive":
                    return int(session["pid"])
            time.sleep(0.1)
        raise SystemExit(f"no worker has begun in {within:.0f} s; see {self.folder / 'worker.log'}")

    def ask(self, *words: str, without_store: Any = None) -> Any:
        """Return what a command prints with --json; `without_store`, if given, until the engine has created its store."""
        command = [sys.executable, "-m", "mainspring", *words, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if without_store is not None and '"code": "no_store"' in done.stderr:
            return without_store
        if done.returncode:
            raise SystemExit(f"mainspring {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def until_failed(self, automation: str, number: int, *, within: float = 20.0) -> int:
        """Return how many runs of an automation have failed, once there are so many, or when the time is over."""
        until = time.monotonic() + within
        while True:
            found = len(self.ask("runs", "list", "--state", "failed", "--name", automation))
            if found >= number or time.monotonic() > until:
                return found
            time.sleep(0.2)

    def command(self, *words: str) -> int:
        """Run a command and let it print."""
        return subprocess.run([sys.executable, "-m", "mainspring", *words], check=False).returncode

    def dashboard(self) -> str:
        """Return a link that opens the dashboard once, as its admin."""
        return str(self.ask("open")["link"])

    def desk_figures(self) -> dict[str, int]:
        """Return what the desk has counted."""
        with urllib.request.urlopen(self.desk, timeout=5) as answer:
            figures: dict[str, int] = json.load(answer)
        return figures

    def questions(self, run: str) -> list[str]:
        """Return the texts of the questions that a run has open."""
        waits = self.ask("runs", "export", run)["waits"]
        return [wait["question"]["text"] for wait in waits if wait["question"] is not None]


def _port(wanted: int) -> int:
    """Return a port of this machine that is free; the wanted one if it is."""
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", wanted))
        except OSError:
            return _port(0)
        return int(found.getsockname()[1])
