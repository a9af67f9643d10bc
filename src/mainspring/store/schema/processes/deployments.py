"""Deployments. Each set of automations that a process loaded."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "deployments",
    (
        integer("number"),
        text("fingerprint"),
        integer("announced_at"),
    ),
    keys=(
        ("number",),
        ("fingerprint",),
    ),
)
