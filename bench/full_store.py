"""A store after a month of work: a million runs with ten million attempts, made in bulk, so that pages are measured on what they will meet.

Two hundred automations, ten of which have half of the runs; of a million runs twenty thousand failed, some wait, retry, need a person or
run. Incidents, deliveries, figures, logs and acts are there as so many runs would have left them. RUNS=20000 makes a small one.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import apsw
import msgspec
import psycopg

from mainspring.domain.access.permissions import Role
from mainspring.domain.clock import Clock
from mainspring.domain.definitions.definition import Definition, DefinitionKind, build_schedules
from mainspring.domain.ids import make_id
from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS
from mainspring.domain.runs.log_chunk import pack_lines
from mainspring.domain.triggers.event_sources import EventSource
from mainspring.domain.triggers.trigger import Trigger
from mainspring.service.access.people import make_token
from mainspring.service.actor import Actor, operation_context
from mainspring.store.audit_chain import FIRST_HASH, row_hash
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, ScheduleRow
from mainspring.store.commands.results import DONE
from mainspring.store.commands.triggers import TriggerRow
from mainspring.store.process_store import ProcessStore
from mainspring.store.transaction import Rows

RUNS = int(os.environ.get("RUNS", "1000000"))
STEPS = 9
"""Saved outcomes of a run; with the attempt of each run that had to be repeated that makes ten attempts a run."""
AUTOMATIONS = 200
TOKENS = 40
_BULK_OPERATIONS = 60
_SOME = 4
DAY, HOUR, MINUTE = 86_400_000, 3_600_000, 60_000
_DAYS = 30
_RUN = (
    "id automation kind version state reason queue priority ready place due_at created_at started_at finished_at changed_at session claim"
    " fresh deploy rank codec input result failure failed_ident trigger schedule slot_at steps"
).split()
_LOG = ("run", "seq", "ident", "attempt", "first_at", "last_at", "lines", "size", "upto", "body")
_FAULT = ("run", "automation", "state", "reason", "ident", "at", "fingerprint")
_GROUP = "automation fingerprint type code place message first_at last_at number first_run last_run".split()
_INCIDENT = (
    "id automation kind fingerprint state severity text facts since_at opened_at changed_at seen_at resolved_at opened number"
).split()
_ALERT = "key incident opened about channel severity state made_at due_at tried ended_at".split()
_DELIVERY = "id trigger key state name verified run received_at changed_at body headers".split()
_BULK = "id verb state selection automations piece every_ms actor total done refused reached made_at changed_at ended_at due_at".split()
_REFUSED_OF = 40
"""Of so many runs of a bulk act one was refused."""
_ACT = "seq at command actor verb subject reason detail result prev_hash hash".split()
_FIGURES = "session automation minute_at started succeeded failed steps duration_ms max_duration_ms".split()
_FAILURE = msgspec.json.encode({"type": "ConnectionError", "message": "the other side said no", "code": "refused"})
_TRIGGER = msgspec.json.encode(Trigger(source=EventSource(name="order.paid")))
_DONE = msgspec.json.encode(DONE)
_JOURNAL = """
insert into {schema}journal (run, rank, ident, name, kind, state, request_number, attempt, generation, claim, input, output,
                             started_at, at, duration_us)
select runs.id, s.n, 'load#' || s.n, 'load', 'step', 'succeeded', s.n, 1, 0, 1, runs.input, runs.input, runs.created_at + s.n * 10,
       runs.created_at + s.n * 10 + 9, 9000
