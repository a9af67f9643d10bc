"""A project under steady load, and what it holds: memory, descriptors, threads, write-ahead log, tables."""

import asyncio
import json
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import apsw
import psycopg

from mainspring.app.stores.store_factory import make_store
from mainspring.domain.access.permissions import Role
from mainspring.domain.clock import SystemClock
from mainspring.service.access import people
from mainspring.service.actor import Actor, operation_context
from tests.acceptance.one_project import Project
from tests.free_port import free_port
from tests.torture.sending import Answers, Letter, send_all

SECRET = "steady-steady-steady"
WORK = """
import asyncio, os
from datetime import timedelta
import mainspring as ms

SOON = ms.Retry(attempts=5, initial=timedelta(milliseconds=20))

def note(text: str) -> str:
    with open(os.environ["EFFECTS"], "a", encoding="ascii") as effects:
        effects.write(f"{ms.idempotency_key()} {text}\\n")
    return text

def fail_once(text: str) -> str:
    if ms.attempt() == 1:
        raise ms.Transient("come back later")
    return note(text)

def fail_for_good(number: int) -> None:
    raise ms.Permanent("this order cannot be delivered", data={"number": number})

@ms.workflow
async def parcel(run: ms.Run, number: int) -> str:
    return await run.step(note, f"parcel {number}")

@ms.on.webhook("/orders", verify=ms.verify.hmac("STEADY", header="X-Signature"))
@ms.workflow
async def order(run: ms.Run, number: int) -> int:
    await run.step(note, f"charge {number}")
    await asyncio.sleep(0.5)
    if number % 4 == 0:
        await run.options(retry=SOON).step(fail_once, f"pack {number}")
    if number % 5 == 0:
        await run.child(parcel, number)
    if number % 6 == 0:
        await run.event("paid", where={"number": number}, within="1h")
    if number % 25 == 0:
        await run.options(isolate="process").step(note, f"weigh {number}")
    if number % 100 == 99:
        await run.step(fail_for_good, number)
    await run.step(note, f"send {number}")
    return number

@ms.on.event("paid")
@ms.task
def receipt(event: ms.Event) -> None:
    ms.log.info("a receipt", number=event.data["number"])

@ms.task(every="1s", overlap="allow")
async def tick() -> None:
    ms.log.info("tick")
"""
ROLES = {
    "supervisor": "mainspring\0up",
    "worker": "worker_process",
    "scheduler": "scheduler_process",
    "web": "mainspring.web.process",
    "watcher": "watcher_process",
    "child": "mainspring.engine.attempts.processes.child",
}
BYTES_OF_AN_ORDER = 1_500
"""So many bytes of an order outlive its run: its key, its event and its audit row count for a week at least."""
PAGES = ("/", "/runs", "/api/v1/runs?limit=50", "/metrics", "/automations")


class Sample(NamedTuple):
    """What was held at one moment: `measures` by name, in bytes or pieces."""

    at_s: float
    measures: dict[str, float]


class SteadyProject:
    """A project on `url` (of its own file if None) whose finished runs are kept for `stored`."""

    def __init__(self, folder: Path, *, url: str | None, stored: str) -> None:
        self.hooks, self.web = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        more = (
            f'[web]\nbind = "{self.web}"\n[hooks]\nbind = "{self.hooks}"\n[store.retention]\n'
            + "".join(f'{name} = "{stored}"\n' for name in ("succeeded", "failed", "cancelled", "events"))
            + f'[logs]\nretention = "{stored}"\n'
        )
        self.project = Project(folder, WORK, more)
        if url is not None:
            self.project.store = url
        self.url = url
        self.project.up("up")
        self.project.until(self._accepts_orders)
        self._token = self._make_token()

    def _make_token(self) -> str:
        clock = SystemClock()
        store = make_store(self.url or f"sqlite:///{self.project.store}", clock=clock)
        store.open()
        try:
            act = operation_context(Actor.web("ana"), clock)
            return people.make_token(store, "bot", Role.OPERATOR, None, None, clock=clock, act=act)
        finally:
            store.close()

    def call_api(self, path: str, body: dict[str, object] | None = None) -> None:
        """Read a page, or post to the API, as a program with a token."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.web}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()

    def _accepts_orders(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.hooks}/healthz", timeout=2) as answer:
                is_up = answer.status == 200
        except OSError:
            return False
        return is_up and bool(self.read("select 1 from triggers where automation = 'order'"))

    def read(self, text: str) -> list[tuple[object, ...]]:
        """Read the store as no process of the project."""
        if self.url is None:
            if not Path(self.project.store).exists():
                return []
            raw = apsw.Connection(self.project.store, flags=apsw.SQLITE_OPEN_READONLY)
            try:
                raw.set_busy_timeout(10_000)
                return list(raw.execute(text))
            finally:
                raw.close()
        address, _, schema = self.url.partition("?schema=")
        with psycopg.connect(address, options=f"-csearch_path={schema}") as connection:
            return connection.execute(text.encode()).fetchall()

    def processes(self) -> dict[str, list[int]]:
        """Return the project's processes by role."""
        found: dict[str, list[int]] = {role: [] for role in ROLES}
        mark = f"EFFECTS={self.project.effects}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes()
                if mark not in (folder / "environ").read_bytes():
                    continue
            except OSError:
                continue
            for role, word in ROLES.items():
                if word.encode() in words:
                    found[role].append(int(folder.name))
                    break
        return found

    def measure(self) -> dict[str, float]:
        """Measure each process (of children: their number and their sum) and the store."""
        found: dict[str, float] = {}
        for role, pids in self.processes().items():
            found[f"{role} processes"] = len(pids)
            sums: Counter[str] = Counter()
            for pid in pids:
                try:
                    sums.update(_held_by(pid))
                except OSError:
                    continue  # it has ended
            found |= {f"{role} {name}": value for name, value in sums.items()}
        return found | self._measure_store()

    def _measure_store(self) -> dict[str, float]:
        if self.url is None:
            file = Path(self.project.store)
            sizes = {name: Path(f"{file}{end}") for name, end in (("store file", ""), ("store log", "-wal"))}
            return {name: float(path.stat().st_size) for name, path in sizes.items() if path.exists()}
        ((size, dead),) = self.read(
            "select sum(pg_total_relation_size(relid)), sum(n_dead_tup) from pg_stat_user_tables"
            " where schemaname = current_schema()"
        )
        return {"store tables": float(str(size)), "store dead rows": float(str(dead))}

    def stop(self) -> None:
        self.project.stop()


