"""Steps for the isolation suite: a module of its own, since children find functions by name."""

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import mainspring.engine.attempts.outbox_api as outbox
import mainspring.engine.attempts.step_context as ms
from mainspring.domain.errors import ArgumentError, Permanent, Transient, ValueRefusedError
from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.measure import measure


class LyingError(Exception):
    """Breaks anyone who asks what it is."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("class")


@dataclass
class Order:
    id: str
    at: datetime
    price: Decimal


class AwkwardError(Exception):
    """Cannot be printed, and holds what cannot be pickled."""

    def __init__(self) -> None:
        super().__init__(threading.Lock())

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


def double(x: int) -> int:
    return 2 * x


def late_order(order: Order, days: int = 0) -> Order:
    return Order(order.id, order.at, order.price + days)


def nothing() -> None:
    return None


def sends(method: str = "well") -> list[str]:
    """Send two messages and an event; then fail, or return what cannot be saved, if told so."""
    ids = [
        outbox.send("orders/eu", {"n": 1}, key="k", headers={"a": "b"}),
        outbox.publish("paid", {"n": 2}, key="p"),
        outbox.send("orders/eu", b"\x00raw"),
    ]
    if method == "badly":
        raise Permanent("no")
    return ids if method == "well" else threading.Lock()  # type: ignore[return-value]


def sends_too_many(count: int) -> int:
    for n in range(count):
        outbox.send("orders/eu", n)
    return count


def sends_too_much() -> None:
    for _ in range(20):
        outbox.send("orders/eu", "x" * 250_000)
    outbox.send("orders/eu", "x" * 12_000_000)


async def sends_from_threads() -> int:
    await asyncio.gather(*(asyncio.to_thread(outbox.send, "orders/eu", n) for n in range(20)))
    return 20


def facts() -> list[object]:
    return [ms.idempotency_key(), ms.attempt(), ms.last_checkpoint(), IN_BODY.get()]


def checkpoints() -> list[object]:
    seen = [ms.last_checkpoint()]
    for n in range(3):
        ms.checkpoint({"row": n})
        seen.append(ms.last_checkpoint())
    return seen


def typed_checkpoint() -> bool:
    order = Order("a", datetime.fromisoformat("2026-01-05T00:00:00+00:00"), Decimal("1.50"))
    ms.checkpoint(order)
    return ms.last_checkpoint(Order) == order


def bad_checkpoint() -> str:
    try:
        ms.checkpoint({"a": [float("nan")]})
    except ValueRefusedError as error:
        return str(error)
    return "taken"


def speaks() -> None:
    ms.progress(1, 4)
    ms.log.info("loaded", rows=3, path=Path("/x"), odd=float("nan"))
    ms.log.error("bad \0 \ud800 \x1b[31m text")


def bad_progress() -> None:
    ms.progress(-1)


def raises(kind: str) -> None:
    raise {
        "value": ValueError("no such day"),
        "transient": Transient("later", retry_after="7s"),
        "permanent": Permanent("never", hint="Give up.", data={"why": 1}),
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt(),
        "stop": StopIteration(5),
        "async_stop": StopAsyncIteration(),
        "generator": GeneratorExit(),
        "memory": MemoryError(),
        "awkward": AwkwardError(),
        "lying": LyingError(),
        "text": RuntimeError("NUL \0 lone \ud800 red \x1b[31m rtl \u202e"),
        "group": ExceptionGroup("two", [ValueError("a"), AwkwardError()]),
        "cancelled": asyncio.CancelledError(),
        "long": RuntimeError("x" * 3_000_000),
    }[kind]


def recurses(n: int = 0) -> int:
    return recurses(n + 1)


def returns(kind: str):  # no annotation: what is returned is tested
    return {
        "lock": threading.Lock(),
        "generator": (n for n in range(3)),
        "nan": float("nan"),
        "surrogate": "\ud800",
        "large": "x" * (DEFAULT_LIMIT if kind == "large" else 1),
        "key": {1: 2},
        "huge": 10**6000,
    }[kind]


def sleeps(seconds: float) -> str:
    time.sleep(seconds)
    return "awake"


def prints() -> str:
    print("to stdout")
    print("lone \ud800", file=sys.stderr)
    os.write(1, b"raw \xff\x00 bytes\nno end")
    subprocess.run([sys.executable, "-c", "print('grandchild')"], check=True)
    return "done"


def prints_much(lines: int) -> int:
    for n in range(lines):
        print(n, "x" * 100)
    return lines


def exits(code: int) -> None:
    os._exit(code)


def segfaults() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


def kills_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def runs_out_of_memory() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    return len(bytearray(2**32))


def spins(file: str) -> None:
    Path(file).write_text(str(os.getpid()))
    while True:
        pass


def holds_the_interpreter(file: str) -> None:
    library = ctypes.PyDLL(None)  # its functions do not let other threads run
    sys.setswitchinterval(3600)  # nor may one run between them; those that wait already run during this sleep:
    time.sleep(0.02)
    number = str(os.getpid()).encode()
    library.write(os.open(file, os.O_WRONLY | os.O_CREAT), number, len(number))
    library.sleep(60)


def ignores_all(file: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    )
    assert grandchild.stdout is not None
    grandchild.stdout.readline()
    Path(file).write_text(f"{os.getpid()} {grandchild.pid}")
    while True:
        try:
            time.sleep(60)
        except BaseException:
            continue


async def send_signs(folder: str, kinds: list[str]) -> str:
    """Give one sign of life of each kind, each when its file is there; then none until the file "end" is there."""
    give = {
        "heartbeat": ms.heartbeat,
        "log": lambda: ms.log.info("working"),
        "print": lambda: print("working", flush=True),
        "progress": lambda: ms.progress(1),
        "checkpoint": lambda: ms.checkpoint(1),
    }
    for kind in (*kinds, "end"):
        Path(folder, f"before-{kind}").touch()
        while not Path(folder, kind).exists():
            await asyncio.sleep(0.002)
        if kind in give:
            give[kind]()
    return "ended"


def pid() -> int:
    return os.getpid()


def leaves_a_thread() -> int:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return os.getpid()


def waits_for(file: str) -> str:
    while not Path(file).exists():
        time.sleep(0.005)
    return "late"


def starts_and_waits(file: str) -> str:
    with subprocess.Popen(["sleep", "60"]) as process:
        Path(file).with_suffix(".begun").touch()
        try:
            return waits_for(file)
        finally:
            process.kill()


def zombie(file: str, out: str) -> None:
    try:
        waits_for(file)
        ms.log.info("from the grave")
    except BaseException as error:
        Path(out).write_text(type(error).__name__)
        raise


def environment() -> list[object]:
    return [os.environ.get("PYTHONPATH"), sys.flags.hash_randomization, __name__, os.getpgid(0) == os.getpid()]


async def saves_from_a_thread() -> list[object]:
    await asyncio.to_thread(ms.checkpoint, "far")
    await asyncio.to_thread(ms.progress, 1)
    return [ms.last_checkpoint(), await asyncio.to_thread(ms.attempt)]


def fork_and_return() -> int:
    """Fork, and let both processes return: only one of them is the step."""
    if os.fork() == 0:
        return 99
    return 1


def add_one(n: int) -> int:
    """Return the number after `n`."""
    return n + 1


def attempt_in_a_thread() -> int:
    """Read the attempt in a thread that was started without the context of the step."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(ms.attempt()))
    thread.start()
    thread.join()
    return found[0]


