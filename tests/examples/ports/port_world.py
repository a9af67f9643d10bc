"""The world of a port: a store, a worker process that can be killed, and the ledger of the services outside."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import mainspring as ms
from mainspring.engine.definitions.registry import Registry
from tests.polling import polls

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT_S = 60.0


class PortWorld:
    """One store, and programs that use it: this one starts and steers runs, a worker executes them."""

    def __init__(self, folder: Path, store: str) -> None:
        self.folder, self.store = folder, store
        self.app = ms.App(store, registry=Registry())
        self._worker: subprocess.Popen[bytes] | None = None
        self.env = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PYTHONHASHSEED": "0"}

    def start_worker(self, peer: str, *hanging: str) -> None:
        """Start a worker with all samples of a peer; the functions named MODULE:FUNCTION hang after their effect."""
        with suppress(FileNotFoundError):
            (self.folder / "ready").unlink()
        words = [sys.executable, "-m", "tests.examples.ports.port_worker", peer, self.store, *hanging]
        with (self.folder / "worker.log").open("ab") as log:
            self._worker = subprocess.Popen(words, cwd=self.folder, env=self.env, stdout=log, stderr=log)

    def kill_worker(self) -> None:
        """End the worker as `kill -9` does."""
        assert self._worker is not None
        self._worker.send_signal(signal.SIGKILL)
        self._worker.wait()
        self._worker = None

    def wait_until(self, holds: Callable[[], object], description: str) -> None:
        """Poll for a fact that the worker creates."""
        for _ in polls(TIMEOUT_S):
            if holds():
                return
            assert self._worker is None or self._worker.poll() is None, self.read_log()
        raise AssertionError(f"{description} did not happen: {self.read_log()}")

    def wait_for_hangs(self, *hanging: str) -> None:
        """Wait until each of these functions hangs."""
        for place in hanging:
            self.wait_until((self.folder / place).exists, place)

    def wait_for_waits(self, *handles: "ms.Handle[object]") -> None:
        """Wait until each of these runs waits, for a timer, a message or a person."""
        for handle in handles:
            self.wait_until(partial(self._is_waiting, handle), f"wait of {handle}")

    def _is_waiting(self, handle: "ms.Handle[object]") -> bool:
        return handle.status_sync() is ms.RunState.WAITING

    def read_log(self) -> str:
        """Return what the worker printed."""
        return (self.folder / "worker.log").read_text(encoding="utf-8", errors="replace")[-3000:]

    def read_ledger(self) -> list[str]:
        """Return the effects outside in their order: a service counts each key once."""
        path = self.folder / "ledger.txt"
        rows = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        lines = dict(reversed([row.split("\t", 1) for row in rows]))
        return [line for row in rows if (line := lines.pop(row.split("\t", 1)[0], None)) is not None]

    def count_calls(self, line: str) -> int:
        """Return how often an effect was requested, repeated requests included."""
        text = (self.folder / "ledger.txt").read_text(encoding="utf-8")
        return sum(row.split("\t", 1)[1] == line for row in text.splitlines())

    def close(self) -> None:
        """End the worker and close the store."""
        if self._worker is not None:
            self.kill_worker()
        self.app.close()
