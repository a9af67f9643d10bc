"""Handlers of the commands in `store/commands/run_control.py`."""

from typing import Final

from mainspring.store.commands.run_control import EnterPause, ForkRun, PauseRun, RecordFileDownload, ResumeRun
from mainspring.store.transaction import HandlerTable
from mainspring.store.write.runs import file_downloads, fork, pauses

HANDLERS: Final[HandlerTable] = dict(
    (
        PauseRun.answered_by(pauses.pause_run),
        EnterPause.answered_by(pauses.enter_pause),
        ResumeRun.answered_by(pauses.resume_run),
        ForkRun.answered_by(fork.fork_run),
        RecordFileDownload.answered_by(file_downloads.record_file_download),
    )
)
