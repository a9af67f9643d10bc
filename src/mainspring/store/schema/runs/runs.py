"""Runs. One row for each run."""

from typing import Final

import msgspec

from mainspring.store.commands.runs import ClaimedRun
from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import Reference, TableSchema, blob, integer, text

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
        integer("suspect"),
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
        blob("input"),
        blob("result", null=True),
        blob("failure", null=True),
        text("failed_ident", null=True),
        blob("waiting_for", null=True),
        blob("detail", null=True),
        blob("published", null=True),
        blob("progress", null=True),
        blob("tags", null=True),
        text("trigger"),
        text("run_key", null=True),
        text("schedule", null=True, refers_to=Reference.SCHEDULE),
        integer("slot_at", null=True),
        text("parent", null=True),
        text("parent_ident", null=True),
        integer("parent_asked", null=True),
        text("close_policy", null=True),
        integer("superseded", null=True),
        text("chain", null=True),
        integer("window_at", null=True),
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
    parent_asked: int | None
    close_policy: str | None
    schedule: str | None
    slot_at: int | None
    trigger: str
    healthy: str
    item: str | None


NEW_RUN: Final = InsertedRow(NewRun, TABLE)


class ClaimRow(msgspec.Struct, frozen=True):
    """A run that was claimed, its place in the order of all runs, and the number of lost workers."""

    seq: int
    losses: int
    run: ClaimedRun


CLAIMED_RUN: Final = RowType(
    ClaimedRun,
    TABLE,
    expressions={
        "fresh": "runs.claim = 1",  # whatever happened to it since, only the first claim has this number
        "tag": "nullif(runs.tag, '')",
    },
    without=("facts", "losses"),
)
CLAIM_ROW: Final = RowType(ClaimRow, TABLE, part=("run", CLAIMED_RUN))
