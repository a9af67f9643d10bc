"""Handlers of the commands in `store/commands/exec_runs.py`."""

from typing import Final

from mainspring.store.commands.exec_runs import DescribeExecAutomation, RecordExecRun
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import exec_runs

HANDLERS: Final[HandlerTable] = dict(
    (
        DescribeExecAutomation.answered_by(exec_runs.describe_exec_automation),
        RecordExecRun.answered_by(exec_runs.record_exec_run),
    )
)
