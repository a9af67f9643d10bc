"""Runs. One row for each run."""

from typing import Final

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import RunState
from mainspring.store.commands.runs import ClaimedRun
from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import Reference, TableSchema, blob, integer, text, value
from mainspring.store.views import RunRow, RunView

TABLE: Final = TableSchema(
    "runs",
    (
        integer("seq"),
        text("id"),
        text("automation", refers_to=Reference.AUTOMATION),
        text("kind"),
        integer("version"),
        text("title", null=True),
        text("state"),
        text("reason", null=True),
        text("queue"),
        integer("priority"),
        text("tag"),
        text("partition", null=True),
        integer("ready"),
        integer("probation"),
        integer("fresh"),
        text("blocked", null=True),
        integer("place"),
        integer("due_at", null=True),
        integer("deadline_at", null=True),
        integer("created_at"),
        integer("started_at", null=True),
        integer("finished_at", null=True),
        integer("changed_at"),
        integer("session", null=True),
        integer("claim"),
        text("claimed_by_command", null=True),
        integer("crashes"),
        integer("losses"),
        integer("drains"),
        integer("deploy"),
        integer("generation"),
        integer("undoing"),
        integer("rank"),
        integer("steps"),
        text("healthy"),
        text("item", null=True),
        text("hash_seed", null=True),
        text("clock_steps", null=True),
        integer("output_size", null=True),
        text("codec"),
        value("input"),
        value("result", null=True),
        blob("failure", null=True),
        text("failed_ident", null=True),
        blob("waiting_for", null=True),
        blob("detail", null=True),
        value("published", null=True),
        blob("progress", null=True),
        value("tags", null=True),
        text("trigger"),
        text("run_key", null=True),
        text("schedule", null=True, refers_to=Reference.SCHEDULE),
        integer("slot_at", null=True),
        text("parent", null=True),
        text("parent_ident", null=True),
        integer("parent_request_number", null=True),
        text("close_policy", null=True),
        integer("superseded", null=True),
        text("chain", null=True),
        integer("window_at", null=True),
        blob("fork", null=True),
        blob("versions", null=True),
        integer("returned_claim"),
        text("concurrency_key", null=True),
        integer("has_slot"),
        value("headers", null=True),
    ),
    keys=(
        ("seq",),
        ("id",),
    ),
)


class NewRun(msgspec.Struct, frozen=True, gc=False):
    """A run that is being created. Built by position, because it is built for each start: names cost a microsecond."""

    id: str
    automation: str
    kind: str
    version: int
    title: str | None
    state: str
    queue: str
    priority: int
    tag: str
    partition: str | None
    ready: int
    fresh: int
    blocked: str | None
    place: int
    due_at: int | None
    deadline_at: int | None
    created_at: int
    started_at: int | None
    changed_at: int
    session: int | None
    claim: int
    codec: str
    input: bytes
    tags: bytes | None
    run_key: str | None
    parent: str | None
    parent_ident: str | None
    parent_request_number: int | None
    close_policy: str | None
    schedule: str | None
    slot_at: int | None
    trigger: str
    healthy: str
    item: str | None
    concurrency_key: str | None
    headers: bytes | None


NEW_RUN: Final = InsertedRow(NewRun, TABLE)


class ClaimRow(msgspec.Struct, frozen=True):
    """A run that was claimed, its place in the order of all runs, and the number of lost workers."""

    seq: int
    losses: int
    run: ClaimedRun


_IS_RETURNED = "runs.returned_claim = runs.claim - 1"
_HAS_NEWER_CODE = (
    "coalesce(runs.deploy > (select sessions.deploy from sessions where sessions.id = runs.session), 1 = 0)"
)
CLAIMED_RUN: Final = RowType(
    ClaimedRun,
    TABLE,
    expressions={
        "fresh": "runs.claim = 1",  # whatever happened to it since, only the first claim has this number
        "is_returned": _IS_RETURNED,
        "has_newer_code": _HAS_NEWER_CODE,
        "tag": "nullif(runs.tag, '')",
    },
    without=("facts", "losses"),
)
CLAIM_ROW: Final = RowType(ClaimRow, TABLE, part=("run", CLAIMED_RUN))


