"""The process of `mainspring exec`: one wrapped command from lock to record, assembled from store, spool and engine.

The command comes first: by default it runs whatever state the store is in, and its record goes to the spool. Only the user's own
conditions prevent it: a lock or a key that another run holds, a key that was used up, or `fail_open=False`.
"""

import os
import socket
from collections.abc import Callable
from typing import NoReturn, TypeVar

from mainspring.app.exec.best_effort_store import BestEffortStore, declare_dead_sessions
from mainspring.app.exec.plan import FAILURE_EXIT_CODE, ExecPlan
from mainspring.app.exec.signal_forwarding import SignalForwarder, print_notice, read_original_environment
from mainspring.domain.clock import Clock, SystemClock
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import MainspringError
from mainspring.domain.ids import make_id
from mainspring.domain.states import RunState
from mainspring.engine.commands import exec_run_record
from mainspring.engine.commands.exec_run import SIGNAL_EXIT_BASE, ExecRun, ExecRunEnd
from mainspring.resources.secret_variables import PASSWORD_VARIABLE, SECRET_VARIABLES
from mainspring.service.actor import user_name
from mainspring.service.spool import FileLock, Spool
from mainspring.store.commands.automations import AcquireLock
from mainspring.store.commands.exec_runs import RecordExecRun
from mainspring.store.commands.journal import RecordProcessGroup, SaveAttempt
from mainspring.store.commands.logs import SaveLogs
from mainspring.store.commands.results import DONE, Refused, StartAnswer
from mainspring.store.commands.runs import StartRun
from mainspring.store.commands.secrets import RecordSecretUses
from mainspring.store.process_store import ProcessStore

T = TypeVar("T")

_POLL_INTERVAL_S = 0.05
_CHECK_HOLDER_MS = 1_000
_SPOOL_IMPORT_S = 1.0
_MAX_SPOOL_IMPORT = 500
_DEAD_SESSIONS_TIMEOUT_S = 10.0
_WATCH_TIMEOUT_S = 15.0


