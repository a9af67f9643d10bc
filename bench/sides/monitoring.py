"""`python -m bench.sides.monitoring round AUTOMATIONS DAYS`: a store with so much history, and what a round of all monitors takes.

`... memory AUTOMATIONS`: the memory of a process that watches the store of so many, as a watcher does, and has done nothing else.
"""

import json
import os
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec

from mainspring.alerting.inputs.facts import AT_ONCE, FactsReader
from mainspring.app.alerting.watcher import make_evaluation
from mainspring.config import load
from mainspring.domain.clock import SystemClock
from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, evaluate_all
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ScheduleRow
from mainspring.store.sqlite.store import SqliteStore

HOUR, DAY = 3_600_000, 86_400_000
LOOKS, RUNS = 7, 20


def memory(automations: int) -> None:
    """Look until the history of all is known; each look reads that of a hundred."""
    folder = Path(os.environ["BENCH_FOLDER"])
    settings = load(env=os.environ, cwd=folder, uid=os.getuid(), flags={"store.url": str(folder / "state.db")})
    store = SqliteStore(folder / "state.db", clock=SystemClock())
    store.open()
    store.open_session("watcher")
    watch, looks = make_evaluation(settings, store), automations // AT_ONCE + 2
    for _ in range(looks):
        watch.evaluate_once()
    store.close()
    print(json.dumps({"rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "looks": looks}))


def rounds(automations: int, days: int) -> None:
    """A quarter runs daily, a quarter hourly by schedule, half by events once an hour; each has twenty runs and its figures."""
    path = Path(os.environ["BENCH_FOLDER"]) / "state.db"
    clock = SystemClock()
    store = SqliteStore(path, clock=clock)
    store.open()
    store.open_session("worker")
    _announce(store, automations, clock.now())
    _live(path, automations, days, clock.now())
    reader = FactsReader(store.reader)
    took = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        facts = reader.read(clock.now())
        evaluate_all(facts, DEFAULT_TUNINGS, clock.now())
        took.append((time.perf_counter() - began) * 1_000)
    store.close()
    print(json.dumps({"first_ms": took[0], "ms": statistics.median(took[1:]), "worst_ms": max(took[1:])}))


def _announce(store: SqliteStore, automations: int, now: int) -> None:
    rows, schedules = [], []
    for n in range(automations):
        name = f"a{n:05}"
        hourly, daily = n % 4 == 1, n % 4 == 3
        cron = [f"{n % 60} * * * *"] if hourly else [f"{n % 60} {n % 24} * * *"] if daily else []
        options = {"owner": "ann", "tz": "Europe/Berlin", **({"cron": cron} if cron else {})}
        definition = Definition(
            kind=DefinitionKind.SCRIPT,
            name=name,
            options=options,
            schedules=build_schedules(options, name),
            command=["true"],
        )
        rows.append(AutomationRow(name, "script", 1, "f", msgspec.json.encode(definition.to_data())))
        for schedule in definition.schedules:
            spec = msgspec.json.encode(schedule.to_data())
            schedules.append(ScheduleRow(name, name, spec, schedule.next_after(now), schedule.key))
    store.apply(AnnounceDefinitions("code", tuple(rows), tuple(schedules)))


def _live(path: Path, automations: int, days: int, now: int) -> None:
    connection = apsw.Connection(str(path))
    chance = random.Random(1)
    with connection:
        for n in range(automations):
            name, every = f"a{n:05}", DAY if n % 4 == 3 else HOUR
            minutes = [at - at % 60_000 for at in range(now - days * DAY, now, every)]
            connection.executemany(
                "insert or ignore into rollups (session, automation, minute_at, started, succeeded, duration_ms, max_duration_ms)"
                " values (0, ?, ?, 1, 1, 5000, 5000)",
                [(name, at) for at in minutes],
            )
            connection.executemany(
                "insert or ignore into rollup_details (session, automation, minute_at, metric, n) values (0, ?, ?, ?, 1)",
                [(name, at, f"ms<=2^{chance.choice((12, 13))}") for at in minutes],
            )
            connection.executemany(
                "insert or ignore into rollup_details (session, automation, minute_at, metric, n) values (0, ?, ?, ?, 1)",
                [(name, at, f"bytes<=2^{chance.choice((20, 21))}") for at in minutes],
            )
            ends = [now - place * every - 1_000 for place in range(RUNS, 0, -1)]
            connection.executemany(
                "insert into runs (id, automation, kind, version, state, queue, place, created_at, started_at, finished_at, changed_at,"
                " codec, input, trigger, output_size) values (?, ?, 'script', 1, 'succeeded', 'default', 0, ?, ?, ?, ?, 'plain',"
                " x'7b7d', 'schedule', 1000000)",
                [(f"r_{name}_{at}", name, at - 5_000, at - 5_000, at, at) for at in ends],
            )
            connection.executemany(
                "insert into slots (schedule, slot_at, verdict, run, made_at) values (?, ?, 'run', ?, ?)",
                [(name, at - 5_000, f"r_{name}_{at}", at) for at in ends if n % 2],
            )


if __name__ == "__main__":
    measure, *numbers = sys.argv[1:]
    measures: dict[str, Callable[..., None]] = {"round": rounds, "memory": memory}
    measures[measure](*map(int, numbers))
