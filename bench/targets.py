"""Limits of a target: requests of `http.get` in one step per second, with and without an entry in `[actions.http.targets]`."""

import functools
import http.server
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from bench.figure import Figure, median
from bench.process import Failed

REPEATS = 5
REQUESTS = 200
_CODE = """
import time
import mainspring as ms
from mainspring.actions import http

@ms.task
def fetch(url: str) -> float:
    started = time.perf_counter()
    for _ in range({requests}):
        http.get(url)
    return {requests} / (time.perf_counter() - started)

print(ms.App.from_config().run(fetch, {url!r}))
"""
_CONFIG = """[store]
url = "sqlite:///state.db"
[actions.http]
allow = ["127.0.0.1"]
"""
_LIMITS = """[actions.http.targets]
"127.0.0.1" = { rate = "100000/s", break_after = 5 }
"""


class _Target(http.server.BaseHTTPRequestHandler):
    """Answers with two bytes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def figures() -> list[Figure]:
    """Medians of alternating runs."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Target) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run = functools.partial(_run, f"http://127.0.0.1:{server.server_port}/")
        pairs = [(run(_LIMITS), run("")) for _ in range(REPEATS)]
        server.shutdown()
    return [
        Figure(
            name="requests of one step to a host with a rate and a breaker",
            unit="/s",
            ours=median([limited for limited, _ in pairs]),
            peer=median([plain for _, plain in pairs]),
            peer_name="without limits",
        )
    ]


def _run(url: str, limits: str) -> float:
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as name:
        (Path(name) / "mainspring.toml").write_text(_CONFIG + limits, encoding="utf-8")
        words = [sys.executable, "-c", _CODE.format(requests=REQUESTS, url=url)]
        env = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(words, cwd=name, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"the step with {REQUESTS} requests: {done.stderr.strip()[-500:]}")
    return float(done.stdout)
