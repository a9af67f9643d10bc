"""The sandbox of the demo: its folder, `mainspring up` as a user starts it, the flaky service, and the command line."""

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
# Written by the demo, which deletes and creates this folder each time.
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


class Sandbox:
    """A new folder with all parts of the demo. Call `close` at the end, after an error too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "mainspring.toml"
        self._up: subprocess.Popen[bytes] | None = None
        self._service: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None
        self.service_url = ""
        self.web = f"127.0.0.1:{_port(7171)}"
        # The demo uses nothing but its folder, so it ignores the settings of this shell.
        for name in [name for name in os.environ if name.startswith("MAINSPRING_")]:
            del os.environ[name]
        os.environ["MAINSPRING_CONFIG"] = str(self.config)

    def prepare(self) -> None:
        """Stop processes of an earlier demo, and create the folder again."""
        if self.config.exists():
            self.read_json("down", "--timeout", "20", without_store=[])
        elif any(self.folder.iterdir()):
            raise SystemExit(
                f"{self.folder} is not empty and was not made by the demo. Name another folder: --into FOLDER"
            )
        for old in self.folder.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for name in ("inbox", "clean"):
            (self.folder / name).mkdir()
        config = _CONFIG.format(automations=HOME / "intake.py", web=self.web, hooks=f"127.0.0.1:{_port(0)}")
        self.config.write_text(config, encoding="utf-8")
        warehouse.create(self.folder / "warehouse.db")

    def start(self) -> None:
        """Start the service on a free port, and `mainspring up`."""
        self._service = subprocess.Popen(
            [sys.executable, "-m", "demo.flaky_service"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=HOME.parent, start_new_session=True,
        )  # fmt: skip
        assert self._service.stdout is not None
        self.service_url = self._service.stdout.readline().strip()
        self._log = (self.folder / "worker.log").open("ab")
        # A session of its own: Ctrl-C reaches the demo alone, which then ends run_checks in order.
        self._up = subprocess.Popen(
            [sys.executable, "-m", "mainspring", "up"], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            start_new_session=True,
        )  # fmt: skip

    def close(self) -> None:
        """Stop Mainspring (its worker drains), then the service."""
        if self._up is not None:
            self._up.terminate()
            try:
                self._up.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._up.pid, signal.SIGKILL)
                self._up.wait()
            self._up = None
        if self._service is not None:
            assert self._service.stdin is not None
            self._service.stdin.close()
            self._service.wait(10)
            self._service = None
        if self._log is not None:
            self._log.close()

    def check_up(self) -> None:
        """Raise SystemExit if `mainspring up` has ended by itself."""
        if self._up is not None and self._up.poll() is not None:
            raise SystemExit(f"mainspring up ended with {self._up.returncode}; see {self.folder / 'worker.log'}")

    def worker(self, *, other_than: int = 0, within: float = 20.0) -> int:
        """Return the process id of the running worker; wait until there is one."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            self.check_up()
            for session in self.read_json("workers", "list", without_store=[]):
                if session["role"] == "worker" and session["pid"] != other_than and session["state"] == "alive":
                    return int(session["pid"])
            time.sleep(0.1)
        raise SystemExit(f"no worker started within {within:.0f} s. See {self.folder / 'worker.log'}")

    def read_json(self, *words: str, without_store: Any = None) -> Any:
        """Return what a command prints with --json; `without_store`, if given, until Mainspring has created its store."""
        command = [sys.executable, "-m", "mainspring", *words, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if without_store is not None and '"code": "no_store"' in done.stderr:
            return without_store
        if done.returncode:
            raise SystemExit(f"mainspring {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def count_failed(self, automation: str, number: int, *, within: float = 20.0) -> int:
        """Return how many runs of an automation have failed; wait until there are `number`, or the time is over."""
        until = time.monotonic() + within
        while True:
            failed = len(self.read_json("runs", "list", "--state", "failed", "--name", automation))
            if failed >= number or time.monotonic() > until:
                return failed
            time.sleep(0.2)

    def command(self, *words: str) -> int:
        """Run a command and let it print."""
        return subprocess.run([sys.executable, "-m", "mainspring", *words], check=False).returncode

    def dashboard(self) -> str:
        """Return a link that opens the dashboard once, as its admin."""
        return str(self.read_json("open")["link"])

    def service_counts(self) -> dict[str, int]:
        """Return the counts of the service."""
        with urllib.request.urlopen(self.service_url, timeout=5) as answer:
            counts: dict[str, int] = json.load(answer)
        return counts

    def open_questions(self, run: str) -> list[str]:
        """Return the texts of the open questions of a run."""
        waits = self.read_json("runs", "export", run)["waits"]
        return [wait["question"]["text"] for wait in waits if wait["question"] is not None]


def _port(preferred: int) -> int:
    """Return a free port of this machine: this one if it is free."""
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", preferred))
        except OSError:
            return _port(0)
        return int(found.getsockname()[1])
