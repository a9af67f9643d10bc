"""Clock steps. Times when the clock was set."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer

TABLE: Final = TableSchema(
    "clock_steps",
    (
        integer("seq"),
        integer("at"),
        integer("by_ms"),
        integer("lived"),
        integer("since_at"),
        integer("until_at"),
        integer("stage"),
        integer("reached"),
        integer("last"),
        integer("last_event"),
        integer("moved"),
        integer("ended_at", null=True),
    ),
    keys=(("seq",),),
)
