"""Route each report of a running attempt to its receiver.

Log lines go to the log processor, child processes are recorded, locks and effects are requested. The driver gets all other reports.
"""

import itertools

import msgspec

from mainspring.domain.effects.effect import EffectHolder
from mainspring.engine.attempts.attempt_reports import (
    AttemptReport,
    CheckpointReport,
    CommandReport,
    EffectReport,
    EffectSettledReport,
    EndReport,
    HeartbeatReport,
    LockReport,
    LogReport,
    ProcessReport,
    ReportKind,
    SecretRefusedReport,
    SecretUsesReport,
    StartReport,
    StreamReport,
    UnlockReport,
)
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.logs.log_processor import LogProcessor
from mainspring.engine.driver.driver_host import DriverLookup, RunFlagQuestions
from mainspring.engine.worker.run_services import ignore_answer
from mainspring.resources.effects import AttemptEffects
from mainspring.resources.locks import AttemptLocks
from mainspring.store.base import Store
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.flags import AnswerFlag
from mainspring.store.commands.journal import RecordProcessGroup
from mainspring.store.commands.secrets import RecordSecretOperation, RecordSecretUses


class AttemptReportRouter:
    """Routes reports; used in the loop's thread."""

    def __init__(
        self,
        store: Store,
        lookup: DriverLookup,
        locks: AttemptLocks,
        effects: AttemptEffects,
        lines: LogProcessor,
        flags: RunFlagQuestions,
    ) -> None:
        self._store = store
        self._lines = lines
        self._lookup = lookup
        self._locks = locks
        self._effects = effects
        self._flags = flags
        self._numbers = itertools.count(1)
        """Of the records of uses: they rise within a session."""

    def take(self, spec: AttemptSpec | None, _kind: ReportKind, report: AttemptReport) -> None:
        """Accept a report of an attempt (`spec`) or of a child process (`spec` is None)."""
        if isinstance(report, ProcessReport):
            ack = report.ack
            on_recorded = (
                ignore_answer if ack is None else lambda result: ack(result if isinstance(result, Exception) else None)
            )
            self._store.submit(RecordProcessGroup(report.pgid, report.started, ended=report.ended), on_recorded)
            return
        if spec is not None and isinstance(report, LockReport | UnlockReport | EffectReport | EffectSettledReport):
            self._serve_resource(spec, report)
            return
        if spec is not None and isinstance(report, SecretUsesReport | SecretRefusedReport):
            self._record_secrets(spec, report)
            return
        if spec is not None and isinstance(report, CommandReport):
            self._send_command(spec, report)
            return
        if spec is not None and isinstance(report, StartReport):
            self._lines.life.attempt_started(spec)
            return
        if spec is not None and isinstance(report, EndReport):
            self._lines.end(spec, report)
            return
        needs_driver = not isinstance(report, LogReport | HeartbeatReport)  # which ends the fast path
        find = self._lookup.driver_of if needs_driver else self._lookup.drivers.get
        driver = find(spec.run_id) if spec is not None else None
        if driver is not None and spec is not None:
            try:
                driver.steps.add_report(spec, report)
            except Exception as error:
                if not isinstance(report, CheckpointReport | StreamReport):
                    raise
                report.ack(error)
        elif isinstance(report, StreamReport):
            report.ack(RuntimeError("this attempt no longer counts"))
        if spec is not None and isinstance(report, LogReport):
            self._lines.take(spec, report)

    def _send_command(self, spec: AttemptSpec, report: CommandReport) -> None:
        """Send a command of an attempt. A question about a flag is that of its run, whatever it states itself."""
        command = report.command
        if isinstance(command, AnswerFlag):
            command = msgspec.structs.replace(command, run=spec.run_id, generation=spec.generation)
            self._flags.ask(command, spec.automation, report.answer)
        else:
            self._store.submit(command, report.answer)

    def _record_secrets(self, spec: AttemptSpec, report: SecretUsesReport | SecretRefusedReport) -> None:
        """Record the uses of an attempt, or a secret that it may not read."""
        if isinstance(report, SecretUsesReport):
            self._store.submit(RecordSecretUses(next(self._numbers), report.uses), ignore_answer)
            return
        detail = {"automation": spec.automation, "run": spec.run_id, "step": spec.name, "attempt": spec.attempt}
        command = f"{spec.run_id}/{spec.ident}/{spec.attempt}/secret/{report.secret}"
        subject = f"secret:{report.secret}"
        inner = RecordSecretOperation(report.reason)
        audited = AuditedCommand(command, f"app:{spec.automation}", "read", subject, inner, None, detail)
        self._store.submit(audited, ignore_answer)

    def _serve_resource(
        self, spec: AttemptSpec, report: LockReport | UnlockReport | EffectReport | EffectSettledReport
    ) -> None:
        owner = f"{spec.run_id}/{spec.ident} (attempt {spec.attempt})"
        if isinstance(report, LockReport):
            self._locks.request(owner, report.number, report.spec, report.answer)
        elif isinstance(report, EffectReport):
            step = (spec.automation, spec.run_id, spec.ident, spec.key, spec.attempt)
            holder = EffectHolder(owner, f"{owner}#{report.number}", *step)
            self._effects.begin(holder, report.request, report.answer)
        elif isinstance(report, EffectSettledReport):
            self._effects.settle(owner, report.settlement, report.ack)
        else:
            self._locks.release(owner, report.number)
            if report.number is None:
                self._effects.end(owner)
