"""A project of our own under `mainspring up`, in a folder that is gone afterwards."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from bench.process import ROOT, Failed, environment
from mainspring.domain.clock import SystemClock
from mainspring.store.sqlite.store import SqliteStore

SECRET = "bench-bench-bench-bench"
_AUTOMATIONS = ROOT / "bench" / "sides" / "triggered.py"
_STARTS_WITHIN_S = 120


class Project(NamedTuple):
    """Its folder, the address of its webhook listener, and its store for reads."""

    folder: Path
    hooks: str
    store: SqliteStore

    def rows(self, text: str, *values: Any) -> list[Any]:
        """Read."""
        return self.store.reader.read_text(text, values)

    def wait(self, text: str, *values: Any, within: float = 600) -> None:
        """Wait until a read finds something."""
        until = time.perf_counter() + within
        while not self.rows(text, *values):
            if time.perf_counter() > until:
                raise Failed(f"in vain for {within:.0f} s: {text}")
            time.sleep(0.02)


@contextmanager
def project(schedules: str | None = None, *, concurrency: int = 64) -> Iterator[Project]:
    """Start it and wait until its worker has announced everything. `schedules` = "COUNT EVERY_S"."""
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as name:
        folder = Path(name)
        web, hooks = free_port(), free_port()
        (folder / "mainspring.toml").write_text(
            f'[store]\nurl = "sqlite:///{name}/state.db"\n[worker]\nconcurrency = {concurrency}\n'
            f'[web]\nbind = "127.0.0.1:{web}"\n[hooks]\nbind = "127.0.0.1:{hooks}"\n',
            encoding="utf-8",
        )
        if schedules is not None:
            (folder / "schedules").write_text(schedules, encoding="ascii")
        up = subprocess.Popen(
            [sys.executable, "-m", "mainspring", "up", "-m", str(_AUTOMATIONS)],
            env={**environment(name), "MAINSPRING_SECRET_BENCH": SECRET},
            cwd=name,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("wb"),
            start_new_session=True,
        )
        try:
            _until_made(up, folder)
            store = SqliteStore(folder / "state.db", clock=SystemClock())
            store.open()
            with closing(store):
                found = Project(folder, f"127.0.0.1:{hooks}", store)
                found.wait("select 1 from automations where name = 'hear'", within=_STARTS_WITHIN_S)
                _until_open(hooks)
                yield found
        finally:
            with suppress(ProcessLookupError):  # it ended by itself
                os.killpg(up.pid, signal.SIGTERM)
            try:
                up.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(up.pid, signal.SIGKILL)
                up.wait()


def _until_made(up: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.perf_counter() + _STARTS_WITHIN_S
    while not (folder / "state.db").exists():
        ended = up.poll()
        if ended is not None or time.perf_counter() > until:
            why = f"in {_STARTS_WITHIN_S} s" if ended is None else f"and ended with {ended}"
            log = (folder / "log").read_text(encoding="utf-8", errors="replace").strip()
            raise Failed(f"mainspring up made no store {why}: {log[-800:]}")
        time.sleep(0.05)


def _until_open(port: int) -> None:
    until = time.perf_counter() + _STARTS_WITHIN_S
    while time.perf_counter() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            time.sleep(1.5)  # it reads once a second which paths there are
            return
        time.sleep(0.05)
    raise Failed("the webhook listener does not listen")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
