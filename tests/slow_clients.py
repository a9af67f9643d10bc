"""Clients that attack a listener by slowness, and a genuine one whose answers are timed."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

_REQUESTS = 400
"""Requests that one attacker sends without reading an answer."""


async def send_and_never_read(host: str, port: int, until: float, request: bytes) -> None:
    """Send as many requests as the server takes, read nothing, and come back whenever the server ends it."""
    loop = asyncio.get_running_loop()
    while loop.time() < until:
        with socket.socket() as client, contextlib.suppress(OSError, TimeoutError):
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            async with asyncio.timeout_at(until):
                await loop.sock_connect(client, (host, port))
                await loop.sock_sendall(client, request * _REQUESTS)
                while client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    await asyncio.sleep(0.5)
                    client.send(b"\r\n")
        await asyncio.sleep(0.05)


@contextlib.contextmanager
def attackers(host: str, port: int, seconds: float, requests: list[bytes]) -> Iterator[None]:
    """Let one attacker that never reads send each of these, in a process of their own, so that they do not slow who measures."""
    words = [request.decode() for request in requests]
    attack = subprocess.Popen([sys.executable, "-m", "tests.slow_clients", host, str(port), str(seconds), *words])
    try:
        yield
    finally:
        attack.kill()
        attack.wait()


async def send_unfinished_forms(host: str, port: int, until: float, per_second: float) -> None:
    """Open a connection every now and then, begin a form of the sign-in on it, and never end it."""
    loop = asyncio.get_running_loop()
    head = (
        f"POST /sign-in HTTP/1.1\r\nHost: {host}:{port}\r\nSec-Fetch-Site: same-origin\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\nname="
    ).encode()
    held = []
    while loop.time() < until:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.write(head)
            held.append(writer)
        await asyncio.sleep(1 / per_second)
    for writer in held:
        writer.transport.abort()


async def hold_idle(host: str, port: int, count: int, held: asyncio.Event) -> None:
    """Hold so many connections that ask for nothing until cancelled; open another for each that the server ends.

    `held` is set when all were tried.
    """
    open_now: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    try:
        while True:
            ended = [pair for pair in open_now if pair[0].at_eof() or pair[0].exception()]
            open_now = [pair for pair in open_now if pair not in ended]
            for _, writer in ended:
                writer.transport.abort()
            for _ in range(count - len(open_now)):
                with contextlib.suppress(OSError):
                    open_now.append(await asyncio.open_connection(host, port))
            held.set()
            await asyncio.sleep(0.2)
    finally:
        for _, writer in open_now:
            writer.transport.abort()


async def ask(host: str, port: int, request: bytes, within_s: float = 30.0) -> tuple[int, float]:
    """Return the status and the seconds of one request on a connection of its own; status 0 = there was no answer."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(request)
            line = await reader.readline()
            await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        line = b""
    parts = line.split()
    return (int(parts[1]) if len(parts) > 1 else 0), time.monotonic() - started


async def ask_while(
    host: str, port: int, request: bytes, until: float, pause_s: float
) -> tuple[list[int], list[float]]:
    """Ask again and again until then; return all statuses and times."""
    statuses, times = [], []
    while asyncio.get_running_loop().time() < until:
        status, duration_s = await ask(host, port, request)
        statuses.append(status)
        times.append(duration_s)
        await asyncio.sleep(pause_s)
    return statuses, times


def p99(times: list[float]) -> float:
    """Return the time within which 99 of 100 were answered."""
    return sorted(times)[max(0, -(-len(times) * 99 // 100) - 1)]


async def _main(host: str, port: str, seconds: str, *requests: str) -> None:
    until = asyncio.get_running_loop().time() + float(seconds)
    await asyncio.gather(*(send_and_never_read(host, int(port), until, request.encode()) for request in requests))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
