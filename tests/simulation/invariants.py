"""What must hold when a simulation has ended: acked starts, whole journals, ends as the oracle says, and each journal replayed."""

from typing import Any

import msgspec
from msgspec.structs import replace

from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import permanent
from mainspring.domain.runs.stream import StreamRecord, StreamRecordKind, drop_superseded
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.engine.body.programs import build_program, find_effects_to_undo
from mainspring.engine.driver.code_check import build_body
from mainspring.engine.driver.run_end import build_run_end
from mainspring.service.runs.streams import read_stream
from mainspring.store.commands.runs import ClaimedRun
from mainspring.store.maintenance.integrity import RULES
from mainspring.store.read.runs.history import histories
from tests.simulation.trees import Failing

CHAINED = 4
"""How many events, signals and updates come for a chain of runs, each."""
_FIELDS = (
    "id, automation, kind, version, claim, fresh, rank, generation, started_at, created_at, deadline_at, codec, input, queue, priority,"
    " tag, run_key, parent, parent_ident, schedule, slot_at, crashes, title, undoing, hash_seed, clock_steps, fork, versions, headers"
)


def check(world: Any) -> list[str]:
    """Return what is wrong."""
    errors: list[str] = []
    for query, rule in RULES.items():
        errors += [f"{rule}: {row}" for row in world.reader.read(query)]
    rows = {
        row[0]: row
        for row in world.rows(
            "select id, state, reason, result, failure, started_at, parent from runs where automation != 'chain'"
        )
    }
    for started_run in world.runs.values():
        if started_run.acked and started_run.id not in rows:
            errors.append(f"the acknowledged run {started_run.id} is lost")
    started = {run for (run,) in world.rows("select run from started_runs")}
    world.hits["run that a run started"] += len(started)
    roots = [row for row in rows.values() if row[6] is None and row[0] not in started]
    if len(roots) > len(world.runs):
        errors.append(f"{len(roots)} runs came of {len(world.runs)} starts")
    for row in rows.values():
        if row[0] in world.runs:
            errors += _ended_as_expected(world, world.runs[row[0]], row)
        # A person's cancel ends a halted run as it stands, or takes it back; such a journal has no end of its own.
        if row[0] in world.truth.ended and row[1] in ("succeeded", "failed", "cancelled"):
            errors += _replays(world, row)
    errors += _partitions_in_order(world)
    errors += _undone(world, rows)
    errors += _chained(world)
    errors += _streamed(world, rows)
    errors += _carried(world)
    errors += world.blobs.check() + world.forks.check()
    return errors


def _ended_as_expected(world: Any, started_run: Any, row: tuple[Any, ...]) -> list[str]:
    _, state, reason, result, failure, _, _ = row
    world.hits[f"run {state}"] += 1
    if started_run.cancelled and state == "cancelled":
        return []
    if started_run.automation in world.hurried and reason == "deadline":
        world.hits["deadline"] += 1
        return []
    try:
        expected = world.expect_result(started_run)
    except Failing:
        return [] if state == "failed" else [f"{started_run.id} should have failed but {state}: {result!r}"]
    if state == "succeeded" and msgspec.json.decode(world.blobs.sealing().open(bytes(result))) == expected:
        return []
    return [
        f"{started_run.id} ({started_run.automation}) {state} {reason} with {result!r}, not {expected!r}; {failure!r}; {started_run.tree}"
    ]


def _replays(world: Any, row: tuple[Any, ...]) -> list[str]:
    """Replay a finished journal with the same code: the same end, and nothing is left to do."""
    run_id, state, reason, result = row[:4]
    sealing = world.blobs.sealing()
    run = ClaimedRun(*world.rows(f"select {_FIELDS} from runs where id = ?", run_id)[0])
    run = replace(run, fresh=False, input=sealing.open(bytes(run.input)), headers=sealing.open_if(run.headers))
    if run.undoing:
        return _left(world, run)
    program = build_program(run, world.choose_registry("replay"), run.input)
    (history,) = histories(world.reader, [run_id], 1)
    body = build_body(run, program, RowUnsealer(sealing).history(history, reads_inputs=False))
    body.begin()
    try:
        if body.drift is not None:
            return [f"replay of {run_id} drifts: {body.drift}"]
        if not body.done:
            return [f"replay of {run_id} ({state}) does not end: {body.waiting}"]
        end = build_run_end(body, program, lambda error: Failure.of(error, permanent("replayed")))
    finally:
        body.close()
    same = end.state.value == state and end.result == sealing.open_if(None if result is None else bytes(result))
    return (
        []
        if same
        else [f"replay of {run_id} ends {end.state} {end.reason} {end.result!r}, it was {state} {reason} {result!r}"]
    )


def _left(world: Any, run: ClaimedRun) -> list[str]:
    """A run that was undone has nothing left in the world, as far as its journal knows."""
    world.hits["taken back where it stopped"] += 1
    (history,) = histories(world.reader, [run.id], 1)
    history = RowUnsealer(world.blobs.sealing()).history(history)
    left = find_effects_to_undo(history, (), run)
    return [f"{run.id} was taken back, and left {item.outcome.ident}" for item in left]


