"""Every page and every look at the API over a store of a million runs; RUNS=20000 makes a smaller one (see full_store)."""

import json
import re
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from bench.figure import Figure, shown
from bench.full_store import RUNS, Bulk, FileBulk, Full, ServerBulk, fill
from bench.process import ROOT, Failed
from bench.sides.server import new_database, server
from bench.streams import stream_figures
from bench.web_process import Asker, WebProcess, web_process
from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock
from mainspring.web.api.route import BASE
from mainspring.web.api.table import ROUTES
from mainspring.web.dashboard.page_table import PAGES

GOAL_MS = 50
_GOAL_KIB = 150
_PREFECT_RUNS = 100_000
_TIMES = 40
_WALKS = ("/audit-log/check",)
"""What goes through everything there is, by its nature."""
_FILTERED = (
    "/runs?state=failed",
    "/runs?name=team3-load-003&state=failed",
    "/runs?queue=slow",
    "/failed?name=team3-load-003",
    "/search?q=team3",
    "/search?q=r_01m",
    "/api/v1/runs?state=failed",
    "/api/v1/runs?state=needs_attention&state=failed",
    "/api/v1/runs?name=team3-load-003",
    "/api/v1/runs?queue=slow",
    "/api/v1/runs?queue=nowhere",
    "/api/v1/runs?healed=true",
    "/api/v1/runs?limit=500",
    "/api/v1/runs?since=2020-01-01T00:00:00Z&state=succeeded",
    "/api/v1/deliveries?state=refused",
    "/api/v1/deliveries?trigger=team3-load-012/event",
    "/api/v1/incidents?state=resolved",
    "/api/v1/errors?state=failed",
    "/api/v1/alerts?state=refused",
    "/api/v1/events?name=nothing",
    "/api/v1/logs?automation=team3-load-003",
)
_OF_SOME = (
    "/api/v1/runs",
    "/api/v1/deliveries",
    "/api/v1/incidents",
    "/api/v1/questions",
    "/api/v1/logs",
    "/api/v1/automations",
)


class Taken(NamedTuple):
    """What answers to one path took; `cpu` = ms of processor time of the web process, which others on the machine do not change."""

    path: str
    p50: float
    p95: float
    cpu: float
    kib: float


def figures() -> list[Figure]:
    """First on a file, then on a server."""
    found: list[Figure] = []
    for name, place in (("SQLite", _on_file), ("PostgreSQL", _on_server)):
        with place() as (folder, store, full), web_process(folder, store, full.tokens) as web:
            taken = list(_measured(web, Asker(web.port, full.tokens), _paths(full)))
            taken += [
                one._replace(path=f"{one.path} (of some automations)")
                for one in _measured(web, Asker(web.port, full.some), _OF_SOME)
            ]
            found += [*(_figure(name, one) for one in taken), _summary(name, taken), *_weights(name, web, full)]
            found += stream_figures(name, web, full, store, str(folder))
            of_runs = next(one for one in taken if one.path == f"{BASE}/runs")
            found += _beside_prefect(name, of_runs) if name == "SQLite" else []
    return found


@contextmanager
def _on_file() -> Iterator[tuple[Path, str, Full]]:
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as name:
        path = Path(name) / "state.db"
        yield Path(name), f"sqlite:///{path}", _filled(path, lambda: FileBulk(path))


@contextmanager
def _on_server() -> Iterator[tuple[Path, str, Full]]:
    with server() as found, tempfile.TemporaryDirectory(prefix="mainspring-bench-") as name:
        url = new_database(found, "full")
        yield Path(name), url, _filled(url, lambda: ServerBulk(url))


def _filled(place: str | Path, bulk: Callable[[], Bulk]) -> Full:
    clock = SystemClock()
    store = make_store(place, clock=clock)
    store.open()
    store.open_session("worker")
    return fill(store, clock, bulk)


def _paths(full: Full) -> list[str]:
    """Return each page and each look of the two tables, with names of what is there, and some lists in a filter."""
    looks = [f"{BASE}{one.path}" for one in ROUTES if one.method == "GET" and one.path not in _WALKS]
    return [*_filled_in([*(page.path for page in PAGES), *looks], full), *_FILTERED]


