"""HTTP turns. Instants that are reserved for requests of steps, which come back for them."""

from typing import Final

from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema("http_turns", (text("target"), text("owner"), integer("at")), keys=(("target", "owner"),))