def _held_by(pid: int) -> dict[str, int]:
    folder = Path(f"/proc/{pid}")
    lines = (folder / "status").read_text(encoding="ascii", errors="replace").splitlines()
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    return {
        "memory": int(status["RssAnon"].split()[0])
        * 1024,  # pages of the store's file that are mapped belong to no one
        "threads": int(status["Threads"]),
        "descriptors": len(list((folder / "fd").iterdir())),
    }


class SteadyLoad:
    """Orders by webhook, `a_second`; each sixth is paid by an event; pages are looked at; failed runs are discarded."""

    def __init__(self, site: SteadyProject, *, a_second: float) -> None:
        self._site, self._pause = site, 1 / a_second
        self.accepted = 0
        self.errors: list[BaseException] = []
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._guard, args=(part,), daemon=True) for part in (self._send, self._read)
        ]
        for thread in self._threads:
            thread.start()

    def _guard(self, part: Callable[[], None]) -> None:
        try:
            part()
        except BaseException as error:
            self.errors.append(error)

    def _send(self) -> None:
        while not self._over.wait(self._pause):
            number = self.accepted
            answers = Answers()
            letter = Letter(f"order-{number}", json.dumps({"number": number}).encode(), genuine=True)
            asyncio.run(send_all(self._site.hooks, "/orders", SECRET, [letter], 1, answers))
            assert answers.statuses[letter.id, True] == {202}, answers.statuses
            if number % 6 == 0:
                self._site.call_api(
                    "/api/v1/events", {"name": "paid", "data": {"number": number}, "key": f"paid-{number}"}
                )
            self.accepted += 1

    def _read(self) -> None:
        turn = 0
        while not self._over.wait(1.0):
            self._site.call_api(PAGES[turn % len(PAGES)])
            turn += 1
            if turn % 60 == 0:
                self._site.project.call("failed", "discard", "--name", "order", "-y")

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def watch(site: SteadyProject, load: SteadyLoad, *, minutes: float, every_s: float) -> list[Sample]:
    """Measure at this interval for so long; stop at once if the load meets an error."""
    started = time.monotonic()
    samples: list[Sample] = []
    while (at := time.monotonic() - started) < minutes * 60 and not load.errors:
        samples.append(Sample(at, site.measure()))
        time.sleep(every_s)
    return samples


def growth(samples: list[Sample]) -> dict[str, tuple[float, float]]:
    """Return of each figure the medians of the second and of the last quarter of the time."""
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[3 * quarter :]
    names = sorted({name for sample in samples for name in sample.measures})
    return {
        name: (
            median(sample.measures.get(name, 0.0) for sample in second),
            median(sample.measures.get(name, 0.0) for sample in last),
        )
        for name in names
    }


def larger_than_before(measures: dict[str, tuple[float, float]], orders: int) -> list[str]:
    """Return what grew between the quarters by more than its allowance, with both figures; `orders` came in between."""
    return [
        f"{name}: {was:,.0f} -> {now:,.0f}"
        for name, (was, now) in measures.items()
        if now > _allowed(name, was, orders)
    ]


def _allowed(name: str, was: float, orders: int) -> float:
    if name.startswith("store"):
        return 1.25 * was + 4 * 1024**2 + BYTES_OF_AN_ORDER * orders
    if name.endswith("memory"):
        return 1.1 * was + 8 * 1024**2
    return was + 2  # descriptors and threads come and go by one or two
