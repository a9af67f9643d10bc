"""The journal in bulk: outcomes, attempts, checkpoints, log lines and messages of the outbox.

Each row checks its claim as the handler's statement does.
"""

from collections.abc import Sequence

from mainspring.domain.states import AttemptState, OutcomeState
from mainspring.store.commands.journal import SaveAttempt, SaveCheckpoint, SaveOutcome
from mainspring.store.commands.logs import SaveLogs
from mainspring.store.commands.results import DONE, CommandDone
from mainspring.store.commands.runs import CompleteRun
from mainspring.store.postgres.arrays import columns, numbers, texts
from mainspring.store.postgres.bulk.batch_rule import BatchRule, run_of
from mainspring.store.postgres.transaction import PostgresTransaction
from mainspring.store.run_end_counts import count_retried_success
from mainspring.store.write.outbox import row_of
from mainspring.store.write.runs.journal import STEPS, UPDATE_KINDS, encode_failure


def _save_outcomes(tx: PostgresTransaction, commands: list[SaveOutcome]) -> list[CommandDone | None]:
    """Append outcomes, consume their facts and close their open rows."""
    rows = [
        (c.run, c.rank, c.ident, c.name, c.kind, c.state, c.request_number, c.attempt, c.generation, c.claim, c.input, c.output,
         encode_failure(c.failure), c.undo, c.started_at, c.at, c.duration_us, c.requested_after)
        for c in commands
    ]  # fmt: skip
    saved = set(tx.all("save_outcomes", (*columns("tntttt" + "nnnn" + "bbbt" + "nnnn", rows), tx.session)))
    own_commands = [c for c in commands if (c.run, c.rank) in saved]
    consuming = [c for c in own_commands if c.inbox is not None]
    if consuming:
        tx.later("consume_facts", (numbers([c.inbox for c in consuming]), texts([c.run for c in consuming])))
    save_records(tx, own_commands)
    marked = [c for c in own_commands if c.marked]
    if marked:
        _close_requests(tx, marked)
    counts: dict[str, list[int]] = {}
    for c in own_commands:
        if c.kind in STEPS:
            sums = counts.setdefault(c.automation, [0, 0])
            sums[0] += 1
            sums[1] += c.state is OutcomeState.FAILED
            if c.state is OutcomeState.SUCCEEDED:
                count_retried_success(tx, c.automation, c.attempt - c.spent)
    for automation, (steps, errors) in counts.items():
        tx.count(automation, steps=steps, **({"step_errors": errors} if errors else {}))
    return [DONE if (c.run, c.rank) in saved else None for c in commands]


def _close_requests(tx: PostgresTransaction, commands: list[SaveOutcome]) -> None:
    """Close the open rows of requests that have their outcomes."""
    requests = columns("tt", [(c.run, c.ident) for c in commands])
    tx.later("delete_started_attempts_of", requests)
    tx.later("close_waits_of", requests)
    succeeded = [(c.run, c.ident) for c in commands if c.state is OutcomeState.SUCCEEDED]
    if succeeded:
        tx.later("delete_checkpoints_of", columns("tt", succeeded))


def _attempt_of(c: SaveAttempt) -> tuple[str, str, int, int]:
    return c.run, c.ident, c.generation, c.attempt


def _save_attempts(tx: PostgresTransaction, commands: list[SaveAttempt]) -> list[CommandDone | None]:
    """Write or replace attempts."""
    rows = [
        (c.run, c.ident, c.generation, c.attempt, c.name, c.state, c.request_number, c.claim, encode_failure(c.failure), c.undo, c.input,
         c.started_at, c.ended_at, c.next_at)
        for c in commands
    ]  # fmt: skip
    saved = set(tx.all("save_attempts", (*columns("ttnnttnnbtbnnn", rows), tx.session)))
    for c in commands:
        if c.state is AttemptState.FAILED and _attempt_of(c) in saved:
            tx.count(c.automation, step_errors=1)
    return [DONE if _attempt_of(c) in saved else None for c in commands]


def _save_checkpoints(tx: PostgresTransaction, commands: list[SaveCheckpoint]) -> list[CommandDone | None]:
    """Save the checkpoints and progress of steps."""
    rows = [(c.run, c.ident, c.claim, c.value, c.done, c.total) for c in commands]
    saved = set(tx.all("save_checkpoints", (*columns("ttnbnn", rows), tx.now, tx.session)))
    return [DONE if (c.run, c.ident) in saved else None for c in commands]


def _find_plain(_tx: PostgresTransaction, commands: Sequence[SaveOutcome]) -> list[bool]:
    """Tell for each outcome whether it changes nothing else: it publishes no event, and is no update and no reply."""
    return [not command.events and command.kind not in UPDATE_KINDS for command in commands]


OUTCOMES: BatchRule[SaveOutcome] = BatchRule(
    SaveOutcome.batched_by(_save_outcomes), key=lambda c: (c.run, c.rank), run=run_of, plain=_find_plain
)
ATTEMPTS = BatchRule(SaveAttempt.batched_by(_save_attempts), key=_attempt_of, run=run_of)
CHECKPOINTS: BatchRule[SaveCheckpoint] = BatchRule(
    SaveCheckpoint.batched_by(_save_checkpoints), key=lambda c: (c.run, c.ident), run=run_of
)


def _save_lines(tx: PostgresTransaction, commands: list[SaveLogs]) -> list[CommandDone | None]:
    """Append chunks that fit into the limits. The handler answers for a run that has to drop lines, or may have these already."""
    if tx.again:
        return [None] * len(commands)
    rows = [row for command in commands for row in _rows(command)]
    saved = set(tx.values("insert_logs", columns("ttnnnnnbnnnn", rows), str)) if rows else set()
    return [DONE if c.run in saved else None for c in commands]


def _rows(c: SaveLogs) -> list[tuple[object, ...]]:
    """Return a command's chunks, each with the lines and bytes of the command before it, and the limits for lines of
    other commands.
    """
    lines = sum(part.skipped + part.lines for part in c.parts)
    size = sum(part.size for part in c.parts)
    limits = (c.most_lines - lines, c.most_bytes - size)
    rows: list[tuple[object, ...]] = []
    before = upto = 0
    for p in c.parts:
        before += p.skipped
        upto += p.size
        rows.append((c.run, p.ident, p.attempt, p.first_at, p.last_at, p.lines, p.size, p.body, before, upto, *limits))
        before += p.lines
    return rows


LINES = BatchRule(SaveLogs.batched_by(_save_lines), key=run_of, run=run_of)


def save_records(tx: PostgresTransaction, saved: Sequence[SaveOutcome | CompleteRun]) -> None:
    """Insert the messages of these outcomes, in their order, and save their numbers."""
    rows = [row_of(tx, c.run, c.ident, message) for c in saved for message in c.posts]
    if rows:
        tx.later("insert_messages", columns("ttttbnbttn", rows))
        tx.triggers = True
    for c in saved:
        if c.numbers is not None:
            rank = c.rank if isinstance(c, SaveOutcome) else 1
            tx.later("save_measurements", (c.run, rank, c.numbers))