class ReplayableRun(msgspec.Struct, frozen=True):
    """A run as a worker would claim it, and how it ended so far."""

    state: RunState
    reason: str | None
    result: bytes | None
    failure: Failure | None
    detail: bytes | None
    run: ClaimedRun


REPLAYABLE_RUN: Final = RowType(
    ReplayableRun,
    TABLE,
    part=(
        "run",
        RowType(
            ClaimedRun,
            TABLE,
            expressions={
                "fresh": "runs.claim = 1",
                "is_returned": _IS_RETURNED,
                "has_newer_code": "1 = 0",  # a replay starts nothing
                "tag": "nullif(runs.tag, '')",
                "started_at": "coalesce(runs.started_at, runs.created_at)",  # one that never started has none
            },
            without=("facts", "losses"),
        ),
    ),
)


class ReceivingRun(msgspec.Struct, frozen=True):
    """The part of a run that decides whether it can accept a fact."""

    state: RunState
    is_finished: bool
    session: int | None
    fresh: bool
    queue: str
    codec: str
    kind: str


RECEIVING_RUN: Final = RowType(ReceivingRun, TABLE, expressions={"is_finished": "runs.finished_at is not null"})
_HAS_SUBSCRIBERS = "exists (select 1 from topics where topics.kind = 'run' and topics.name = runs.automation)"
_IS_MEMBER = (
    "exists (select 1 from failures where failures.automation = runs.automation and failures.settled_at is null)"
)
_HAS_OPEN_UPDATES = (
    "exists (select 1 from run_updates where run_updates.run = runs.id and run_updates.replied_at is null)"
)
_HAS_CONCURRENCY_KEY = "runs.concurrency_key is not null"
_IS_LIMITED = "exists (select 1 from queues where queues.name = runs.queue and queues.concurrency is not null)"


class EndedRun(msgspec.Struct, frozen=True):
    """A run that ended, with those that have to know; `parent` None = no run waits for it."""

    automation: str
    partition: str | None
    parent: str | None
    parent_ident: str | None
    run_key: str | None
    started_at: int | None
    queue: str
    has_subscribers: bool
    is_member: bool
    is_limited: bool
    has_open_updates: bool
    undoing: bool
    has_concurrency_key: bool


ENDED_RUN: Final = RowType(
    EndedRun,
    TABLE,
    expressions={
        "parent": "case when runs.superseded is null then runs.parent end",
        "has_subscribers": _HAS_SUBSCRIBERS,
        "is_member": _IS_MEMBER,
        "is_limited": _IS_LIMITED,
        "has_open_updates": _HAS_OPEN_UPDATES,
        "has_concurrency_key": _HAS_CONCURRENCY_KEY,
    },
)


class SuspendedRun(msgspec.Struct, frozen=True):
    """A run that was suspended; `ready` = it may be claimed at once."""

    ready: bool
    queue: str
    is_limited: bool
    has_concurrency_key: bool


class ResumableRun(msgspec.Struct, frozen=True):
    """The part of a paused run that decides whether it is ready when it is resumed."""

    queue: str
    partition: str | None
    parent: str | None
    fresh: bool


RESUMABLE_RUN: Final = RowType(ResumableRun, TABLE)


class ForkSource(msgspec.Struct, frozen=True):
    """A run that may be forked."""

    id: str
    state: RunState
    is_finished: bool
    automation: str
    kind: str
    version: int
    codec: str
    item: str | None
    created_at: int
    started_at: int | None
    fork: bytes | None


FORK_SOURCE: Final = RowType(ForkSource, TABLE, expressions={"is_finished": "runs.finished_at is not null"})


