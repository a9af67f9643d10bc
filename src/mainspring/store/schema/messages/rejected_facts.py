"""Rejected facts. Signals and events that the code of a run could not read."""

from typing import Final

import msgspec

from mainspring.domain.runs.journal import Fact, RejectedFact
from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, blob, integer, text, value

TABLE: Final = TableSchema(
    "rejected_facts",
    (
        integer("seq"),
        text("run"),
        text("kind"),
        text("name"),
        text("ident", null=True),
        value("payload", null=True),
        text("source", null=True),
        integer("at"),
        blob("failure"),
        integer("rejected_at"),
    ),
    keys=(("seq",),),
)


class RejectedRow(msgspec.Struct, frozen=True):
    """A fact that the code of its run cannot read, and when it was rejected."""

    rejected_at: int
    fact: Fact

    @property
    def rejection(self) -> RejectedFact:
        """The fact as readers get it."""
        fact = self.fact
        assert fact.failure is not None
        return RejectedFact(
            fact.seq, fact.run, fact.kind, fact.name, fact.at, self.rejected_at, fact.failure, fact.payload
        )


REJECTED_ROW: Final = RowType(RejectedRow, TABLE, part=("fact", RowType(Fact, TABLE)))
