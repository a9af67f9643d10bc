"""Queues: limits, backlog, pause. The row of a queue is inserted at its first use."""

from typing import Final

import msgspec

from mainspring.domain.time.rate_window import RateWindow
from mainspring.store.commands.automations import PauseQueue, SetQueue
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.commands.runs import StartRun
from mainspring.store.schema.runs.queues import QUEUE_BACKLOG, QueueBacklog
from mainspring.store.transaction import Params, Transaction

LIST_LIMITS: Final[tuple[str, Params]] = "list_queue_limits", ()
_BUSY_MS = 5_000
_HAS_CAPACITY = "queue cannot refuse starts"


class QueueLimits(msgspec.Struct, frozen=True):
    """The limits of a queue for one claim. `rate_starts` = the used part of its rate, as RateWindow writes it."""

    queue: str
    concurrency: int | None
    rate_count: int | None
    rate_per_ms: int | None
    rate_starts: str

    @property
    def rate(self) -> RateWindow | None:
        """The rate with its used part; None without a rate."""
        if self.rate_count is None or self.rate_per_ms is None:
            return None
        return RateWindow.of(self.rate_count, self.rate_per_ms, self.rate_starts)

    def free_slots(self, tx: Transaction, most: int) -> int:
        """Return how many more runs may run now, up to `most`."""
        if self.concurrency is None:
            return most
        return max(0, min(most, self.concurrency - (tx.value("count_running", (self.queue,), int) or 0)))

    def free_starts(self, now: int, most: int) -> int:
        """Return how many starts the rate allows at `now` (ms), up to `most`; resumes are not counted."""
        rate = self.rate
        return most if rate is None else min(most, rate.free(now))

    def spend(self, tx: Transaction, starts: int) -> None:
        """Count starts against the rate."""
        rate = self.rate
        if starts and rate is not None:
            tx.change("record_rate_starts", (rate.spend(starts, tx.now).write(), self.queue))

    def next_start_at(self, now: int, starts: int) -> int | None:
        """Return the instant (ms) from which the rate allows one more start after `starts` at `now`; None without a
        rate.
        """
        rate = self.rate
        return None if rate is None else rate.spend(starts, now).next_at(now)


def read_queue_limits(tx: Transaction, names: tuple[str, ...] | None) -> dict[str, QueueLimits]:
    """Return the limits of the queues that may be claimed from, by name."""
    rows = (QueueLimits(*row) for row in tx.all(*LIST_LIMITS))
    return {row.queue: row for row in rows if names is None or row.queue in names}


def _read_backlog(tx: Transaction, queue: str) -> QueueBacklog | None:
    return QUEUE_BACKLOG.read_first(tx.all("read_queue", (queue,)))


def refuse_if_full(tx: Transaction, command: StartRun) -> Refused | None:
    """Insert the queue's row if missing, and refuse if its backlog is full. Children, and runs executed by the sender,
    are never refused.
    """
    key = (_HAS_CAPACITY, command.queue)
    if key in tx.cache:
        return None
    queue = _read_backlog(tx, command.queue)
    if queue is None:
        insert_queue(tx, command.queue)
        return None
    if queue.max_backlog is not None:
        tx.hold("queue", command.queue)  # queues that can refuse starts are counted one group at a time
        queue = _read_backlog(tx, command.queue) or queue
    most = queue.max_backlog
    backlog = queue.backlog + tx.backlog_change(command.queue)
    if most is None:
        tx.cache[key] = True
    elif backlog >= most and command.parent is None and not command.here:
        count, per_ms = queue.rate_count, queue.rate_per_ms
        retry_after_ms = per_ms // count if count and per_ms else _BUSY_MS
        return Refused(
            "busy",
            f"{backlog} {'run waits' if backlog == 1 else 'runs wait'} in queue {command.queue!r}, its limit is {most}",
            retry_after_ms=max(retry_after_ms, 1),
        )
    return None


def has_backlog_capacity(tx: Transaction, queue: str) -> bool:
    """Tell whether no start can be refused for the queue's backlog."""
    if (_HAS_CAPACITY, queue) in tx.cache:
        return True
    known = _read_backlog(tx, queue)
    if known is None:
        return True
    if known.max_backlog is None:
        tx.cache[_HAS_CAPACITY, queue] = True
    return known.max_backlog is None


def insert_queue(tx: Transaction, queue: str) -> None:
    """Insert the row of a queue without limits, unless it is known to exist."""
    if (_HAS_CAPACITY, queue) not in tx.cache:
        tx.change("insert_queue", (queue,))
        tx.cache[_HAS_CAPACITY, queue] = True


def set_queue(tx: Transaction, command: SetQueue) -> CommandDone:
    """Create a queue or change its limits."""
    tx.hold("queue")
    tx.change(
        "set_queue", (command.name, command.concurrency, command.rate_count, command.rate_per_ms, command.max_backlog)
    )
    tx.cache.pop((_HAS_CAPACITY, command.name), None)
    tx.ready = tx.triggers = True
    return DONE


def pause_queue(tx: Transaction, command: PauseQueue) -> CommandDone | Refused:
    """Pause or resume a queue."""
    tx.hold("queue")
    if command.paused:
        changed = tx.change("pause_queue", (tx.now, command.by, command.reason, command.name))
    else:
        changed = tx.change("resume_queue", (command.name,))
        tx.ready = tx.triggers = True
    return DONE if changed else Refused("not_found", f"there is no queue {command.name!r}")
