"""The process of `mainspring once`: a command that is performed once for its key, by the ledger of effects.

Invariants: without the store the command does not run. It holds the session's lock too, and it may outlive this process: while it runs,
no other call of the key can declare its effect free.
"""

import contextlib
import shlex
from pathlib import Path

import msgspec

from mainspring.app.exec.plan import PassedSecrets
from mainspring.app.exec.signal_forwarding import SignalForwarder, print_notice, read_original_environment
from mainspring.app.program_effects import ProgramEffects
from mainspring.app.program_session import ProgramSession
from mainspring.app.project import Project
from mainspring.domain.clock import SystemClock
from mainspring.domain.effects.effect import CallOutcome
from mainspring.domain.errors import BusyError, MainspringError, StoreError
from mainspring.domain.text.escaping import escape
from mainspring.engine.attempts.processes.process_lifetime import protect_memory
from mainspring.engine.commands.command import CommandEnd, CommandFailed, CommandSpec, build_effect_environment
from mainspring.engine.commands.command_process import CommandProcess
from mainspring.engine.commands.exec_run import SIGNAL_EXIT_BASE, exit_code_of
from mainspring.insight.text.formatting import format_instant
from mainspring.resources.effects import EffectAnswer, EffectRequest, EffectSettlement
from mainspring.store.commands.secrets import RecordSecretUses

NOTHING_DONE_EXIT_CODE = 75
"""EX_TEMPFAIL: by it the command reports that it did nothing, so that the next call may perform it."""
_MAX_NAME_LENGTH = 60


class OncePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of one call. `failed_means_not_done` = an exit code other than 0 proves that the effect did not happen."""

    request: EffectRequest
    words: list[str]
    failed_means_not_done: bool = False
    secrets: PassedSecrets = PassedSecrets()
    """The secrets for the command."""


class OnceProcess:
    """One call; `run` returns its exit code."""

    def __init__(self, project: Project, plan: OncePlan) -> None:
        self._plan = plan
        self._name = escape(Path(plan.words[0]).name or plan.words[0], _MAX_NAME_LENGTH)
        self._session = ProgramSession(project, program=self._name)
        self._effects = ProgramEffects(self._session)
        self._signals = SignalForwarder()

    def run(self) -> int:
        """Perform the command, unless its effect is done.

        Raises:
            BusyError, EffectConflictError, EffectInDoubtError: it was not performed.
            StoreError: the store cannot be used, so nothing was done.
        """
        protect_memory(with_commands=False)
        with self._signals.capture():
            try:
                return self._perform()
            finally:
                self._session.close()

    def _perform(self) -> int:
        try:
            answer = self._effects.ask(self._plan.request, self._wait)
        except BusyError:
            if self._signals.number is None:
                raise
            return SIGNAL_EXIT_BASE + self._signals.number
        if not answer.intent:
            self._report_skip(answer)
            return 0
        secrets = self._plan.secrets
        if secrets.uses:
            with contextlib.suppress(
                MainspringError
            ):  # the effect is this call's now: it is performed without the record
                self._session.apply(RecordSecretUses(SystemClock().now(), secrets.uses))
        process = CommandProcess(
            CommandSpec(
                words=self._plan.words,
                env=build_effect_environment(read_original_environment(), answer.id) | secrets.variables,
                has_stdin=True,
                inherits_output=True,
                may_outlive_parent=True,
                pass_fds=self._session.descriptors + secrets.descriptors,
            ),
            on_group=lambda _pgid, _mark, ended: self._forward_early_signal(process, ended=ended),
        )
        self._signals.pass_to(process.forward)
        try:
            end, error = process.run(), None
        except CommandFailed as failed:
            end, error = _make_unstarted_end(failed), failed
            print_notice(failed.message)
        self._save_outcome(answer, end)
        return exit_code_of(end, error)

    def _wait(self, seconds: float) -> bool:
        """Wait for another holder; False = a signal ends the wait."""
        self._signals.wait(seconds)
        return self._signals.number is None

    def _forward_early_signal(self, process: CommandProcess, *, ended: bool) -> None:
        """Forward a signal that came before the command had a process: it then never starts."""
        if self._signals.number is not None and not ended:
            process.forward(self._signals.number)

    def _save_outcome(self, answer: EffectAnswer, end: CommandEnd) -> None:
        """Save the outcome. If that fails, the end of the session leaves it to a person, and the command's exit code stays its own."""
        outcome = find_outcome(end, failed_means_not_done=self._plan.failed_means_not_done)
        key, quoted = self._plan.request.key, shlex.quote(self._plan.request.key)
        note = None
        if outcome is CallOutcome.UNKNOWN:
            ending = f"was ended by signal {-end.code}" if end.code < 0 else f"ended with exit code {end.code}"
            note = f"{self._name} {ending}"
            print_notice(
                f"{key} may or may not have happened: {note}. If it happened: mainspring effects confirm {quoted}. "
                f"If it did not: mainspring effects forget {quoted}"
            )
        try:
            self._effects.settle_effect(EffectSettlement(key, answer.id, answer.intent, outcome, note=note)).wait()
        except StoreError as error:
            print_notice(" ".join(f"{error.message}. {error.hint}".splitlines()))
        except MainspringError as error:
            print_notice(
                f"{key}: its outcome ({outcome}) is not recorded: {error.message}. "
                f"It will be in doubt: mainspring effects show {quoted}"
            )

    def _report_skip(self, answer: EffectAnswer) -> None:
        zone = self._session.project.settings.project.timezone
        difference = ", with another identity" if answer.is_suppressed else ""
        print_notice(
            f"{self._plan.request.key} was done at {format_instant(answer.settled_at, zone)} "
            f"{zone} by {answer.owner}{difference}: not run"
        )


def find_outcome(end: CommandEnd, *, failed_means_not_done: bool) -> CallOutcome:
    """Return the outcome of the effect that a command performed.

    RELEASED if the command did not start, or ended with 75, or with another code than 0 where that proves it. A signal proves nothing.
    """
    if not end.has_started:
        return CallOutcome.RELEASED
    if end.code == 0:
        return CallOutcome.DONE
    is_released = end.code == NOTHING_DONE_EXIT_CODE or (end.code > 0 and failed_means_not_done)
    return CallOutcome.RELEASED if is_released else CallOutcome.UNKNOWN


def _make_unstarted_end(failed: CommandFailed) -> CommandEnd:
    return CommandEnd(code=failed.returncode, timed_out=False, stopped=False, tail="", duration_us=0, has_started=False)
