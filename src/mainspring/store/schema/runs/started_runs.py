"""Runs that the code of a run started. The run whose code did, and the run that began."""

from typing import Final

from mainspring.store.schema.table import TableSchema, text

TABLE: Final = TableSchema("started_runs", (text("starter"), text("run")), keys=(("starter", "run"),))