class _CommandNotRunError(Exception):
    """The command does not run. `code` = the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ExecProcess:
    """One call. `run` returns the exit code. It never raises for failures of the store, the spool or the command."""

    def __init__(self, plan: ExecPlan, clock: Clock | None = None) -> None:
        self._plan = plan
        self._clock = clock or SystemClock()
        self._name = plan.wrapping.definition.name
        now_at = self._clock.now()
        self._id = make_id("r", now_at, self._clock.random_bits(80))
        self._begin: StartRun = exec_run_record.build_start(
            plan.wrapping, self._id, now_at, f"exec:{user_name()}@{socket.gethostname()}"
        )
        self._describe = exec_run_record.build_description(
            plan.wrapping.definition, has_settings=plan.store is not None
        )
        self._spool = None
        if plan.spool is not None:
            self._spool = Spool(
                plan.spool, plan.spare_spool, unclaimed=plan.unclaimed_spool, store_folder=plan.store_folder
            )
        self._ledger = None if plan.store is None else BestEffortStore(plan.store, self._clock)
        self._locks: list[FileLock] = []
        self._on_record = False
        self._has_warned = False
        self._signals = SignalForwarder()
        self._classifier = plan.classifier()

    @property
    def is_stuck(self) -> bool:
        """Whether a thread may still wait for the store: then the process ends without the store."""
        return self._ledger is not None and self._ledger.away is not None

    def run(self) -> int:
        """Run the command and save its record. Return the exit code."""
        with self._signals.capture():
            try:
                self._open()
                self._import_spool()
                self._refuse_used_key()
                if self._plan.refusal is None:
                    self._lock()
                self._start()
                end = self._attempts()
            except _CommandNotRunError as stop:
                self._plan.report_outage(self._ledger)
                self._close()
                return stop.code
            if (refusal := self._plan.refusal) is not None:
                print_notice(f"{self._name}: not run: {refusal.message}. {refusal.hint}")
            if end.is_silent_failure and end.failure is not None:
                print_notice(f"{self._name}: {end.failure.message}")
            self._warn_of_withheld_password(end)
            self._save_record(exec_run_record.build_whole_run(self._begin, end, self._session), end)
            self._plan.report_outage(self._ledger)
            self._notify_and_trace(end)
            self._close()
            return end.exit_code

    # -- before the command --------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._ledger is not None:
            self._ledger.open()
            if (
                self._ledger.is_foreign
                and self._spool is not None
                and self._spool.folder.parent == self._plan.store_folder
            ):
                self._spool = None if self._plan.spare_spool is None else Spool(self._plan.spare_spool)
            if self._plan.verbose:
                print_notice(
                    f"store {self._ledger.location}, spool {None if self._spool is None else self._spool.folder}"
                )
        reason = self._ledger.away if self._ledger is not None else self._explain_no_store()
        if reason is not None:
            if not self._plan.fail_open:
                print_notice(f"the store is unavailable ({reason}): the command was not run, because of --fail-closed")
                raise _CommandNotRunError(FAILURE_EXIT_CODE)
            print_notice(f"the store is unavailable ({reason}): the command runs all the same")

    def _explain_no_store(self) -> str:
        """Return why there is no store: the configuration cannot be read. It may name the store all the same."""
        if self._spool is None or not self._plan.claimed:
            return "the configuration names no store"
        return f"the configuration must be fixed first; until then the record waits in {self._spool.folder}"

    def _import_spool(self) -> None:
        spool = self._spool
        if spool is None or not spool.names():
            return
        imported = self._do(lambda store: spool.take_in(store.apply, limit=_MAX_SPOOL_IMPORT, within=_SPOOL_IMPORT_S))
        for path in imported.bad if imported is not None else ():
            print_notice(f"a record of the spool cannot be read and was moved aside: {path}")

    def _refuse_used_key(self) -> None:
        key = self._begin.run_key
        found = self._spool.succeeded(self._name, key.key) if self._spool is not None and key is not None else None
        if found is not None:
            self._stop_for_key(found)

    def _stop_for_key(self, run_id: str) -> None:
        print_notice(f"{self._name}: key {self._plan.wrapping.key!r} succeeded already, as run {run_id}: not run again")
        raise _CommandNotRunError(0)

    def _lock(self) -> None:
        """Acquire the lock, first in the store, where it has a place in line, and then as a file; or print its holder and stop."""
        name, spool = self._plan.lock, self._spool
        if name is None:
            return
        until = self._clock.now() + to_milliseconds(self._plan.lock_wait)
        self._wait_for(lambda: self._acquire_store_lock(name, until), until)
        if spool is None:
            self._handle_no_lock_file(name, "there is no spool folder")
        else:
            try:
                self._wait_for(lambda: self._acquire_lock_file(spool, name), until)
            except OSError as error:
                self._handle_no_lock_file(name, str(error))

    def _handle_no_lock_file(self, name: str, reason: str) -> None:
        print_notice(f"lock {name!r} cannot be taken as a file ({reason})")
        if not self._plan.fail_open:
            raise _CommandNotRunError(FAILURE_EXIT_CODE)

    def _acquire_lock_file(self, spool: Spool, name: str) -> str | None:
        """Acquire a file of the lock. Return why that failed."""
        for slot in range(1, self._plan.slots + 1):
            lock = spool.lock(name, slot)
            if lock is not None:
                self._locks.append(lock)
                return None
        return f"lock {name!r} is held by another process of this host"

    def _acquire_store_lock(self, name: str, until: int) -> str | None:
        """Acquire the lock, or a place in its line. Return why that failed."""
        owner, slots = f"{self._name} ({self._id})", self._plan.slots
        wait_ms = max(until - self._clock.now(), 0)
        answer = self._do(lambda store: store.apply(AcquireLock(name, owner, None, slots, wait_ms)))
        if isinstance(answer, Refused) and answer.code != "held":
            self._skip(answer.text, FAILURE_EXIT_CODE)
        return answer.text if isinstance(answer, Refused) else None

    def _wait_for(self, attempt: Callable[[], str | None], until: int) -> None:
        """Try until it works or the wait is over. The holder may be dead: then kill what is left of it first."""
        reason = attempt()
        check_at = 0
        while reason is not None and self._signals.number is None:
            now_at = self._clock.now()
            if now_at >= check_at:
                check_at = now_at + _CHECK_HOLDER_MS
                self._declare_dead_sessions()
                reason = attempt()
            elif now_at < until:
                self._signals.wait(_POLL_INTERVAL_S)
                reason = attempt()
            else:
                break
        if self._signals.number is not None:
            raise _CommandNotRunError(SIGNAL_EXIT_BASE + self._signals.number)
        if reason is not None:
            self._skip(reason, self._plan.lock_exit)

    def _skip(self, reason: str, code: int) -> NoReturn:
        """Record that the command does not run, and stop."""
        print_notice(f"{self._name}: {reason}: not run")
        self._save_record(exec_run_record.build_skipped_run(self._begin, self._clock.now(), reason), None)
        raise _CommandNotRunError(code)

    def _start(self) -> None:
        """Record the run as running, if the store allows it; find the run of the key."""
        answer = self._do(self._write_start)
        if isinstance(answer, StartAnswer) and not answer.created and answer.state == RunState.RUNNING:
            self._declare_dead_sessions()  # it may be on record only because its process was killed
            answer = self._do(self._write_start)
        if isinstance(answer, Refused):
            if not self._plan.fail_open:
                print_notice(f"{answer.text}: the command was not run, because of --fail-closed")
                raise _CommandNotRunError(FAILURE_EXIT_CODE)
            print_notice(f"{answer.text}: the command runs all the same")
        elif isinstance(answer, StartAnswer) and not answer.created:
            if answer.state == RunState.SUCCEEDED:
                self._stop_for_key(answer.run)
            print_notice(
                f"{self._name}: key {self._plan.wrapping.key!r} is in use by run {answer.run} ({answer.state}): not run"
            )
            raise _CommandNotRunError(self._plan.lock_exit)
        elif answer is None and not self._plan.fail_open:
            print_notice("the store is unavailable: the command was not run, because of --fail-closed")
            raise _CommandNotRunError(FAILURE_EXIT_CODE)
        self._on_record = isinstance(answer, StartAnswer)

    def _write_start(self, store: ProcessStore) -> StartAnswer | Refused:
        store.submit(self._describe, self._warn_of_ignored_schedule)
        store.submit(self._begin, _ignore_result)
        start_mark = exec_run_record.build_start_mark(self._plan.wrapping, self._id, self._clock.now())
        store.apply(start_mark)
        answer = store.apply(self._begin)
        if isinstance(answer, StartAnswer) and answer.run == self._id:
            return StartAnswer(answer.run, created=True, state=answer.state)
        return answer

    def _warn_of_ignored_schedule(self, answer: object) -> None:
        """Warn that --cron or --every is ignored, because the name belongs to another automation."""
        if isinstance(answer, Refused) and self._describe.schedules and not self._has_warned:
            self._has_warned = True
            print_notice(
                f"{self._name}: --cron and --every are ignored. {answer.text}. Give this command its own name: -n NAME"
            )

    def _warn_of_withheld_password(self, end: ExecRunEnd) -> None:
        """Warn that a failed command did not get the password of Mainspring's database: it may have needed one for its own."""
        if end.failure is not None and PASSWORD_VARIABLE in SECRET_VARIABLES.names_in(os.environ):
            print_notice(
                f"{self._name}: it did not get {PASSWORD_VARIABLE}; --pass-env {PASSWORD_VARIABLE} passes it on"
            )

    # -- the command and after it --------------------------------------------------------------------------------------

    def _attempts(self) -> ExecRunEnd:
        ledger, wrapping, secrets = self._ledger, self._plan.wrapping, self._plan.secrets
        files = tuple(descriptor for lock in self._locks for descriptor in lock.descriptors)
        exec_run = ExecRun(
            wrapping,
            run=self._id,
            key=exec_run_record.idempotency_key_of(wrapping, self._id),
            clock=self._clock,
            env=read_original_environment(),
            slot_at=exec_run_record.find_slot(wrapping.definition, self._clock.now()),
            classifier=self._classifier,
            pass_fds=files + (() if ledger is None else ledger.descriptors) + secrets.descriptors,
            on_attempt=lambda record: self._submit(exec_run_record.build_attempt(self._id, self._name, record)),
            on_group=lambda pgid, mark, ended: self._submit(
                RecordProcessGroup(pgid, mark, self._id, wrapping.ident, ended)
            ),
            on_part=lambda part: self._submit(SaveLogs(self._id, (part,))),
            secret_variables=secrets.variables,
            refusal=self._plan.refusal,
        )
        if secrets.uses:
            self._submit(RecordSecretUses(self._clock.now(), secrets.uses))
        self._signals.pass_to(exec_run.signalled)
        if ledger is not None:
            ledger.when_cancelled(exec_run.cancel)
        return exec_run.run()

    def _submit(self, command: SaveAttempt | RecordProcessGroup | SaveLogs | RecordSecretUses) -> None:
        """Submit a command to the store, if the store has the run. The wrapped command does not wait."""
        if self._ledger is not None and self._on_record:
            self._ledger.submit(lambda store: store.apply(command))

    def _save_record(self, record: RecordExecRun, end: ExecRunEnd | None) -> None:
        """Save the record in the store; if the store does not accept it, in the spool; if that fails, print it to stderr."""
        if end is not None and self._on_record:
            is_saved = self._do(lambda store: self._write_end(store, end))
        else:
            is_saved = self._do(lambda store: self._write_whole(store, record))
        if is_saved:
            return
        reason = "there is no spool folder"
        if self._spool is not None:
            try:
                self._spool.write(record, self._describe, self._plan.config)
            except (OSError, MainspringError) as error:
                reason = str(error).replace("\n", " ")
            else:
                if not self._plan.claimed:
                    print_notice(
                        f"the store of run {self._id} is unknown: the next exec, up or watch with a valid "
                        f"configuration imports its record from {self._spool.folder}"
                    )
                return
        print_notice(f"run {self._id} of {self._name} ({record.state}) is not recorded: {reason}")
        if end is not None and end.failure is not None and self._plan.report_unrecorded is not None:
            self._plan.report_unrecorded(self._name, end.failure.message, reason)

    def _write_end(self, store: ProcessStore, end: ExecRunEnd) -> bool:
        saved, finish = exec_run_record.build_end(self._id, self._name, end)
        store.submit(saved, _ignore_result)
        return store.apply(finish) == DONE

    def _write_whole(self, store: ProcessStore, record: RecordExecRun) -> bool:
        store.submit(self._describe, self._warn_of_ignored_schedule)
        store.apply(record)
        return True

    def _notify_and_trace(self, end: ExecRunEnd) -> None:
        """Notify people of this end and send its trace, where due. The command is over, so nothing waits for this."""
        watch = self._plan.watch
        if watch is not None and self._ledger is not None:
            self._ledger.do(lambda store: watch(store, self._name), timeout=_WATCH_TIMEOUT_S)
        fault = None if self._plan.trace is None else self._plan.trace(self._begin, end)
        if fault is not None and self._plan.verbose:
            print_notice(f"{self._name}: no trace was sent: {fault}")

    def _close(self) -> None:
        """Release everything, and declare dead what killed calls left behind."""
        for lock in self._locks:  # first: the next holder gets the store's lock, and then finds the file free
            lock.release()
        if self._ledger is not None:
            self._declare_dead_sessions()
            self._ledger.close()

    def _declare_dead_sessions(self) -> None:
        if self._ledger is not None:
            self._ledger.do(declare_dead_sessions, timeout=_DEAD_SESSIONS_TIMEOUT_S)

    def _do(self, work: Callable[[ProcessStore], T]) -> T | None:
        return None if self._ledger is None else self._ledger.do(work)

    @property
    def _session(self) -> int | None:
        return None if self._ledger is None else self._ledger.session


def _ignore_result(result: object) -> None:
    """Ignore a result that the next command's result repeats."""
