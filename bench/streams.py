"""Two hundred open streams while a thousand runs a second begin: what the web process takes for it, and what others notice."""

# ruff: noqa: ASYNC110 - what is waited for happens in another process

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.figure import Figure
from bench.full_store import Full
from bench.process import Failed, command, environment
from bench.web_process import Asker, WebProcess

STREAMS, A_SECOND, SECONDS = 200, 1_000, 15


def stream_figures(name: str, web: WebProcess, full: Full, store: str, folder: str) -> list[Figure]:
    """Measure a quiet web process, then one with streams and changes, and meanwhile a list that is asked for again and again."""
    return asyncio.run(_figures(name, web, full, store, folder))


async def _figures(name: str, web: WebProcess, full: Full, store: str, folder: str) -> list[Figure]:
    before = web.rss_mb()
    quiet = await _cpu(web, 3)
    heard: list[int] = [0] * STREAMS
    listening = [
        asyncio.create_task(_listen(web.port, full.tokens[n % len(full.tokens)], heard, n)) for n in range(STREAMS)
    ]
    await _until(lambda: all(heard))
    began, used = time.perf_counter(), web.cpu_s()
    with _changing(store, folder) as changing:
        heard[:] = [0] * STREAMS
        asked = asyncio.create_task(asyncio.to_thread(_asked, Asker(web.port, full.tokens)))
        await asyncio.to_thread(changing.wait)
        if changing.returncode:
            raise Failed(f"runs could not be started: {changing.stderr.read()[-800:] if changing.stderr else ''}")
    took = await asked
    cpu = (web.cpu_s() - used) / (time.perf_counter() - began) * 100
    after = web.rss_mb()
    for one in listening:
        one.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    told = f"{STREAMS} streams, {A_SECOND:,} starts/s for {SECONDS} s: {sum(heard):,} messages, each stream {min(heard)} to {max(heard)}"
    return [
        Figure(
            name=f"{name}: web process with streams, CPU", unit="%", ours=cpu, peer=quiet, peer_name="quiet", note=told
        ),
        Figure(
            name=f"{name}: web process with streams, memory",
            unit="MiB",
            ours=after,
            peer=before,
            peer_name="before them",
        ),
        Figure(name=f"{name}: a list of runs meanwhile, p95", unit="ms", ours=took, peer=50, peer_name="the goal"),
    ]


async def _cpu(web: WebProcess, seconds: float) -> float:
    began, used = time.perf_counter(), web.cpu_s()
    await asyncio.sleep(seconds)
    return max(0.1, (web.cpu_s() - used) / (time.perf_counter() - began) * 100)


async def _listen(port: int, token: str, heard: list[int], place: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = f"GET /api/v1/changes HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(asked.encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise Failed(f"a stream was refused: {head!r}")
    try:
        while line := await reader.readline():
            heard[place] += line.startswith(b"event: changed")
    finally:
        writer.close()


async def _until(is_so: Any) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.05)


def _asked(asker: Asker) -> float:
    """Ask for the newest runs ten times a second; return the p95."""
    took = []
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        status, _, ms = asker.get("/api/v1/runs")
        if status != 200:
            raise Failed(f"a list is answered with {status} while streams are open")
        took.append(ms)
        time.sleep(0.1)
    return sorted(took)[int(len(took) * 0.95)]


@contextmanager
def _changing(store: str, folder: str) -> Iterator[subprocess.Popen[str]]:
    what = command("changing", "start", A_SECOND, SECONDS)
    process = subprocess.Popen(
        what, env=environment(folder, store), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
