"""Automation versions. Each version of each automation, as it was announced last."""

from typing import Final

import msgspec

from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import Reference, TableSchema, blob, integer, text

TABLE: Final = TableSchema(
    "automation_versions",
    (
        text("automation", refers_to=Reference.AUTOMATION),
        integer("version"),
        text("kind"),
        blob("definition"),
        text("fingerprint"),
        blob("schedules"),
        blob("triggers"),
        integer("deploy"),
        integer("announced_at"),
    ),
    keys=(("automation", "version"),),
)


class AutomationVersion(msgspec.Struct, frozen=True):
    """One version; `schedules` and `triggers` are JSON lists of their rows, `deploy` is the deployment that announced it last."""

    automation: str
    version: int
    kind: str
    definition: bytes
    fingerprint: str
    schedules: bytes
    triggers: bytes
    deploy: int
    announced_at: int


AUTOMATION_VERSION: Final = RowType(AutomationVersion, TABLE)
NEW_AUTOMATION_VERSION: Final = InsertedRow(AutomationVersion, TABLE)
