"""Change tokens of stored rows: for each noun a value that differs after a change, computed from few rows.

Invariant: the cost of a token depends on recent changes and on the number of automations, never on history.
"""

from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from mainspring.store.base import StoreReader
from mainspring.store.liveness import has_process_ended
from mainspring.store.read import bulk_operations, outbox
from mainspring.store.read.runs import logs
from mainspring.store.read.status import status
from mainspring.store.transaction import Row

ChangeTokens = Mapping[str, str]
NEWEST = 200
_SESSIONS = 1_000
MINUTES_MS = 120_000


def read_change_tokens(reader: StoreReader, now: int) -> ChangeTokens:
    """Return the token of each noun at the instant `now` (ms UTC)."""
    newest_operation = [entry.seq for entry in status.audit_rows(reader, limit=1)]
    queues = status.queue_views(reader)
    with reader.snapshot() as read:
        stats = read("read_stats_token", (now - MINUTES_MS - now % 60_000,))
        rows: dict[str, object] = {
            # An operation may have changed any run; other changes of a run are in the statistics, or among the newest
            # runs.
            "runs": [
                read("list_run_tokens", (NEWEST,)),
                [(queue.name, queue.running, queue.backlog) for queue in queues],
                *map(plain_sums, stats),
                newest_operation,
            ],
            "questions": read("list_question_tokens", (NEWEST,)),
            "incidents": read("list_incident_tokens", (NEWEST,)),
            "automations": [*map(plain_sums, (*read("read_automations_token"), *read("read_schedules_token")))],
            "deliveries": read("list_delivery_tokens", (NEWEST,)),
            "queues": queues,
            # That a process died is on record only once it was declared dead.
            "workers": [
                ((session, state, host, pid, pid_started, *more), has_process_ended(host, pid, pid_started))
                for session, state, host, pid, pid_started, *more in read("list_session_tokens", (_SESSIONS,))
            ],
            "effects": read("list_effect_tokens", (NEWEST,)),
            "audit-log": newest_operation,
        }
    rows["logs"] = logs.newest_part(reader)
    rows["bulk"] = [
        (bulk.id, bulk.state, bulk.done, bulk.refused)
        for bulk in bulk_operations.list_bulk_operations(reader, limit=NEWEST)
    ]
    rows["locks"] = status.locks(reader)
    rows["outbox"] = [outbox.list_outbox_queues(reader), outbox.list_refused_messages(reader)]
    return hash_rows(rows)


def hash_rows(rows: Mapping[str, object]) -> ChangeTokens:
    """Return the tokens of the rows of each noun."""
    return {noun: blake2b(msgspec.json.encode(found), digest_size=16).hexdigest() for noun, found in rows.items()}


def plain_sums(row: Row) -> list[int]:
    """Return sums as whole numbers: a server returns decimals."""
    return [int(value or 0) for value in row]
