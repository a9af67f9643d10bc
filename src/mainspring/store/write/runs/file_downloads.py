"""File downloads: operations whose only trace is a row of the audit log."""

from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.commands.run_control import RecordFileDownload
from mainspring.store.transaction import Transaction


def record_file_download(tx: Transaction, command: RecordFileDownload) -> CommandDone | Refused:
    """Change nothing: only the audit row is needed."""
    return DONE
