"""Senders of webhooks as they are: each delivery until it is answered for good, some twice, some late, some forged."""

import asyncio
import contextlib
import hashlib
import hmac
import random
from typing import NamedTuple

_AGAIN_S = 0.05
_TIMEOUT_S = 10.0


class Letter(NamedTuple):
    """One delivery to send: which id, with which body, and whether its signature is genuine."""

    id: str
    body: bytes
    genuine: bool


class Answers:
    """What was answered: status by (id, genuine), and how often it was sent without an answer."""

    def __init__(self) -> None:
        self.statuses: dict[tuple[str, bool], set[int]] = {}
        self.runs: dict[str, set[bytes]] = {}
        self.unanswered = 0
        self.durations: list[float] = []


def letters(count: int, seed: int) -> list[Letter]:
    """Return the deliveries of `count` ids: 30 % of the ids twice, 10 % out of order, 5 % also forged."""
    rng = random.Random(seed)
    made = [Letter(f"id-{n}", b'{"number": %d}' % n, genuine=True) for n in range(count)]
    sent: list[Letter] = []
    for letter in made:
        sent.append(letter)
        if rng.random() < 0.3:
            sent.append(letter)
        if rng.random() < 0.05:
            sent.append(
                Letter(letter.id if rng.random() < 0.5 else f"forged-{letter.id}", letter.body + b" ", genuine=False)
            )
    for place in range(len(sent)):
        if rng.random() < 0.1:
            other = min(len(sent) - 1, place + rng.randrange(1, 200))
            sent[place], sent[other] = sent[other], sent[place]
    return sent


async def send_all(address: str, path: str, secret: str, sent: list[Letter], senders: int, answers: Answers) -> None:
    """Send all of it by so many senders, each with a connection of its own, which it opens again whenever it breaks."""
    queue = iter(sent)

    async def work() -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        for letter in queue:
            while True:
                try:
                    if connection is None:
                        connection = await asyncio.open_connection(*address.split(":"))
                    status, body = await asyncio.wait_for(_post(*connection, path, secret, letter), _TIMEOUT_S)
                except (OSError, EOFError, TimeoutError):
                    answers.unanswered += 1
                    if connection is not None:
                        connection[1].close()
                    connection = None
                    await asyncio.sleep(_AGAIN_S)
                    continue
                if status in (429, 503):
                    await asyncio.sleep(_AGAIN_S)
                    continue
                answers.statuses.setdefault((letter.id, letter.genuine), set()).add(status)
                if letter.genuine:
                    answers.runs.setdefault(letter.id, set()).add(body)
                break
        if connection is not None:
            connection[1].close()
            with contextlib.suppress(OSError):
                await connection[1].wait_closed()

    await asyncio.gather(*(work() for _ in range(senders)))


async def _post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, secret: str, letter: Letter
) -> tuple[int, bytes]:
    key = secret if letter.genuine else f"not-{secret}"
    signature = hmac.new(key.encode(), letter.body, hashlib.sha256).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {len(letter.body)}\r\n"
        f"X-Signature: {signature}\r\nIdempotency-Key: {letter.id}\r\n\r\n"
    )
    writer.write(head.encode() + letter.body)
    answer = await reader.readuntil(b"\r\n\r\n")
    lines = answer.split(b"\r\n")
    length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length")), 0)
    return int(lines[0].split()[1]), await reader.readexactly(length)
