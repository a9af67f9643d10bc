"""Sessions. A session is the life of one process."""

from typing import Final

import msgspec

from mainspring.domain.processes.process_finding import ProcessFinding
from mainspring.domain.states import SessionState
from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, integer, text
from mainspring.store.session_views import SessionView, WorkerView

TABLE: Final = TableSchema(
    "sessions",
    (
        integer("id"),
        text("uuid"),
        text("role"),
        text("state"),
        text("host"),
        text("hostname"),
        integer("pid"),
        text("pid_started"),
        text("lock_path"),
        integer("deploy"),
        text("tags"),
        text("queues", null=True),
        text("posts"),
        integer("capacity", null=True),
        integer("opened_at"),
        integer("beat_at"),
        integer("ended_at", null=True),
        integer("freed", null=True),
        text("blocked", null=True),
        integer("memory", null=True),
        integer("processor", null=True),
        text("hash_seed", null=True),
        text("child_queue", null=True),
        text("findings", null=True),
    ),
    keys=(
        ("id",),
        ("uuid",),
    ),
)


class ClaimingSession(msgspec.Struct, frozen=True):
    """A session and what it may claim: tags and queues as JSON; `queues` None = all of them."""

    deploy: int
    state: SessionState
    tags: str
    queues: str | None
    role: str


class EndingSession(msgspec.Struct, frozen=True):
    """A session that is about to end; `freed` = the runs that its end released."""

    state: SessionState
    role: str
    freed: int | None


CLAIMING_SESSION: Final = RowType(ClaimingSession, TABLE)
ENDING_SESSION: Final = RowType(EndingSession, TABLE)


class WorkerOnHost(msgspec.Struct, frozen=True):
    """A worker, and by what its host tells whether its process lives."""

    host: str
    pid_started: str
    worker: WorkerView


_FINDINGS = msgspec.json.Decoder(tuple[ProcessFinding, ...])
_NAMES = msgspec.json.Decoder(list[str])


def _decode_findings(value: object) -> tuple[ProcessFinding, ...]:
    return _FINDINGS.decode(value) if isinstance(value, str | bytes) else ()


def _decode_posts(value: object) -> list[str]:
    return _NAMES.decode(value) if isinstance(value, str | bytes) and value else []


def _share(thousandths: object) -> float | None:
    return thousandths / 1000 if isinstance(thousandths, int) else None


SESSION_VIEW: Final = RowType(
    SessionView,
    TABLE,
    expressions={
        "running": "(select count(*) from (select 1 from runs where runs.session = sessions.id limit 1000) as counted)",
        "automations": "null",  # read for all sessions at once
    },
    converters={
        "automations": lambda _: {},
        "posts": _decode_posts,
        "processor": _share,
        "findings": _decode_findings,
    },
)
WORKER_ON_HOST: Final = RowType(
    WorkerOnHost,
    TABLE,
    part=(
        "worker",
        RowType(WorkerView, TABLE, expressions={"session": "sessions.id", "version": "session_automations.version"}),
    ),
)
