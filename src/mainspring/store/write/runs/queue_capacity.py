"""Queue capacity: free slots of a limited queue whose ready runs need different workers.

The end of a run frees a slot. Its own process claims for that slot by itself; other processes are notified only if a
run is ready that this one does not claim. A claim leaves slots to older runs that another worker can claim now, so that
a steady load for one worker does not keep those of another waiting.
"""

import json
from collections.abc import Collection, Iterable

import msgspec

from mainspring.domain.states import SessionState
from mainspring.store.schema.processes.sessions import CLAIMING_SESSION
from mainspring.store.transaction import Params, Transaction

ONE_RUN_ROLE = "run"
"""Role of a process that claims one run and its descendants, and no other."""
PROBATION_ROLE = "probation"
_NONE_WAITS = "no other worker waits for a slot"

QueuePlace = tuple[int, int]
"""The position of a run in its queue: its `place`, then the order of its commit."""


class ClaimableGroup(msgspec.Struct, frozen=True):
    """Ready runs that need the same worker."""

    queue: str
    automation: str
    version: int
    tag: str


def announce_capacity(tx: Transaction, queues: Iterable[str]) -> None:
    """Notify other processes that these limited queues have free slots, if one has a ready run that this session does
    not claim.
    """
    for queue in queues:
        if tx.ready:
            return
        if (_NONE_WAITS, queue) not in tx.cache:
            tx.ready = _has_run_of_other_worker(tx, queue)
            tx.cache[_NONE_WAITS, queue] = True


def _has_run_of_other_worker(tx: Transaction, queue: str) -> bool:
    statements: list[tuple[str, Params]] = [
        ("list_ready_groups", {"probation": n, "session": tx.session}) for n in (0, 1)
    ]
    tx.ahead((("read_claimer", (tx.session,)), *statements))
    session = CLAIMING_SESSION.read_first(tx.all("read_claimer", (tx.session,)))
    claims_runs = is_probation = False
    tags = {""}
    if session is not None:
        is_alive = session.state is SessionState.ALIVE
        claims_runs = is_alive and session.role != ONE_RUN_ROLE and _serves(session.queues, queue)
        tags |= set(json.loads(session.tags))
        is_probation = session.role == PROBATION_ROLE
    for on_probation, statement in enumerate(statements):
        for group_queue, _, _, tag, is_loaded, paused_until, _ in tx.all(*statement):
            is_paused = paused_until is not None and paused_until > tx.now
            is_own = claims_runs and on_probation == is_probation and is_loaded and serves_tag(tag, tags)
            if group_queue == queue and not is_paused and not is_own:
                return True
    return False


def serves_tag(tag: str, tags: Collection[str]) -> bool:
    """Return whether a worker with these tags, and "" for none, may execute a run with this tag or expression of tags."""
    if tag in tags:
        return True
    if not any(sign in tag for sign in "&|!"):
        return False
    from mainspring.domain.processes.tag_expression import matches  # noqa: PLC0415 - few runs have an expression

    return matches(tag, tags)


def _serves(queues: str | None, queue: str) -> bool:
    return queues is None or queue in json.loads(queues)


def list_claimable_elsewhere(tx: Transaction, groups: list[ClaimableGroup]) -> list[ClaimableGroup]:
    """Return the groups that another worker can claim from now."""
    names = sorted({group.automation for group in groups})
    workers: dict[tuple[str, int], list[tuple[set[str], str | None]]] = {}
    for automation, version, tags, queues in tx.all(
        "list_free_workers", {"automations": json.dumps(names), "session": tx.session}
    ):
        workers.setdefault((automation, version), []).append(({"", *json.loads(tags)}, queues))
    return [
        group
        for group in groups
        if any(
            serves_tag(group.tag, tags) and _serves(queues, group.queue)
            for tags, queues in workers.get((group.automation, group.version), ())
        )
    ]


def list_run_places(tx: Transaction, groups: list[ClaimableGroup], limit: int, *, fresh: int) -> list[QueuePlace]:
    """Return the places of the first ready runs of these groups: resumes, or starts if `fresh`."""
    rows: list[QueuePlace] = []
    for group in groups:
        rows += tx.all("list_run_places", (group.queue, group.automation, group.version, group.tag, fresh, limit))
    return sorted(rows)[:limit]


def divide_slots(own: list[QueuePlace], other_places: list[QueuePlace], slots: int) -> tuple[list[QueuePlace], int]:
    """Divide slots by place: return the own runs that get a slot, and how many are left to other workers' runs."""
    first_places = sorted([*((place, True) for place in own), *((place, False) for place in other_places)])[:slots]
    own_places = [place for place, is_own in first_places if is_own]
    return own_places, len(first_places) - len(own_places)
