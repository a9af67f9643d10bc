"""Queues: limits, backlog, pause. A queue's row is made when first used."""

import msgspec

from mainspring.domain.time.rate_window import RateWindow
from mainspring.store.commands.automations import PauseQueue, SetQueue
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.commands.runs import StartRun
from mainspring.store.transaction import Transaction

_BUSY_MS = 5_000
_ROOM = "queue has room"


class Limits(msgspec.Struct, frozen=True):
    """What one Claim may take from a queue. `rate_starts` = what of its rate is used up, as RateWindow writes it."""

    queue: str
    concurrency: int | None
    rate_count: int | None
    rate_per_ms: int | None
    rate_starts: str

    @property
    def rate(self) -> RateWindow | None:
        """The rate with what is used up of it; None if there is none."""
        if self.rate_count is None or self.rate_per_ms is None:
            return None
        return RateWindow.of(self.rate_count, self.rate_per_ms, self.rate_starts)

    def free_slots(self, tx: Transaction, most: int) -> int:
        """Return how many more runs may run now, at most `most`."""
        if self.concurrency is None:
            return most
        row = tx.one("count_running", (self.queue,))
        return max(0, min(most, self.concurrency - (row[0] if row else 0)))

    def free_starts(self, now: int, most: int) -> int:
        """Return how many starts the rate allows at `now` (ms), at most `most`; resumes are not counted."""
        rate = self.rate
        return most if rate is None else min(most, rate.free(now))

    def spend(self, tx: Transaction, starts: int) -> None:
        """Count so many starts."""
        rate = self.rate
        if starts and rate is not None:
            tx.change("record_rate_starts", (rate.spend(starts, tx.now).write(), self.queue))

    def next_start_at(self, now: int, starts: int) -> int | None:
        """Return the instant (ms) from which one more start is allowed after so many at `now`, if a rate limits it."""
        rate = self.rate
        return None if rate is None else rate.spend(starts, now).next_at(now)


def open_queues(tx: Transaction, wanted: tuple[str, ...] | None) -> dict[str, Limits]:
    """Return the limits of the queues that may be claimed from, by name."""
    rows = (Limits(*row) for row in tx.all("list_queue_limits"))
    return {row.queue: row for row in rows if wanted is None or row.queue in wanted}


def refuse_if_full(tx: Transaction, command: StartRun) -> Refused | None:
    """Make the queue's row, and refuse if its backlog is full. What a run asks for, and what runs here at once, is never refused."""
    key = (_ROOM, command.queue)
    if key in tx.cache:
        return None
    row = tx.one("read_queue", (command.queue,))
    if row is None:
        make(tx, command.queue)
        return None
    if row[4] is not None:
        tx.hold("queue", command.queue)  # where starts can be refused, they are counted one group at a time
        row = tx.one("read_queue", (command.queue,)) or row
    most, rate_count, rate_per_ms = row[4], row[1], row[2]
    backlog = row[5] + tx.backlog_change(command.queue)
    if most is None:
        tx.cache[key] = True
    elif backlog >= most and command.parent is None and not command.here:
        after = rate_per_ms // rate_count if rate_count and rate_per_ms else _BUSY_MS
        return Refused(
            "busy",
            f"{backlog} {'run waits' if backlog == 1 else 'runs wait'} in queue {command.queue!r}, its limit is {most}",
            retry_after_ms=max(after, 1),
        )
    return None


def has_backlog_room(tx: Transaction, queue: str) -> bool:
    """Tell whether nobody can be refused for the queue's backlog."""
    if (_ROOM, queue) in tx.cache:
        return True
    row = tx.one("read_queue", (queue,))
    if row is not None and row[4] is None:
        tx.cache[_ROOM, queue] = True
    return row is None or row[4] is None


def make(tx: Transaction, queue: str) -> None:
    """Make the row of a queue that takes all, unless it is known to be there."""
    if (_ROOM, queue) not in tx.cache:
        tx.change("insert_queue", (queue,))
        tx.cache[_ROOM, queue] = True


def set_queue(tx: Transaction, command: SetQueue) -> CommandDone:
    """Make a queue or change its limits."""
    tx.hold("queue")
    tx.change(
        "set_queue", (command.name, command.concurrency, command.rate_count, command.rate_per_ms, command.max_backlog)
    )
    tx.cache.pop((_ROOM, command.name), None)
    tx.ready = True
    return DONE


def pause_queue(tx: Transaction, command: PauseQueue) -> CommandDone | Refused:
    """Pause a queue or let it go on."""
    tx.hold("queue")
    if command.paused:
        changed = tx.change("pause_queue", (tx.now, command.by, command.reason, command.name))
    else:
        changed = tx.change("resume_queue", (command.name,))
        tx.ready = True
    return DONE if changed else Refused("not_found", f"there is no queue {command.name!r}")
