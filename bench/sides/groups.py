"""`python -m bench.sides.groups STEPS RUNS IN_FLIGHT HISTORY`: what PostgreSQL takes of a worker's groups, without an engine; prints JSON.

Groups are made as a committer makes them: each run in flight has one command in the group, its next one when that is answered. The
server is a fresh one that keeps what it acknowledges. HISTORY finished runs lie in the store before.
"""

import itertools
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import OutcomeState, RunState
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.journal import SaveOutcome
from mainspring.store.commands.runs import ClaimedRun, ClaimedRuns, ClaimRuns, FinishRun, StartRun
from mainspring.store.commands.sessions import OpenSession
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.write.command_handlers import HANDLERS
from tests.postgres_server import PostgresServer

_NAME = "one"
_HISTORY = """
insert into runs (id, automation, kind, version, state, queue, place, created_at, started_at, finished_at, changed_at, claim, fresh,
                  codec, input, result, rank, steps, trigger)
select 'old-' || n, 'one', 'workflow', 1, 'succeeded', 'default', n, n, n, n, n, 1, 0, 'json', '[1]', '2', 10, 10, 'bench'
from generate_series(1, $1::bigint) as n
"""


class Clock:
    """The wall clock, and chance from a seed."""

    def __init__(self) -> None:
        self._random = random.Random(1)

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def random_bits(self, bits: int) -> int:
        return self._random.getrandbits(bits)


class Waits:
    """Counts how often we wait for an answer of the server, and for how long."""

    def __init__(self) -> None:
        self.count = 0
        self.took = 0.0
        server_wait = psycopg.Connection.wait

        def wait(connection: Any, *args: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return server_wait(connection, *args, **options)
            finally:
                self.count += 1
                self.took += time.perf_counter() - began

        psycopg.Connection.wait = wait  # type: ignore[method-assign,assignment]


class Load:
    """Runs on their way through the store."""

    def __init__(self, database: PostgresDatabase, steps: int, in_flight: int) -> None:
        self.database = database
        self.steps = steps
        self.in_flight = in_flight
        self.names = itertools.count()
        self.chance = random.Random(2)
        self.owned: dict[str, tuple[ClaimedRun, int]] = {}
        self.staged = self.ended = self.groups = self.saved = self.commands = 0

    def group(self) -> list[Any]:
        """Return the next group: starts, a claim for whatever is free, the next command of each run."""
        found: list[Any] = []
        while self.staged < self.in_flight:
            found.append(
                StartRun(f"r{next(self.names):09}", _NAME, "workflow", 1, b"[1]", "json", "bench", title="one of many")
            )
            self.staged += 1
        free = self.in_flight - len(self.owned)
        if free:
            found.append(ClaimRuns(f"c{next(self.names)}", free))
        for run, rank in self.owned.values():
            if rank < self.steps:
                found.append(_outcome(run, rank + 1))
            else:
                found.append(FinishRun(run.id, run.claim, RunState.SUCCEEDED, rank, b"2"))
        return found

    def turn(self) -> None:
        """Commit one group and take its answers."""
        commands = self.group()
        results = self.database.commit(commands).results
        self.groups += 1
        self.commands += len(commands)
        for command, result in zip(commands, results, strict=True):
            if isinstance(result, Exception):
                raise result
            if isinstance(result, ClaimedRuns):
                first = self.groups < 3
                for run in result.runs:
                    self.staged -= 1
                    # The first ones begin at different steps, so that starts and ends are spread over all groups.
                    self.owned[run.id] = (run, self.chance.randrange(self.steps) if first else 0)
            elif isinstance(command, SaveOutcome):
                self.owned[command.run] = (self.owned[command.run][0], command.rank)
                self.saved += 1
            elif isinstance(command, FinishRun):
                del self.owned[command.run]
                self.ended += 1


def _outcome(run: ClaimedRun, rank: int) -> SaveOutcome:
    return SaveOutcome(
        run=run.id,
        claim=run.claim,
        rank=rank,
        ident=f"main/add#{rank}",
        name="add",
        kind=OutcomeKind.STEP,
        state=OutcomeState.SUCCEEDED,
        request_number=rank,
        attempt=1,
        generation=0,
        started_at=1_800_000_000_000,
        at=1_800_000_000_001,
        duration_us=100,
        automation=run.automation,
        input=b"[1]",
        output=b"2",
    )


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that a process used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(steps: int, runs: int, in_flight: int, history: int) -> dict[str, Any]:
    """Let so many runs go through a fresh server."""
    server = PostgresServer(settings={"shared_buffers": "256MB"}).start()
    try:
        address = read_address(server.new_store())
        database = PostgresDatabase(address, clock=Clock(), handlers=HANDLERS)
        connection = database.connection
        assert connection is not None
        database.commit([OpenSession("s", "worker", "h", "box", 1, "1", "/s")])
        database.commit([AnnounceDefinitions("code", (AutomationRow(_NAME, "workflow", 1, "code", b"{}"),), ())])
        if history:
            with psycopg.connect(address.conninfo, autocommit=True, cursor_factory=psycopg.RawCursor) as other:
                other.execute(f"set search_path = {address.schema}")
                other.execute(_HISTORY, (history,))
                other.execute("vacuum analyze runs")
        load = Load(database, steps, in_flight)
        for _ in range(60):
            load.turn()
        waits = Waits()
        ended, saved, groups, commands = load.ended, load.saved, load.groups, load.commands
        backend = connection.info.backend_pid
        began, used, served = time.perf_counter(), time.process_time(), cpu_of(backend)
        while load.ended - ended < runs:
            load.turn()
        took = time.perf_counter() - began
        groups = load.groups - groups
        return {
            "steps_per_s": (load.saved - saved) / took,
            "runs_per_s": (load.ended - ended) / took,
            "commands_per_group": (load.commands - commands) / groups,
            "waits_per_group": waits.count / groups,
            "ms_per_group": took / groups * 1e3,
            "waiting_ms": waits.took / groups * 1e3,
            "server_cpu_ms": (cpu_of(backend) - served) / groups * 1e3,
            "our_cpu_ms": (time.process_time() - used) / groups * 1e3,
        }
    finally:
        server.remove()


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:]))))
