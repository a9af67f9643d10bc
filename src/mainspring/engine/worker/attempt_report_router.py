"""Where the signs of running attempts arrive.

Lines go to their desk, child processes are recorded, locks are asked for; the rest goes to the driver.
"""

from mainspring.engine.attempts.attempt_reports import (
    AttemptReport,
    CheckpointReport,
    EndReport,
    LockReport,
    LogReport,
    ProcessReport,
    ReportKind,
    StartReport,
    UnlockReport,
)
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.logs.log_processor import LogProcessor
from mainspring.engine.driver.driver_host import DriverLookup
from mainspring.engine.worker.run_services import ignore_answer
from mainspring.resources.locks import AttemptLocks
from mainspring.store.base import Store
from mainspring.store.commands.journal import RecordProcessGroup


class AttemptReportRouter:
    """Used in the loop's thread."""

    def __init__(self, store: Store, aboard: DriverLookup, locks: AttemptLocks, lines: LogProcessor) -> None:
        self._store = store
        self._lines = lines
        self._aboard = aboard
        self._locks = locks

    def take(self, spec: AttemptSpec | None, _kind: ReportKind, sign: AttemptReport) -> None:
        """Take a sign of life of an attempt (`spec`) or of a child process."""
        if isinstance(sign, ProcessReport):
            ack = sign.ack
            known = (
                ignore_answer if ack is None else lambda result: ack(result if isinstance(result, Exception) else None)
            )
            self._store.submit(RecordProcessGroup(sign.pgid, sign.started, ended=sign.ended), known)
            return
        if spec is not None and isinstance(sign, LockReport | UnlockReport):
            owner = f"{spec.run_id}/{spec.ident} (attempt {spec.attempt})"
            if isinstance(sign, LockReport):
                self._locks.ask(owner, sign.number, sign.name, sign.within_s, sign.answer)
            else:
                self._locks.release(owner, sign.number)
            return
        if spec is not None and isinstance(sign, StartReport):
            self._lines.life.attempt_began(spec)
            return
        if spec is not None and isinstance(sign, EndReport):
            self._lines.end(spec, sign)
            return
        is_line = isinstance(sign, LogReport)
        find = self._aboard.drivers.get if is_line else self._aboard.driver_of  # a line of log changes nothing
        driver = find(spec.run_id) if spec is not None else None
        if driver is not None and spec is not None:
            try:
                driver.steps.sign(spec, sign)
            except Exception as error:
                if not isinstance(sign, CheckpointReport):
                    raise
                sign.ack(error)
        if spec is not None and isinstance(sign, LogReport):
            self._lines.take(spec, sign)
