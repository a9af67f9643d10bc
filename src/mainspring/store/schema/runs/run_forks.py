"""Forks of runs. The run that was forked, and its fork."""

from typing import Final

from mainspring.store.schema.table import TableSchema, text

TABLE: Final = TableSchema("run_forks", (text("source"), text("fork")), keys=(("source", "fork"),))
