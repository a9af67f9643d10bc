"""What the fleets do: each effect is a line of a file outside the crash domain, on the disk before the step continues."""

import asyncio
import fcntl
import os
from datetime import timedelta
from pathlib import Path

import mainspring as ms

QUICK_RETRY = ms.Retry(attempts=5, initial=timedelta(milliseconds=20))


def note(text: str) -> str:
    """Do something in the world, under this step's key."""
    line = f"{os.environ['TEST_MACHINE']} {ms.idempotency_key()} {text}\n".encode()
    file = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND)
    try:
        os.write(file, line)
        os.fsync(file)
    finally:
        os.close(file)
    return text


def grudging(text: str) -> str:
    """Do it at the second attempt only."""
    if ms.attempt() == 1:
        raise ms.Transient("come back later")
    return note(text)


@ms.workflow
async def parcel(run: ms.Run, number: int) -> str:
    """The child of an order."""
    return await run.step(note, f"parcel {number}")


@ms.workflow(partition="lane-{number}")
async def partitioned(run: ms.Run, number: int) -> str:
    """One of a line of runs that must not overlap."""
    return await run.step(note, f"lane {run.id}")


@ms.task
async def ticket(number: int) -> str:
    """A run of one step, which goes straight to its end."""
    return note(f"ticket {number}")


@ms.task(retry=QUICK_RETRY)
def stub(number: int) -> str:
    """The same in a thread; each third one is an ordinary run in the end."""
    return grudging(f"stub {number}") if number % 3 == 0 else note(f"stub {number}")


@ms.task(
    delivery="transactional", retry=ms.Retry(attempts=30, initial=timedelta(milliseconds=50), max=timedelta(seconds=2))
)
def payment(tx: ms.Tx, number: int) -> str:
    """What is written in the users' own database, exactly once, though no key there would refuse a second one."""
    tx.execute("insert into payments (number) values (%s)", (number,))
    return note(f"payment {number}")


@ms.task(retry=ms.Retry(attempts=30, initial=timedelta(milliseconds=50), max=timedelta(seconds=2)))
def sale(number: int) -> str:
    """What one only may do at a time, on all machines; the till itself takes nothing from a holder of before."""
    with ms.lock("till") as lock:
        return ring_up(lock.token, f"sale {number}")


def ring_up(token: int, text: str) -> str:
    """Write in the till, unless it has seen a higher token: then anyone who writes slept through the end of his hold."""
    with Path(f"{os.environ['EFFECTS']}.till").open("a+", encoding="ascii") as till:
        fcntl.flock(till, fcntl.LOCK_EX)
        till.seek(0)
        last = max((int(line.split()[0]) for line in till), default=0)
        if token < last:
            raise ms.Transient(f"token {token} is of no use any more: {last} was here")
        till.write(f"{token} {ms.idempotency_key()} {ms.attempt()}\n")
        till.flush()
        os.fsync(till.fileno())
    return note(text)


@ms.task(every="2s", overlap="allow")
async def tick() -> str:
    """What a schedule starts."""
    return note(f"tick {ms.idempotency_key()}")


@ms.workflow
async def order(run: ms.Run, number: int) -> int:
    """Steps, a timer, a retry, a child, an event, and now and then something that must not be repeated."""
    await run.step(note, f"charge {number}")
    await asyncio.sleep(0.05)
    if number % 7 == 0:
        await run.options(retry=QUICK_RETRY).step(grudging, f"grudge {number}")
    if number % 5 == 0:
        await run.options(delivery="at_most_once").step(note, f"bet {number}")
    if number % 6 == 0:
        await run.event("paid", where={"number": number}, within="1h")
    if number % 4 == 0:
        await run.child(parcel, number)
    await run.step(note, f"send {number}")
    return number
