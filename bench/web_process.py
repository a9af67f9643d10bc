"""A web process of `mainspring up` on a store that is there already, as programs and browsers reach it: over loopback, by a token."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path

from bench.process import Failed, environment
from bench.project import free_port

_STARTS_WITHIN_S = 60
_TICKS = os.sysconf("SC_CLK_TCK")


class Asker:
    """Asks one thing after the other over one connection, each time by another token: no token may ask for more than 50 a second."""

    def __init__(self, port: int, tokens: list[str]) -> None:
        self._port = port
        self._tokens = cycle(tokens)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path: str, **headers: str) -> tuple[int, bytes, float]:
        """Return status, body and how many milliseconds they took."""
        sent = {"Authorization": f"Bearer {next(self._tokens)}", **headers}
        for again in (True, False):
            began = time.perf_counter()
            try:
                self._connection.request("GET", path, headers=sent)
                answer = self._connection.getresponse()
                body = answer.read()
            except (
                http.client.HTTPException,
                OSError,
            ):  # a connection that asked for nothing for ten seconds is closed
                self._connection.close()
                if not again:
                    raise
                continue
            return answer.status, body, (time.perf_counter() - began) * 1_000
        raise Failed("unreachable")


class WebProcess:
    """Where it listens, and what it has cost so far."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid

    def cpu_s(self) -> float:
        """Return the seconds of processor time that it took."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / _TICKS

    def rss_mb(self) -> float:
        """Return how much memory it has."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@contextmanager
def web_process(folder: Path, store: str, tokens: list[str]) -> Iterator[WebProcess]:
    """Start one in `folder` and wait until it lets these tokens in."""
    port = free_port()
    (folder / "mainspring.toml").write_text(
        f'[store]\nurl = "{store}"\n[web]\nbind = "127.0.0.1:{port}"\n[hooks]\nbind = "127.0.0.1:{free_port()}"\n',
        encoding="utf-8",
    )
    up = subprocess.Popen(
        [sys.executable, "-m", "mainspring", "up", "--role", "web"],
        env=environment(str(folder)),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
        start_new_session=True,
    )
    try:
        _wait(up, folder, Asker(port, tokens))
        yield WebProcess(port, _web_of(up.pid))
    finally:
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(up.pid, signal.SIGTERM)
        try:
            up.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(up.pid, signal.SIGKILL)
            up.wait()


def _wait(up: subprocess.Popen[bytes], folder: Path, asker: Asker) -> None:
    until = time.perf_counter() + _STARTS_WITHIN_S
    while time.perf_counter() < until and up.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            if asker.get("/api/v1/locks")[0] == 200:
                return
        time.sleep(0.1)
    log = (folder / "log").read_text(encoding="utf-8", errors="replace").strip()
    raise Failed(f"the web process does not answer: {log[-800:]}")


def _web_of(supervisor: int) -> int:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text(encoding="ascii").split()
    for pid in map(int, children):
        if b"mainspring.web" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise Failed("the supervisor has no web process")