def _partitions_in_order(world: Any) -> list[str]:
    """Runs of one partition begin in the order of their commits, but for paused ones."""
    errors = []
    last: dict[str, tuple[int, int]] = {}
    text = "select partition, seq, id from runs where partition is not null and started_at is not null order by seq"
    for partition, seq, run in world.rows(text):
        order = world.truth.started.get(seq)
        if order is None or run in world.paused:
            continue
        before = last.get(partition)
        if before is not None and order < before[1]:
            errors.append(f"partition {partition}: run {seq} began before run {before[0]}")
        last[partition] = (seq, order)
    return errors


def _chained(world: Any) -> list[str]:
    """What came for a chain of runs counts once in it, whatever its runs restarted meanwhile, and they are one after the other."""
    if world.chain is None:
        return []
    runs = world.rows("select id, state, result from runs where automation = 'chain' order by seq")
    world.hits["restarted"] += len(runs) - 1
    if [state for _, state, _ in runs] != ["succeeded"] * len(runs):
        return [f"the chain stopped: {runs}"]
    got = msgspec.json.decode(world.blobs.sealing().open(bytes(runs[-1][2])))
    expected = sorted([kind, number] for kind in ("event", "signal", "update") for number in range(CHAINED))
    replies = world.rows("select request_id, state, result from run_updates order by request_id")
    if replies != [(f"put {n}", "done", str(n).encode()) for n in range(CHAINED)]:
        return [f"the updates of the chain have the replies {replies}"]
    return [] if sorted(got) == expected else [f"the chain counted {got}"]


def _streamed(world: Any, rows: dict[str, tuple[Any, ...]]) -> list[str]:
    """What a chain has counted is in its stream once and in order; what a step has saved ends with the last number."""
    errors = []
    if world.chain is not None:
        runs = world.rows("select id, result from runs where automation = 'chain' order by seq")
        records = [record for run, _ in runs for record in _records(world, run, "got")]
        got = msgspec.json.decode(world.blobs.sealing().open(bytes(runs[-1][1]))) if runs[-1][1] else []
        if [record.value for record in records] != got:
            errors.append(f"the chain counted {got}, and streamed {[record.value for record in records]}")
        if [record.seq for record in records] != [*range(1, len(records) + 1)]:
            errors.append(f"the records of the chain have the numbers {[record.seq for record in records]}")
    for run in rows.values():
        records = _records(world, run[0], "saved")
        world.hits["marked record"] += any(record.kind is StreamRecordKind.RETRIED for record in records)
        text = "select ident from journal where run = ? and state = 'succeeded' and superseded is null"
        succeeded = {ident for (ident,) in world.rows(text, run[0])} if records else set()
        numbers: dict[str, list[int]] = {}
        for record in drop_superseded(records):
            numbers.setdefault(record.writer, []).append(record.value)
        errors += [
            f"{writer} of {run[0]} streamed {values}"
            for writer, values in numbers.items()
            if values != list(range(values[0], values[-1] + 1)) or (writer in succeeded and values[-1] != 3)
        ]
    return errors


def _carried(world: Any) -> list[str]:
    """Each run has the headers of the one that it comes from, and so had its steps."""
    sealing = world.blobs.sealing()
    starters = dict(world.rows("select run, starter from started_runs"))
    headers, origins = {}, {}
    for run, data, parent in world.rows("select id, headers, parent from runs"):
        headers[run] = None if data is None else sealing.open(bytes(data))
        origins[run] = parent or starters.get(run) or world.forks.sources.get(run)
    errors = [
        f"{run} has the headers {headers[run]!r}, and {origin}, from which it comes, has {headers[origin]!r}"
        for run, origin in origins.items()
        if origin is not None and headers[run] != headers[origin]
    ]
    for run, tenants in world.tenants.items():
        if [*tenants] != [msgspec.json.decode(headers[run] or b"{}").get("tenant")]:
            errors.append(f"the steps of {run} had the tenants {tenants}, its headers are {headers[run]!r}")
    return errors


def _records(world: Any, run: str, name: str) -> list[StreamRecord[Any]]:
    return read_stream(world.reader, RowUnsealer(world.blobs.sealing()), run, name, limit=10_000).records


def _root_of(rows: dict[str, tuple[Any, ...]], run: str) -> str:
    """Return the run above all parents of a run."""
    while run in rows and rows[run][6] is not None:
        run = rows[run][6]
    return run


def _undone(world: Any, rows: dict[str, tuple[Any, ...]]) -> list[str]:
    """What a run that failed or was cancelled had done was undone."""
    errors = []
    for name in world.effects.to_undo - world.effects.undone:
        run = name.partition(":")[0]
        if (
            run in world.runs
            and world.runs[run].automation == "undone"
            and rows[run][1] in ("failed", "cancelled")
            and run in world.truth.ended
        ):
            errors.append(f"{name} was not taken back, {run} {rows[run][1]}")
        root = _root_of(rows, run)
        if (
            root != run
            and root in world.runs
            and world.runs[root].automation == "undone"
            and rows[root][1] in ("failed", "cancelled")
            and root in world.truth.ended
            and rows[run][1] in ("succeeded", "failed")
        ):
            errors.append(f"{name} of the child {run} was not undone with {root}")
    world.hits["undone"] += bool(world.effects.undone)
    return errors
