"""Handlers of the commands in `store/commands/streams.py`."""

from typing import Final

from mainspring.store.commands.streams import SupersedeRecords, WriteStream
from mainspring.store.transaction import HandlerTable
from mainspring.store.write.runs import streams

HANDLERS: Final[HandlerTable] = dict(
    (
        WriteStream.answered_by(streams.write_stream),
        SupersedeRecords.answered_by(streams.supersede_records),
    )
)
