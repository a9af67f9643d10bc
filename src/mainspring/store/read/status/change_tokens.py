"""Change tokens of what is stored: for each noun a value that differs after a change, made of few rows, whatever their number.

Invariant: what a mark costs hangs on what changed lately and on how many automations there are, never on history.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from mainspring.store.base import StoreReader
from mainspring.store.liveness import is_gone
from mainspring.store.read import bulk_operations, outbox
from mainspring.store.read.runs import logs
from mainspring.store.read.status import status

ChangeTokens = Mapping[str, str]
NEWEST = 200
_SESSIONS = 1_000
MINUTES_MS = 120_000


def read_change_tokens(reader: StoreReader, now: int) -> ChangeTokens:
    """Return the mark of each noun at the instant `now` (ms UTC)."""
    acts = [one.seq for one in status.audit_rows(reader, limit=1)]
    queues = status.queue_views(reader)
    with reader.snapshot() as read:
        figures = read("read_stats_token", (now - MINUTES_MS - now % 60_000,))
        found: dict[str, Any] = {
            # An act may have changed any run; what moved a run without one is in the figures, or among the newest.
            "runs": [
                read("list_run_tokens", (NEWEST,)),
                [(one.name, one.running, one.backlog) for one in queues],
                *map(plain_sums, figures),
                acts,
            ],
            "questions": read("list_question_tokens", (NEWEST,)),
            "incidents": read("list_incident_tokens", (NEWEST,)),
            "automations": [*map(plain_sums, (*read("read_automations_token"), *read("read_schedules_token")))],
            "deliveries": read("list_delivery_tokens", (NEWEST,)),
            "queues": queues,
            # That a process is gone is on record only once it was buried.
            "workers": [(row, is_gone(row[2], row[3], row[4])) for row in read("list_session_tokens", (_SESSIONS,))],
            "audit-log": acts,
        }
    found["logs"] = logs.newest_part(reader)
    found["bulk"] = [
        (one.id, one.state, one.done, one.refused) for one in bulk_operations.bulk_acts(reader, limit=NEWEST)
    ]
    found["locks"] = status.locks(reader)
    found["outbox"] = [outbox.list_outbox_queues(reader), outbox.list_refused_messages(reader)]
    return hash_rows(found)


def hash_rows(rows: Mapping[str, Any]) -> ChangeTokens:
    """Return the marks of what was read of each noun."""
    return {noun: blake2b(msgspec.json.encode(found), digest_size=16).hexdigest() for noun, found in rows.items()}


def plain_sums(row: tuple[Any, ...]) -> list[int]:
    """Return sums as whole numbers: a server adds them up to decimals."""
    return [int(one or 0) for one in row]