class HaltedRun(msgspec.Struct, frozen=True):
    """A run that was stopped for a person."""

    automation: str
    run_key: str | None
    queue: str
    is_limited: bool
    has_concurrency_key: bool


_LIMITS = {"is_limited": _IS_LIMITED, "has_concurrency_key": _HAS_CONCURRENCY_KEY}
SUSPENDED_RUN: Final = RowType(SuspendedRun, TABLE, expressions=_LIMITS)
HALTED_RUN: Final = RowType(HaltedRun, TABLE, expressions=_LIMITS)


class StoppedRun(msgspec.Struct, frozen=True):
    """A run that a person may continue."""

    id: str
    state: RunState
    failed_ident: str | None
    generation: int
    automation: str
    run_key: str | None
    queue: str
    partition: str | None
    parent: str | None
    detail: bytes | None
    reason: str | None
    kind: str
    undoing: bool


STOPPED_RUN: Final = RowType(StoppedRun, TABLE)


class ChildOfStep(msgspec.Struct, frozen=True):
    """The child of a request."""

    id: str
    state: str
    is_finished: bool


class RequestedChild(msgspec.Struct, frozen=True):
    """A child, and what becomes of it when its request no longer counts."""

    id: str
    is_finished: bool
    close_policy: str | None
    run_key: str | None


class EndedChild(msgspec.Struct, frozen=True):
    """A run that ended, as the run that requested it gets it."""

    automation: str
    parent: str | None
    parent_ident: str | None
    state: RunState
    result: bytes | None
    failure: Failure | None


_FINISHED = {"is_finished": "runs.finished_at is not null"}
CHILD_OF_STEP: Final = RowType(ChildOfStep, TABLE, expressions=_FINISHED)
REQUESTED_CHILD: Final = RowType(RequestedChild, TABLE, expressions=_FINISHED)
ENDED_CHILD: Final = RowType(EndedChild, TABLE)


class DueRun(msgspec.Struct, frozen=True):
    """A run whose due time has come."""

    seq: int
    id: str
    queue: str
    partition: str | None
    parent: str | None
    fresh: bool


class KeyedRun(DueRun, frozen=True):
    """A run that waits for the end of the run that it replaces under its key; its due time may come later."""

    due_at: int | None


class BlockedRun(msgspec.Struct, frozen=True):
    """A run that waits for its partition key."""

    id: str
    parent: str | None


DUE_RUN: Final = RowType(DueRun, TABLE)
KEYED_RUN: Final = RowType(KeyedRun, TABLE)
BLOCKED_RUN: Final = RowType(BlockedRun, TABLE)


class EndedInBulk(msgspec.Struct, frozen=True):
    """A run that ended together with others and that no other run depends on; `limited_queue` = its queue if that has a
    limit.
    """

    id: str
    automation: str
    run_key: str | None
    started_at: int
    has_subscribers: bool
    is_member: bool
    limited_queue: str | None
    has_concurrency_key: bool


class SuspendedInBulk(msgspec.Struct, frozen=True):
    """A run that was suspended together with others."""

    id: str
    ready: bool
    limited_queue: str | None
    has_concurrency_key: bool


_LIMITED_QUEUE = f"case when {_IS_LIMITED} then runs.queue end"
ENDED_IN_BULK: Final = RowType(
    EndedInBulk,
    TABLE,
    expressions={
        "has_subscribers": _HAS_SUBSCRIBERS,
        "is_member": _IS_MEMBER,
        "limited_queue": _LIMITED_QUEUE,
        "has_concurrency_key": _HAS_CONCURRENCY_KEY,
    },
)
SUSPENDED_IN_BULK: Final = RowType(
    SuspendedInBulk,
    TABLE,
    expressions={"limited_queue": _LIMITED_QUEUE, "has_concurrency_key": _HAS_CONCURRENCY_KEY},
)


RUN_ROW: Final = RowType(RunRow, TABLE)
RUN_VIEW: Final = RowType(RunView, TABLE)
