"""A store as one process sees it, in the words of the tests. A second database is a second subclass and one more parameter in conftest."""

import itertools
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import FactKind, OutcomeKind
from mainspring.domain.runs.outbox import QueuedMessage
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.store.commands.alerts import LeaseChannels, SentAlert, SettleAlerts
from mainspring.store.commands.automations import AnnounceDefinitions, AuditedCommand, AutomationRow, ScheduleRow
from mainspring.store.commands.inbox import DeliverFact, OpenWait, PublishEvent
from mainspring.store.commands.journal import SaveOutcome
from mainspring.store.commands.outbox import LeaseQueues
from mainspring.store.commands.runs import (
    ClaimedRun,
    ClaimedRuns,
    ClaimRuns,
    CompleteRun,
    FinishRun,
    HaltRun,
    StartRun,
    SuspendRun,
)
from mainspring.store.commands.sessions import OpenSession
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.database import LEASE_MS, PostgresDatabase
from mainspring.store.postgres.reader import PostgresReader
from mainspring.store.read import incidents, outbox
from mainspring.store.read.runs import history as reads_history
from mainspring.store.read.runs import logs, run_views, unresolved_runs
from mainspring.store.read.runs.worker_reads import WorkerReads
from mainspring.store.read.status import status
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.reader import SqliteReader
from mainspring.store.write.command_handlers import HANDLERS
from tests.contract.store.clock import FakeClock

BOOM = Failure("ValueError", "boom", "it broke")