def _filled_in(paths: Iterable[str], full: Full) -> list[str]:
    return [re.sub(r"\{(\w+)\}", lambda name: quote(full.names.get(name[1], "1"), safe=""), path) for path in paths]


def _measured(web: WebProcess, asker: Asker, paths: Iterable[str]) -> Iterator[Taken]:
    for path in paths:
        _ = [asker.get(path) for _ in range(2)]
        before = web.cpu_s()
        answers = [asker.get(path) for _ in range(_TIMES)]
        cpu = (web.cpu_s() - before) * 1_000 / _TIMES
        wrong = next((status for status, _, _ in answers if status != 200), None)
        if wrong is not None:
            raise Failed(f"{path} is answered with {wrong}")
        took = sorted(ms for _, _, ms in answers)
        yield Taken(path, statistics.median(took), took[int(len(took) * 0.95)], cpu, len(answers[0][1]) / 1024)


def _figure(store: str, taken: Taken) -> Figure:
    note = f"p50 {shown(taken.p50)} ms, {shown(taken.cpu)} ms of processor time, {shown(taken.kib)} KiB"
    return Figure(
        name=f"{store}: {taken.path}, p95", unit="ms", ours=taken.p95, peer=GOAL_MS, peer_name="the goal", note=note
    )


def _summary(store: str, taken: list[Taken]) -> Figure:
    slow = [one.path for one in taken if one.p95 >= GOAL_MS]
    worst = max(taken, key=lambda one: one.p95)
    said = f"{len(taken)} paths over {RUNS:,} runs; {len(slow)} slower than the goal" + "".join(
        f", {one}" for one in slow
    )
    return Figure(
        name=f"{store}: the slowest path, p95", unit="ms", ours=worst.p95, peer=GOAL_MS, peer_name="the goal", note=said
    )


def _weights(store: str, web: WebProcess, full: Full) -> list[Figure]:
    """Return what a browser that was never here is sent for the front page and for the heaviest: the page and what it names, packed."""
    asker = Asker(web.port, full.tokens)
    packed: dict[str, int] = {}
    found: dict[str, float] = {}
    for path in _filled_in((page.path for page in PAGES), full):
        page = asker.get(path)[1]
        assets = {one.decode() for one in re.findall(rb'(?:src|href)="(/assets/[^"]+)"', page)}
        for one in assets - packed.keys():
            packed[one] = len(asker.get(one, **{"Accept-Encoding": "gzip"})[1])
        found[path] = (len(page) + sum(packed[one] for one in assets)) / 1024
    heaviest = max(found, key=lambda path: found[path])
    too_heavy = [path for path, kib in found.items() if kib >= _GOAL_KIB]
    said = f"{heaviest}; of {len(found)} pages {len(too_heavy)} are heavier than the goal" + "".join(
        f", {path}" for path in too_heavy
    )
    return [
        Figure(name=f"{store}: {name}", unit="KiB", ours=kib, peer=_GOAL_KIB, peer_name="the goal", note=note)
        for name, kib, note in (
            ("first load of the front page", found["/"], ""),
            ("first load of the heaviest page", found[heaviest], said),
        )
    ]


def _beside_prefect(store: str, ours: Taken) -> list[Figure]:
    """Return the newest fifty runs by our API beside the same by Prefect's; nothing where that is not installed."""
    python = ROOT / ".venv-prefect" / "bin" / "python"
    if not python.exists():
        return []
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as folder:
        command = [
            str(python),
            str(ROOT / "bench" / "sides" / "prefect_side.py"),
            folder,
            str(_PREFECT_RUNS),
            str(_TIMES),
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        raise Failed(f"Prefect: {done.stderr.strip()[-800:]}")
    theirs = json.loads(done.stdout.splitlines()[-1])
    note = f"ours over {RUNS:,} runs, Prefect over {theirs['runs']:,} runs"
    return [
        Figure(
            name=f"{store}: the newest fifty runs, {name}",
            unit="ms",
            ours=own,
            peer=theirs[name],
            peer_name="Prefect",
            note=note,
        )
        for name, own in (("p50", ours.p50), ("p95", ours.p95))
    ]