from {schema}runs as runs cross join {series} as s
"""
_ATTEMPTS = """
insert into {schema}attempts (run, ident, generation, attempt, name, state, request_number, claim, failure, started_at, ended_at)
select id, 'load#1', 0, 1, 'load', 'failed', 1, 1, {failure}, created_at + 5, created_at + 8 from {schema}runs
"""


class Full(NamedTuple):
    """What a store of this kind is asked for: keys that let in, `some` only to one automation, and names of what is in it."""

    tokens: list[str]
    some: list[str]
    names: dict[str, str]


class Bulk(Protocol):
    """Writes past the store's own way: no other process has it open."""

    def rows(self, table: str, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None: ...

    def attempts(self) -> None: ...

    def end(self) -> None: ...


class FileBulk:
    """On a file: without a journal, which a store that is thrown away if this fails does not need."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path))
        for setting in ("journal_mode = off", "synchronous = off", "cache_size = -500000"):
            self._connection.execute(f"pragma {setting}").fetchall()

    def rows(self, table: str, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None:
        names = list(columns)
        text = f"insert into {table} ({', '.join(names)}) values ({', '.join('?' * len(names))})"
        with self._connection:
            self._connection.executemany(text, rows)

    def attempts(self) -> None:
        series = f"(with recursive s(n) as (select 1 union all select n + 1 from s where n < {STEPS}) select n from s)"
        with self._connection:
            self._connection.execute(_JOURNAL.format(schema="", series=series))
            self._connection.execute(_ATTEMPTS.format(schema="", failure="?"), (_FAILURE,))

    def end(self) -> None:
        """Give the file its journal back."""
        self._connection.execute("pragma journal_mode = wal").fetchall()
        self._connection.close()


class ServerBulk:
    """On a server, by COPY."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("set synchronous_commit = off")

    def rows(self, table: str, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None:
        text = f"copy mainspring.{table} ({', '.join(columns)}) from stdin"
        with self._connection.cursor() as cursor, cursor.copy(text.encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def attempts(self) -> None:
        series = f"generate_series(1, {STEPS})"
        self._connection.execute(
            _JOURNAL.format(schema="mainspring.", series=f"(select n from {series} as n)").encode()
        )
        self._connection.execute(_ATTEMPTS.format(schema="mainspring.", failure="%s").encode(), (_FAILURE,))

    def end(self) -> None:
        """Let the server know what there is, as it does by itself within minutes."""
        self._connection.execute("vacuum analyze")
        self._connection.execute("checkpoint")
        self._connection.close()


def fill(store: ProcessStore, clock: Clock, made: Callable[[], Bulk]) -> Full:
    """Fill an open store that has nothing yet, and close it; `made` opens it past its own way."""
    now = clock.now()
    names = [f"team{n % 9}-load-{n:03}" for n in range(AUTOMATIONS)]
    _announce(store, names, now)
    tokens = [_token(store, clock, f"all{n}", None) for n in range(TOKENS)]
    some = [_token(store, clock, f"some{n}", [names[188]]) for n in range(_SOME)]
    chain = store.reader.read("read_audit_chain", (0, 1_000))
    store.close()
    bulk = made()
    every = _DAYS * DAY // RUNS
    ids = [make_id("r", now - (RUNS - n) * every, n) for n in range(RUNS)]
    bulk.rows("queues", ("name", "concurrency"), [("default", 64), ("slow", 4)])
    bulk.rows("runs", _RUN, (_run(n, ids[n], names, now, every) for n in range(RUNS)))
    bulk.attempts()
    bulk.rows("logs", _LOG, _logs(ids, now, every))
    failed = [n for n in range(RUNS) if _state(n) in ("failed", "needs_attention")]
    bulk.rows("failures", _FAULT, (_fault(n, ids[n], names, now, every) for n in failed))
    bulk.rows("error_groups", _GROUP, _groups(failed, ids, names, now, every))
    incidents = [make_id("i", now - n * 7 * MINUTE, n) for n in range(max(200, RUNS // 200))]
    bulk.rows("incidents", _INCIDENT, (_incident(n, id, names, now) for n, id in enumerate(incidents)))
    bulk.rows("incident_moves", ("incident", "move", "at", "by"), _moves(incidents, now))
    bulk.rows("alerts", _ALERT, (_alert(n, id, now) for n, id in enumerate(incidents)))
    deliveries = [make_id("d", now - n * MINUTE, n) for n in reversed(range(RUNS // 5))]
    bulk.rows("deliveries", _DELIVERY, (_delivery(n, id, ids, names, now) for n, id in enumerate(deliveries)))
    bulk.rows("rollups", _FIGURES, _figures(names, now))
    bulk.rows("rollup_details", ("session", "automation", "minute_at", "metric", "n"), _details(names, now))
    slots = ((name, now - k * HOUR, "run", ids[-k], now - k * HOUR) for name in names for k in range(1, 200))
    bulk.rows("slots", ("schedule", "slot_at", "verdict", "run", "made_at"), slots)
    waits = [(ids[n], "ask#1", "ask", "ask", b'{"text":"Charge it?"}', now - n) for n in range(RUNS - 200, RUNS)]
    bulk.rows("waits", ("run", "ident", "kind", "name", "question", "opened_at"), waits)
    events = ((make_id("e", now - n, n), "order.paid", f"k{n}", b"{}", now - n, now + DAY) for n in range(RUNS // 20))
    bulk.rows("events", ("id", "name", "key", "data", "at", "keep_until"), events)
    bulk.rows("locks", ("name", "owner", "token", "acquired_at"), ((f"lock{n}", ids[n], n, now) for n in range(20)))
    acted = [ids[n] for n in failed[:MAX_BULK_PARTS]]
    bulk.rows(
        "bulk_operations", _BULK, (_bulk_operation(n, acted, names, now) for n in reversed(range(_BULK_OPERATIONS)))
    )
    bulk.rows("bulk_parts", ("bulk", "run", "reason"), _bulk_parts(acted))
    bulk.rows("audit_log", _ACT, _acts(chain, ids, now))
    bulk.end()
    found = {
        "automation": names[3],
        "run": ids[7],
        "step": "load#1",
        "incident": incidents[5],
        "delivery": deliveries[-1],
        "trigger": f"{names[12]}/event",
        "event": make_id("e", now, 0),
        "error": _print(0),
        "bulk": _bulk_id(0),
        "queue": "default",
        "monitor": "silence",
    }
    return Full(tokens, some, found)


def _announce(store: ProcessStore, names: list[str], now: int) -> None:
    rows, schedules, triggers = [], [], []
    for n, name in enumerate(names):
        options = {"owner": "ann", "tz": "Europe/Berlin", "team": f"team{n % 9}", "cron": [f"{n % 60} * * * *"]}
        definition = Definition(
            kind=DefinitionKind.TASK,
            name=name,
            options=options,
            schedules=build_schedules(options, name),
            parameters={},
        )
        rows.append(AutomationRow(name, "task", 1, "f", msgspec.json.encode(definition.to_data())))
        for schedule in definition.schedules:
            spec = msgspec.json.encode(schedule.to_data())
            schedules.append(ScheduleRow(name, name, spec, schedule.next_after(now), schedule.key))
        if n % 4 == 0:
            triggers.append(TriggerRow(f"{name}/event", name, "event", _TRIGGER))
    store.apply(AnnounceDefinitions("code", tuple(rows), tuple(schedules), tuple(triggers)))


def _token(store: ProcessStore, clock: Clock, name: str, automations: list[str] | None) -> str:
    act, role = (
        operation_context(Actor.cli("bench", "here"), clock),
        Role.ADMIN if automations is None else Role.OPERATOR,
    )
    return make_token(store, name, role, automations, None, clock=clock, act=act)


def _state(n: int) -> str:
    """Return the state of a run: the newest 300 of a million are alive, of the others two in a hundred failed."""
    left = RUNS - n
    if left <= 300:
        return ("running", "queued", "waiting", "waiting", "retrying")[left % 5]
    if n % 51 == 7:
        return "failed"
    return {11: "needs_attention", 12: "waiting", 13: "cancelled"}.get(n % 2_001, "succeeded")


def _of(n: int, names: list[str]) -> str:
    """Return the automation of a run: ten of them have half of all."""
    return names[n // 2 % 10] if n % 2 else names[n // 2 % AUTOMATIONS]


def _run(n: int, id: str, names: list[str], now: int, every: int) -> tuple[Any, ...]:
    at, state, name = now - (RUNS - n) * every, _state(n), _of(n, names)
    over = state in ("succeeded", "failed", "cancelled")
    begun = state != "queued"
    reason = "permanent_error" if state in ("failed", "needs_attention") else None
    due = now + HOUR if state in ("waiting", "retrying") else None
    slot = (name, at) if n % 3 == 0 and begun else (None, None)
    return (
        *(
            id,
            name,
            "task",
            1,
            state,
            reason,
            "slow" if n % 10 == 0 else "default",
            0,
            int(state == "queued"),
            at,
            due,
            at,
        ),
        *(
            at + 20 if begun else None,
            at + 900 if over else None,
            at + 900,
            1 if state == "running" else None,
            1,
            int(not begun),
        ),
        *(
            1,
            STEPS,
            "json",
            b'{"path":"/data/in.csv"}',
            b"10" if state == "succeeded" else None,
            _FAILURE if reason else None,
        ),
        *("load#9" if reason else None, "schedule" if n % 3 == 0 else "api:bench", *slot, STEPS),
    )


def _logs(ids: list[str], now: int, every: int) -> Iterator[tuple[Any, ...]]:
    """One run in ten has lines that are kept."""
    lines = [msgspec.json.encode({"at": now, "level": "info", "text": f"row {k} of 20 was read"}) for k in range(20)]
    body, size = pack_lines(lines), sum(map(len, lines))
    for n in range(7, RUNS, 10):
        at = now - (RUNS - n) * every
        yield ids[n], 1, "load#1", 1, at, at + 900, 20, size, size, body


def _print(n: int) -> str:
    return f"{n % 5:032x}"


def _fault(n: int, id: str, names: list[str], now: int, every: int) -> tuple[Any, ...]:
    return id, _of(n, names), _state(n), "permanent_error", "load#9", now - (RUNS - n) * every + 900, _print(n // 51)


def _groups(failed: list[int], ids: list[str], names: list[str], now: int, every: int) -> Iterator[tuple[Any, ...]]:
    found: dict[tuple[str, str], list[int]] = {}
    for n in failed:
        found.setdefault((_of(n, names), _print(n // 51)), []).append(n)
    for (name, fingerprint), of in found.items():
        first, last = (now - (RUNS - n) * every + 900 for n in (of[0], of[-1]))
        said = ("ConnectionError", "refused", "load", f"the other side said no ({fingerprint[-1]})")
        yield name, fingerprint, *said, first, last, len(of), ids[of[0]], ids[of[-1]]


def _incident(n: int, id: str, names: list[str], now: int) -> tuple[Any, ...]:
    at, state = now - n * 7 * MINUTE, ("open" if n < 120 else "acknowledged" if n < 150 else "resolved")
    said = ("page" if n % 7 == 0 else "notify", "the other side said no, 12 runs", b'{"runs":12}')
    over = at + MINUTE if state == "resolved" else None
    return id, names[n % AUTOMATIONS], "permanent_error", f"{n:032x}", state, *said, at, at, at, at, over, 1, 12


def _moves(incidents: list[str], now: int) -> Iterator[tuple[Any, ...]]:
    for n, id in enumerate(incidents):
        yield from ((id, move, now - n * 7 * MINUTE, by) for move, by in (("open", None), ("acknowledge", "web:ana")))


def _alert(n: int, id: str, now: int) -> tuple[Any, ...]:
    at = now - n * 7 * MINUTE
    return f"{id}.1.opened.ops", id, 1, "opened", "ops", "notify", "sent", at, at, 1, at


def _delivery(n: int, id: str, ids: list[str], names: list[str], now: int) -> tuple[Any, ...]:
    at = now - (RUNS // 5 - 1 - n) * MINUTE
    state = "refused" if n % 100 == 0 else "started"
    trigger = f"{names[n % 50 * 4]}/event"
    return id, trigger, f"k{n}", state, "order.paid", None, ids[n] if state == "started" else None, at, at, b"{}", b"{}"


def _bulk_id(n: int) -> str:
    return f"{n:032x}"


def _bulk_operation(n: int, acted: list[str], names: list[str], now: int) -> tuple[Any, ...]:
    """Return one of them: the newest is paused when half of its runs are done, those before it have ended."""
    at, total = now - n * HOUR, len(acted)
    half, is_over = total // 2, n > 0
    reached = total if is_over else half
    refused = -(-reached // _REFUSED_OF)
    said = (b'{"state":["failed"]}', msgspec.json.encode(names).decode(), 100, 0, "web:ana", total)
    figures = (reached - refused, refused, acted[reached - 1], at, at + MINUTE, at + MINUTE if is_over else None, at)
    return _bulk_id(n), "retry", "done" if is_over else "paused", *said, *figures


def _bulk_parts(acted: list[str]) -> Iterator[tuple[Any, ...]]:
    for n, id in enumerate(acted):
        is_refused = n < len(acted) // 2 and n % _REFUSED_OF == 0
        yield _bulk_id(0), id, "it goes on already" if is_refused else None


def _figures(names: list[str], now: int) -> Iterator[tuple[Any, ...]]:
    """Hours of a month, and the minutes of the last two hours by three sessions each."""
    hour = now - now % HOUR
    for name in names:
        for k in range(1, _DAYS * 24):
            yield 0, name, hour - k * HOUR, 7, 6, k % 2, 70, 6_300, 900
        for at in range(now - now % MINUTE - 2 * HOUR, now, MINUTE):
            if at >= hour:
                yield from ((session, name, at, 1, 1, 0, 9, 900, 900) for session in (1, 2, 3))


def _details(names: list[str], now: int) -> Iterator[tuple[Any, ...]]:
    hour = now - now % HOUR
    for name in names:
        for k in range(1, _DAYS * 24):
            yield from ((0, name, hour - k * HOUR, metric, 3) for metric in ("ms<=2^9", "ms<=2^10"))
            if k % 2:
                yield 0, name, hour - k * HOUR, "reason:permanent_error", 1
        for at in range(hour, now - now % MINUTE, MINUTE):
            yield from ((session, name, at, "ms<=2^10", 1) for session in (1, 2, 3))


def _acts(rows: Rows, ids: list[str], now: int) -> Iterator[tuple[Any, ...]]:
    first, before = (rows[-1][0] + 1, rows[-1][-1]) if rows else (1, FIRST_HASH)
    for n in range(first, first + max(100, RUNS // 50)):
        row: Any = (n, now - 1, f"c{n}", "web:ana", "retry", f"run:{ids[-n]}", "again", None, _DONE)
        own = row_hash(before, row)
        yield *row, before, own
        before = own
