"""Handlers of the commands in `store/commands/bulk_operations.py`."""

from typing import Final

from mainspring.store.commands.bulk_operations import (
    BeginBulkOperation,
    ChangeBulkOperation,
    LeaseBulkBatch,
    RecordBulkBatch,
)
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import bulk_operations

HANDLERS: Final[HandlerTable] = dict(
    (
        BeginBulkOperation.answered_by(bulk_operations.begin_bulk_operation),
        LeaseBulkBatch.answered_by(bulk_operations.lease_bulk_batch),
        RecordBulkBatch.answered_by(bulk_operations.record_bulk_batch),
        ChangeBulkOperation.answered_by(bulk_operations.change_bulk_operation),
    )
)
