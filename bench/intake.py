"""Webhooks: how many a second are stored and answered, each with a commit and a run of its own, and how long a sender waits."""

import asyncio
import hashlib
import hmac
import statistics
import time

from bench.figure import Figure
from bench.process import measure
from bench.project import SECRET, Project, project

SECONDS, SENDERS = 10, 32
AT_REST = 200


def figures() -> list[Figure]:
    """The peer is the least that keeps the promise: Starlette on uvicorn, the same check, one durable row in a commit of its own."""
    with project() as ours:
        asyncio.run(post_all(ours.hooks, 0.5, 4, 0))  # everything is loaded
        took, spent = asyncio.run(post_all(ours.hooks, SECONDS, SENDERS, 1))
        alone = asyncio.run(_one_by_one(ours.hooks, 2))
        lost = len(took) - _stored(ours)
        asyncio.run(_block(ours.hooks))
        ours.wait("select 1 from runs where automation = 'block' and state = 'running'", within=60)
        beside = asyncio.run(_one_by_one(ours.hooks, 3))
    peer = measure("bare_intake", "intake", SECONDS, SENDERS)
    return [
        Figure(
            name="webhooks stored and answered",
            unit="a second",
            ours=len(took) / spent,
            peer=peer["count"] / peer["took_s"],
            peer_name="bare Starlette",
            more=True,
            note=f"{SENDERS} senders, {SECONDS} s, a run each; not stored: {lost}",
        ),
        *(
            Figure(
                name=f"a webhook is answered, {SENDERS} senders, p{p}",
                unit="ms",
                ours=statistics.quantiles(took, n=100)[p - 1],
                peer=peer[f"p{p}"],
                peer_name="bare Starlette",
            )
            for p in (50, 99)
        ),
        Figure(
            name="a webhook is answered, one sender, p99",
            unit="ms",
            ours=statistics.quantiles(alone, n=100)[98],
            note=f"p50 {statistics.median(alone):.1f}",
        ),
        Figure(
            name="the same while a step blocks its worker, p99",
            unit="ms",
            ours=statistics.quantiles(beside, n=100)[98],
            note=f"p50 {statistics.median(beside):.1f}; a step that blocks the worker's loop for a minute",
        ),
    ]


def _stored(ours: Project) -> int:
    return int(ours.rows("select count(*) from deliveries where key like '1-%'")[0][0])


async def _block(address: str) -> None:
    reader, writer = await asyncio.open_connection(*address.split(":"))
    await send(reader, writer, "block", 0, path="/block")
    writer.close()


async def _one_by_one(address: str, series: int) -> list[float]:
    took: list[float] = []
    reader, writer = await asyncio.open_connection(*address.split(":"))
    for number in range(AT_REST):
        took.append(await send(reader, writer, f"{series}-{number}", number))
        await asyncio.sleep(0.005)
    writer.close()
    return took


async def post_all(address: str, seconds: float, senders: int, series: int) -> tuple[list[float], float]:
    """Let so many senders post one delivery after the other; return what each took (ms) and the whole time (s)."""
    took: list[float] = []
    began = time.perf_counter()

    async def post(sender: int) -> None:
        reader, writer = await asyncio.open_connection(*address.split(":"))
        number = 0
        while time.perf_counter() - began < seconds:
            took.append(await send(reader, writer, f"{series}-{sender}-{number}", number))
            number += 1
        writer.close()

    await asyncio.gather(*(post(sender) for sender in range(senders)))
    return took, time.perf_counter() - began


async def send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str, number: int, path: str = "/hook"
) -> float:
    """Post one delivery and return how long its answer took (ms)."""
    body = b'{"number": %d, "text": "%s"}' % (number, b"x" * 400)
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Signature: {signature}\r\nIdempotency-Key: {key}\r\n\r\n"
    )
    began = time.perf_counter()
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    await reader.readexactly(length)
    took = (time.perf_counter() - began) * 1000
    if b" 20" not in answer.split(b"\r\n", 1)[0]:
        raise RuntimeError(answer.decode(errors="replace"))
    return took