class Process:
    """One process with its session. `do` commits one group; `again` sends a group a second time."""

    _names: ClassVar[Any] = itertools.count(1)

    def __init__(self, database: Any, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock

    def history(self, run: str) -> Any:
        raise NotImplementedError

    def run(self, run: str) -> Any:
        raise NotImplementedError

    def list_runs(self, **options: Any) -> Any:
        raise NotImplementedError

    def read(self, name: str, *args: Any, **options: Any) -> Any:
        raise NotImplementedError

    @classmethod
    def name(cls, prefix: str = "r") -> str:
        return f"{prefix}{next(cls._names):05}"

    def do(self, *commands: Any) -> Any:
        results = self.database.commit(list(commands)).results
        return results[0] if len(results) == 1 else results

    def apply(self, command: Any) -> Any:
        """As store.base.Store has it."""
        return self.do(command)

    def apply_in_order(self, commands: Any) -> Any:
        """As store.base.Store has it."""
        return [self.do(command) for command in commands]

    def again(self, *commands: Any) -> Any:
        results = self.database.commit(list(commands), again=True).results
        return results[0] if len(results) == 1 else results

    def twice(self, *commands: Any) -> Any:
        """Commit, lose the answer, send again; the answers must agree."""
        first, second = self.do(*commands), self.again(*commands)
        assert second == first
        return first

    @property
    def session(self) -> int:
        return self.database.session

    def open(self, role: str = "worker", hash_seed: str | None = None, capacity: int | None = None) -> "Process":
        uuid = self.name("session")
        seed = hash_seed or f"seed of {uuid}"
        opening = OpenSession(
            uuid, role, host="h", hostname="box", pid=1, pid_started="1", lock_path=f"/{uuid}", hash_seed=seed,
            capacity=capacity,
        )  # fmt: skip
        self.do(opening)
        return self

    def announce(
        self,
        *names: str,
        version: int = 1,
        fingerprint: str = "code-1",
        schedules: tuple[ScheduleRow, ...] = (),
        was: str | None = None,
        kind: str = "task",
        definition: bytes = b"{}",
        is_candidate: bool = False,
    ) -> Any:
        rows = tuple(
            AutomationRow(name, kind, version, fingerprint, definition, was=was, is_candidate=is_candidate)
            for name in names
        )
        own = tuple(msgspec.structs.replace(schedule, version=version) for schedule in schedules)
        return self.do(AnnounceDefinitions(fingerprint, rows, own))

    def start(self, automation: str = "a", **options: Any) -> Any:
        return self.do(self.starting(automation, **options))

    def starting(self, automation: str = "a", **options: Any) -> StartRun:
        values: dict[str, Any] = {
            "id": self.name(),
            "kind": "task",
            "version": 1,
            "input": b"[]",
            "codec": "json",
            "trigger": "test",
        }
        return StartRun(automation=automation, **(values | options))

    def claim(self, limit: int = 10, **options: Any) -> ClaimedRuns:
        answer = self.do(ClaimRuns(self.name("c"), limit, **options))
        assert isinstance(answer, ClaimedRuns)
        return answer

    def claim_one(self, **options: Any) -> ClaimedRun:
        (run,) = self.claim(1, **options).runs
        return run

    def begin(self, **options: Any) -> ClaimedRun:
        """Start a run and claim it."""
        started = self.start(**options)
        run = self.claim_one()
        assert run.id == started.run
        return run

    def ids(self, limit: int = 10, **options: Any) -> list[str]:
        return [run.id for run in self.claim(limit, **options).runs]

    def deliver_all(self) -> None:
        """Let every channel take what is due for it."""
        channels = tuple(sorted({alert.channel for alert in self.read("alerts")}))
        take = take_alerts(*channels)
        for channel in self.do(take).channels:
            reported = tuple(SentAlert(alert.seq, f"ref:{alert.incident}") for alert in channel.alerts)
            self.do(SettleAlerts(lease=take.lease, channel=channel.name, sent=reported))

    def state(self, run: str) -> RunState:
        return self.run(run).state


def outcome(run: ClaimedRun, rank: int, ident: str | None = None, **options: Any) -> SaveOutcome:
    """A saved step, unless told otherwise."""
    known_as = ident or f"s{rank}"
    values: dict[str, Any] = {
        "kind": OutcomeKind.STEP, "state": OutcomeState.SUCCEEDED, "request_number": rank, "attempt": 1, "generation": run.generation,
        "started_at": 1, "at": 2, "duration_us": 3, "input": b"[]", "output": b"1", "name": known_as,
    }  # fmt: skip
    return SaveOutcome(
        run=run.id, claim=run.claim, rank=rank, ident=known_as, automation=run.automation, **(values | options)
    )


def suspend(
    run: ClaimedRun, *, seen: int = 0, due_at: int | None = None, rank: int = 0, state: RunState = RunState.WAITING
) -> SuspendRun:
    return SuspendRun(run.id, run.claim, state, due_at, seen, rank)


def finish(run: ClaimedRun, state: RunState = RunState.SUCCEEDED, **options: Any) -> FinishRun:
    return FinishRun(run.id, run.claim, state, options.pop("rank", 0), **options)


def complete(run: ClaimedRun, ident: str = "s1", **options: Any) -> CompleteRun:
    values: dict[str, Any] = {
        "started_at": 1,
        "at": 2,
        "duration_us": 3,
        "input": b"[]",
        "output": b"1",
        "parent": run.parent,
    }
    return CompleteRun(run.id, run.claim, run.automation, ident, ident, **(values | options))


def fail(
    run: ClaimedRun, ident: str | None = None, reason: FailureReason = FailureReason.PERMANENT_ERROR, **options: Any
) -> FinishRun:
    return finish(run, RunState.FAILED, failure=BOOM, reason=reason, failed_ident=ident, **options)


def halt(
    run: ClaimedRun, ident: str | None = None, reason: FailureReason = FailureReason.IN_DOUBT, **options: Any
) -> HaltRun:
    return HaltRun(run.id, run.claim, reason, options.pop("rank", 0), BOOM, ident, **options)


def signal(run: str, source: str = "src", name: str = "go") -> DeliverFact:
    return DeliverFact(run, FactKind.SIGNAL, name, source, payload=b"1")


def wait_for(run: ClaimedRun, name: str = "paid", ident: str = "e1", **options: Any) -> OpenWait:
    return OpenWait(run.id, run.claim, ident, "event", name, **options)


def ask(run: ClaimedRun, ident: str = "q1", name: str = "Go?", until_at: int | None = None) -> OpenWait:
    return OpenWait(run.id, run.claim, ident, "ask", name, until_at, question=b'{"text": "Go?"}')


def event(
    name: str = "paid", data: bytes = b"{}", *, id: str | None = None, key: str | None = None, keep_until: int = 2**50
) -> PublishEvent:
    return PublishEvent(id or Process.name("ev"), name, data, keep_until, key)


def post(queue: str = "orders/eu", *, id: str | None = None, body: bytes = b"1", **options: Any) -> QueuedMessage:
    return QueuedMessage(id or Process.name("m"), queue, body, **options)


def take(*, queues: int = 10, messages: int = 10, lease_ms: int = 1_000) -> LeaseQueues:
    return LeaseQueues(Process.name("lease"), lease_ms, queues, messages)


def take_alerts(*channels: str, lease_ms: int = 1_000, most: int = 10) -> LeaseChannels:
    return LeaseChannels(Process.name("lease"), lease_ms, channels, most)


def audited(inner: Any, command: str | None = None, verb: str = "act", **options: Any) -> AuditedCommand:
    return AuditedCommand(command or Process.name("cmd"), "cli:ann@box", verb, "it", inner, **options)


class StoredProcess(Process):
    """A process on a database of ours, with its reads."""

    def __init__(self, database: Any, reader: Any, clock: FakeClock) -> None:
        super().__init__(database, clock)
        self.reader = reader
        self.engine_reads = WorkerReads(reader)

    def history(self, run: str) -> Any:
        (history,) = self.engine_reads.histories([run])
        return history

    def run(self, run: str) -> Any:
        return run_views.run_view(self.reader, run)

    def list_runs(self, **options: Any) -> Any:
        return run_views.list_runs(self.reader, **options)

    def read(self, name: str, *args: Any, **options: Any) -> Any:
        """Call a read by its name."""
        for module in (
            reads_history,
            incidents,
            logs,
            outbox,
            run_views,
            unresolved_runs,
            status,
        ):
            if hasattr(module, name):
                return getattr(module, name)(self.reader, *args, **options)
        raise AttributeError(name)

    def close(self) -> None:
        self.reader.close()
        self.database.close()


class SqliteProcess(StoredProcess):
    """A process on one SQLite file."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        database = SqliteDatabase(path, clock=clock, handlers=HANDLERS, passed=clock.passed)
        super().__init__(database, SqliteReader(path), clock)
        self.path = path

    def is_in_queue(self) -> bool:
        """Groups on one file come one after the other."""
        return True

    def tamper(self, statement: str) -> None:
        """Change the file behind the store's back, as someone with a database shell would."""
        self.database.connection.execute(
            "drop trigger if exists audit_log_is_append_only; drop trigger if exists audit_log_forbids_deletion"
        )
        self.database.connection.execute(statement.replace("BYTES", "blob"))


class PostgresProcess(StoredProcess):
    """A process on one schema of a real server."""

    def __init__(self, url: str, clock: FakeClock, lease_ms: int = LEASE_MS) -> None:
        address = read_address(url)
        database = PostgresDatabase(
            address, clock=clock, handlers=HANDLERS, own_time=True, passed=clock.passed, lease_ms=lease_ms
        )
        super().__init__(database, PostgresReader(address), clock)
        self._observer: Any = None

    def is_in_queue(self) -> bool:
        """Tell whether this process waits for a lock of another one."""
        pid = self.database.connection.info.backend_pid
        return bool(self._peer().execute("select pg_blocking_pids(cast($1 as int)) <> '{}'", (pid,)).fetchall()[0][0])

    def _peer(self) -> Any:
        """A connection that only looks on."""
        if self._observer is None:
            self._observer = connect(self.database.address)
        return self._observer

    def close(self) -> None:
        super().close()
        if self._observer is not None:
            self._observer.close()

    def tamper(self, statement: str) -> None:
        """Change a table behind the store's back, as someone with a database shell would."""
        connection = self.database.connection
        connection.execute(f"set search_path = {self.database.address.schema}")
        connection.execute("drop trigger if exists audit_log_is_append_only on audit_log")
        connection.execute(statement.replace("BYTES", "bytea"))
