"""A web process beside a measurement, whose metrics are read each second."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.project import free_port

_EVERY_S, _WITHIN_S = 1.0, 60.0


@contextmanager
def scraped() -> Iterator[list[float]]:
    """Keep a web process on the store of this measurement; yield how long each reading of its metrics took, in seconds."""
    folder, port = Path(os.environ["BENCH_FOLDER"]), free_port()
    (folder / "mainspring.toml").write_text(
        f'[store]\nurl = "sqlite:///{folder}/state.db"\n[web]\nbind = "127.0.0.1:{port}"\n', encoding="utf-8"
    )
    command = [sys.executable, "-m", "mainspring", "up", "--role", "web"]
    web = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stopped, took = threading.Event(), list[float]()
    reading = threading.Thread(target=_read_each_second, args=(port, stopped, took), daemon=True)
    try:
        _wait_for(port)
        reading.start()
        yield took
    finally:
        stopped.set()
        if reading.is_alive():
            reading.join()
        web.send_signal(signal.SIGTERM)
        web.wait()


def _read(port: int) -> float:
    began = time.perf_counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        answer.read()
    return time.perf_counter() - began


def _wait_for(port: int) -> None:
    until = time.monotonic() + _WITHIN_S
    while True:
        try:
            _read(port)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def _read_each_second(port: int, stopped: threading.Event, took: list[float]) -> None:
    while not stopped.wait(_EVERY_S):
        took.append(_read(port))
