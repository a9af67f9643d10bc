"""Queue capacity: free slots of a limited queue whose ready runs need different workers.

The end of a run makes room. Its own process asks for that room by itself; other processes are told only if a run is ready that this one
does not take. A claim leaves room to the older runs that another worker can take now, so that a steady load for one worker does not
keep those of another waiting.
"""

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from mainspring.domain.states import SessionState
from mainspring.store.transaction import Transaction

ONE_RUN_ROLE = "run"
"""Role of a process that takes one run with what that asks for, and no other."""
PROBATION_ROLE = "probation"
_NONE_WAITS = "no other worker waits for room"

QueuePlace = tuple[int, int]
"""Where a run stands in its queue: its `place`, then the order of its commit."""


class ReadyRunGroup(msgspec.Struct, frozen=True):
    """Ready runs that need the same worker."""

    queue: str
    automation: str
    version: int
    tag: str


def announce_capacity(tx: Transaction, queues: Iterable[str]) -> None:
    """Let other processes know that these limited queues have room, if a run is ready in one that this session does not take."""
    for queue in queues:
        if tx.ready:
            return
        if (_NONE_WAITS, queue) not in tx.cache:
            tx.ready = _others_wait(tx, queue)
            tx.cache[_NONE_WAITS, queue] = True


def _others_wait(tx: Transaction, queue: str) -> bool:
    asked: list[tuple[str, Any]] = [("list_ready_groups", {"suspect": n, "session": tx.session}) for n in (0, 1)]
    tx.ahead((("read_claimer", (tx.session,)), *asked))
    row = tx.one("read_claimer", (tx.session,))
    takes = row is not None and row[1] == SessionState.ALIVE and row[4] != ONE_RUN_ROLE and _serves(row[3], queue)
    tags = {"", *json.loads(row[2])} if row is not None else set()
    suspects = row is not None and row[4] == PROBATION_ROLE
    for suspect, question in enumerate(asked):
        for of, _, version, tag, mine, paused_until in tx.all(*question):
            is_paused = paused_until is not None and paused_until > tx.now
            is_own = takes and suspect == suspects and mine == version and tag in tags
            if of == queue and not is_paused and not is_own:
                return True
    return False


def _serves(queues: str | None, queue: str) -> bool:
    return queues is None or queue in json.loads(queues)


def list_claimable_elsewhere(tx: Transaction, groups: list[ReadyRunGroup]) -> list[ReadyRunGroup]:
    """Return those of the groups that another worker can take from now."""
    names = sorted({group.automation for group in groups})
    takers: dict[tuple[str, int], list[tuple[set[str], str | None]]] = {}
    for automation, version, tags, queues in tx.all(
        "list_free_workers", {"automations": json.dumps(names), "session": tx.session}
    ):
        takers.setdefault((automation, version), []).append(({"", *json.loads(tags)}, queues))
    return [
        group
        for group in groups
        if any(
            group.tag in tags and _serves(queues, group.queue)
            for tags, queues in takers.get((group.automation, group.version), ())
        )
    ]


def list_run_places(tx: Transaction, groups: list[ReadyRunGroup], limit: int, *, fresh: int) -> list[QueuePlace]:
    """Return the places of the first ready runs of these groups: resumes, or starts if `fresh`."""
    rows: list[QueuePlace] = []
    for group in groups:
        rows += tx.all("list_run_places", (group.queue, group.automation, group.version, group.tag, fresh, limit))
    return sorted(rows)[:limit]


def divide_slots(own: list[QueuePlace], others: list[QueuePlace], slots: int) -> tuple[list[QueuePlace], int]:
    """Divide slots by place: return the runs that get one of ours, and how many are left to those of others."""
    first = sorted([*((place, True) for place in own), *((place, False) for place in others)])[:slots]
    kept = [place for place, is_own in first if is_own]
    return kept, len(first) - len(kept)