def fork_and_save() -> str:
    """Save a checkpoint, and send a message, in a process that this one forks; return its errors."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        for call in (lambda: ms.checkpoint(1), lambda: outbox.send("orders/eu", 1)):
            try:
                call()
            except BaseException as error:
                os.write(writing, f"{type(error).__name__} {error}\n".encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        return file.read()


def measures(method: str = "well") -> float:
    """Measure two names, one of them twice; then fail, or return what cannot be saved, if told so."""
    measure("rows", 3)
    measure("cost", 0.5)
    measure("rows", 4)
    if method == "badly":
        raise Permanent("no")
    return 7.0 if method == "well" else threading.Lock()  # type: ignore[return-value]


def measures_badly() -> list[str]:
    """Return the errors of measurements that cannot be."""
    errors = []
    for name, value in (("a b", 1.0), ("cost", float("nan")), ("cost", "3")):
        try:
            measure(name, value)  # type: ignore[arg-type]
        except ArgumentError as error:
            errors.append(error.message)
    for number in range(100):
        measure(f"n{number}", 1)
    try:
        measure("one_more", 1)
    except ArgumentError as error:
        errors.append(error.message)
    return errors


async def measures_in_threads() -> int:
    await asyncio.gather(*(asyncio.to_thread(measure, "rows", n) for n in range(20)))
    return 20
