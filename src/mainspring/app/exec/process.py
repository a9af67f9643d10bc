"""`mainspring exec`: one wrapped command from lock to record, put together from store, spool and engine.

The command comes first: by default it runs whatever state the store is in, and its story goes to the spool. Only what
the user asked to keep it from running does so: a lock or a key that another run holds, a key that was used up, or
`fail_open=False`.
"""

import os
import socket
from collections.abc import Callable
from typing import TypeVar

from mainspring.app.exec.best_effort_store import BestEffortStore, declare_dead_sessions
from mainspring.app.exec.plan import FAILURE_EXIT_CODE, ExecPlan
from mainspring.app.exec.signal_forwarding import SignalForwarder, print_notice, read_original_environment
from mainspring.domain.clock import Clock, SystemClock
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import MainspringError
from mainspring.domain.ids import make_id
from mainspring.domain.states import RunState
from mainspring.engine.commands import exec_run_record as tell
from mainspring.engine.commands.exec_run import SIGNAL_EXIT_BASE, ExecRun, ExecRunEnd
from mainspring.resources.secret_variables import PASSWORD_VARIABLE, SECRET_VARIABLES
from mainspring.service.actor import user_name
from mainspring.service.spool import LockFile, Spool
from mainspring.store.commands.automations import AcquireLock
from mainspring.store.commands.exec_runs import RecordExecRun
from mainspring.store.commands.journal import RecordProcessGroup, SaveAttempt
from mainspring.store.commands.logs import SaveLogs
from mainspring.store.commands.results import DONE, Refused, StartAnswer
from mainspring.store.commands.runs import StartRun
from mainspring.store.process_store import ProcessStore

T = TypeVar("T")

_POLL_INTERVAL_S = 0.05
_SPOOL_IMPORT_S = 1.0
_MAX_SPOOL_IMPORT = 500
_DEAD_SESSIONS_TIMEOUT_S = 10.0
_WATCH_TIMEOUT_S = 15.0


class _CommandNotRunError(Exception):
    """The command does not run; `code` is the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ExecProcess:
    """One call. `run` returns the exit code and never raises for what the store, the spool or the command do."""

    def __init__(self, plan: ExecPlan, clock: Clock | None = None) -> None:
        self._plan = plan
        self._clock = clock or SystemClock()
        self._name = plan.wrapping.definition.name
        now_at = self._clock.now()
        self._id = make_id("r", now_at, self._clock.random_bits(80))
        self._begin: StartRun = tell.build_start(
            plan.wrapping, self._id, now_at, f"exec:{user_name()}@{socket.gethostname()}"
        )
        self._describe = tell.build_description(plan.wrapping.definition)
        self._spool = None if plan.spool is None else Spool(plan.spool, plan.spare_spool)
        self._ledger = None if plan.store is None else BestEffortStore(plan.store, self._clock)
        self._locks: list[LockFile] = []
        self._on_record = False
        self._has_warned = False
        self._signals = SignalForwarder()
        self._classifier = plan.classifier()

    @property
    def is_stuck(self) -> bool:
        """Whether a thread may still be waiting for the store: then the process ends without asking it."""
        return self._ledger is not None and self._ledger.away is not None

    def run(self) -> int:
        """Run the command and keep its story; return the exit code."""
        with self._signals.taken():
            try:
                self._open()
                self._take_in()
                self._refuse_used_key()
                self._lock()
                self._start()
                end = self._attempts()
            except _CommandNotRunError as stop:
                self._plan.told(self._ledger)
                self._close()
                return stop.code
            if end.is_silent_failure and end.failure is not None:
                print_notice(f"{self._name}: {end.failure.message}")
            self._tell_withheld(end)
            self._keep(tell.build_whole_run(self._begin, end, self._session), end)
            self._plan.told(self._ledger)
            self._watch(end)
            self._close()
            return end.exit_code

    # -- before the command --------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._ledger is not None:
            self._ledger.open()
            if self._ledger.is_foreign:
                self._spool = None if self._plan.spare_spool is None else Spool(self._plan.spare_spool)
            if self._plan.verbose:
                print_notice(f"store {self._ledger.shown}, spool {None if self._spool is None else self._spool.folder}")
        why = self._ledger.away if self._ledger is not None else self._without_store()
        if why is not None:
            if not self._plan.fail_open:
                print_notice(f"the store is away ({why}): nothing was run, as --fail-closed asks")
                raise _CommandNotRunError(FAILURE_EXIT_CODE)
            print_notice(f"the store is away ({why}): the command runs all the same")

    def _without_store(self) -> str:
        """Return why there is no store: the configuration cannot be read. It may name the store all the same."""
        if self._spool is None or not self._plan.claimed:
            return "the configuration names none"
        return f"the configuration must be fixed first; until then the record waits in {self._spool.folder}"

    def _take_in(self) -> None:
        spool = self._spool
        if spool is None or not spool.names():
            return
        taken = self._do(lambda store: spool.take_in(store.apply, limit=_MAX_SPOOL_IMPORT, within=_SPOOL_IMPORT_S))
        for path in taken.bad if taken is not None else ():
            print_notice(f"a record of the spool cannot be read and was set aside: {path}")

    def _refuse_used_key(self) -> None:
        key = self._begin.run_key
        found = self._spool.succeeded(self._name, key.key) if self._spool is not None and key is not None else None
        if found is not None:
            self._stop_for_key(found)

    def _stop_for_key(self, run: str) -> None:
        print_notice(f"{self._name}: key {self._plan.wrapping.key!r} succeeded already, as run {run}: not run again")
        raise _CommandNotRunError(0)

    def _lock(self) -> None:
        """Take the lock, file first and then in the store, or tell that it is held and stop."""
        name, spool = self._plan.lock, self._spool
        if name is None:
            return
        if spool is None:
            self._without_lock(name, "there is no spool folder")
        else:
            try:
                self._wait_for(lambda: self._take_file(spool, name))
            except OSError as error:
                self._without_lock(name, str(error))
        self._wait_for(lambda: self._take_in_store(name))

    def _without_lock(self, name: str, why: str) -> None:
        print_notice(f"lock {name!r} cannot be taken as a file ({why})")
        if not self._plan.fail_open:
            raise _CommandNotRunError(FAILURE_EXIT_CODE)

    def _take_file(self, spool: Spool, name: str) -> str | None:
        """Take the lock's file; return who holds it if that failed."""
        lock = spool.lock(name)
        if lock is None:
            return "another process of this host"
        self._locks.append(lock)
        return None

    def _take_in_store(self, name: str) -> str | None:
        owner = f"{self._name} ({self._id})"
        answer = self._do(lambda store: store.apply(AcquireLock(name, owner, None)))
        return answer.text if isinstance(answer, Refused) else None

    def _wait_for(self, attempt: Callable[[], str | None]) -> None:
        """Try until it works or the wait is over. Who holds it may be dead: then what is left of them is ended first."""
        holder = attempt()
        if holder is not None:
            self._bury_dead()
            holder = attempt()
        until = self._clock.now() + to_milliseconds(self._plan.lock_wait)
        while holder is not None and self._clock.now() < until and self._signals.number is None:
            self._signals.wait(_POLL_INTERVAL_S)
            holder = attempt()
        if self._signals.number is not None:
            raise _CommandNotRunError(SIGNAL_EXIT_BASE + self._signals.number)
        if holder is not None:
            why = f"lock {self._plan.lock!r} is held by {holder}"
            print_notice(f"{self._name}: {why}: not run")
            self._keep(tell.build_skipped_run(self._begin, self._clock.now(), why), None)
            raise _CommandNotRunError(self._plan.lock_exit)

    def _start(self) -> None:
        """Put the run on record as running, if the store lets it; find the run of the key."""
        answer = self._do(self._write_start)
        if isinstance(answer, StartAnswer) and not answer.created and answer.state == RunState.RUNNING:
            self._bury_dead()  # it may be on record only because its process was killed
            answer = self._do(self._write_start)
        if isinstance(answer, Refused):
            if not self._plan.fail_open:
                print_notice(f"{answer.text}: nothing was run, as --fail-closed asks")
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
            print_notice("the store is away: nothing was run, as --fail-closed asks")
            raise _CommandNotRunError(FAILURE_EXIT_CODE)
        self._on_record = isinstance(answer, StartAnswer)

    def _write_start(self, store: ProcessStore) -> StartAnswer | Refused:
        store.submit(self._describe, self._warn_of_ignored_schedule)
        store.submit(self._begin, _ignore_result)
        begun = tell.build_start_mark(self._plan.wrapping, self._id, self._clock.now())
        store.apply(begun)
        answer: StartAnswer | Refused = store.apply(self._begin)
        if isinstance(answer, StartAnswer) and answer.run == self._id:
            return StartAnswer(answer.run, created=True, state=answer.state)
        return answer

    def _warn_of_ignored_schedule(self, answer: object) -> None:
        """Say that --cron or --every is ignored, because the name belongs to something else."""
        if isinstance(answer, Refused) and self._describe.schedules and not self._has_warned:
            self._has_warned = True
            print_notice(
                f"{self._name}: --cron and --every are ignored. {answer.text}. Give this command a name of its own: -n NAME"
            )

    def _tell_withheld(self, end: ExecRunEnd) -> None:
        """Say that a command that failed did not get the password of our database: it may have needed it for its own."""
        if end.failure is not None and PASSWORD_VARIABLE in SECRET_VARIABLES.names_in(os.environ):
            print_notice(
                f"{self._name}: it did not get {PASSWORD_VARIABLE}; --pass-env {PASSWORD_VARIABLE} hands it on"
            )

    # -- the command and after it --------------------------------------------------------------------------------------

    def _attempts(self) -> ExecRunEnd:
        ledger, wrapping = self._ledger, self._plan.wrapping
        files = tuple(lock.descriptor for lock in self._locks)
        wrapped = ExecRun(
            wrapping,
            run=self._id,
            key=tell.idempotency_key_of(wrapping, self._id),
            clock=self._clock,
            env=read_original_environment(),
            slot_at=tell.find_slot(wrapping.definition, self._clock.now()),
            classifier=self._classifier,
            pass_fds=files + (() if ledger is None else ledger.descriptors),
            on_attempt=lambda record: self._tell(tell.build_attempt(self._id, self._name, record)),
            on_group=lambda pgid, mark, ended: self._tell(
                RecordProcessGroup(pgid, mark, self._id, wrapping.ident, ended)
            ),
            on_part=lambda part: self._tell(SaveLogs(self._id, (part,))),
        )
        self._signals.pass_to(wrapped.signalled)
        if ledger is not None:
            ledger.when_cancelled(wrapped.cancel)
        return wrapped.run()

    def _tell(self, command: SaveAttempt | RecordProcessGroup | SaveLogs) -> None:
        """Let the store know, if it knows of the run; the command does not wait for it."""
        if self._ledger is not None and self._on_record:
            self._ledger.tell(lambda store: store.apply(command))

    def _keep(self, record: RecordExecRun, end: ExecRunEnd | None) -> None:
        """Bring the story to the store; where it does not take it, to the spool; where that fails, to stderr."""
        if end is not None and self._on_record:
            kept = self._do(lambda store: self._write_end(store, end))
        else:
            kept = self._do(lambda store: self._write_whole(store, record))
        if kept:
            return
        why = "there is no spool folder"
        if self._spool is not None:
            try:
                self._spool.write(record, self._describe)
            except (OSError, MainspringError) as error:
                why = str(error).replace("\n", " ")
            else:
                if not self._plan.claimed:
                    print_notice(
                        f"no store is known to which run {self._id} belongs: move its record once one is, see mainspring doctor"
                    )
                return
        print_notice(f"run {self._id} of {self._name} ({record.state}) is on record nowhere: {why}")

    def _write_end(self, store: ProcessStore, end: ExecRunEnd) -> bool:
        saved, finish = tell.build_end(self._id, self._name, end)
        store.submit(saved, _ignore_result)
        return bool(store.apply(finish) == DONE)

    def _write_whole(self, store: ProcessStore, record: RecordExecRun) -> bool:
        store.submit(self._describe, self._warn_of_ignored_schedule)
        store.apply(record)
        return True

    def _watch(self, end: ExecRunEnd) -> None:
        """Let people hear of what this end means, if they have to, and a tracing backend: the command is over, nobody waits for it."""
        watch = self._plan.watch
        if watch is not None and self._ledger is not None:
            self._ledger.do(lambda store: watch(store, self._name), patience=_WATCH_TIMEOUT_S)
        fault = None if self._plan.trace is None else self._plan.trace(self._begin, end)
        if fault is not None and self._plan.verbose:
            print_notice(f"{self._name}: no trace was sent: {fault}")

    def _close(self) -> None:
        """Let go of everything, and end what other calls left behind when they were killed."""
        if self._ledger is not None:
            self._bury_dead()
            self._ledger.close()
        for lock in self._locks:  # last, so that who gets it does not find the store's lock still held
            lock.release()

    def _bury_dead(self) -> None:
        if self._ledger is not None:
            self._ledger.do(declare_dead_sessions, patience=_DEAD_SESSIONS_TIMEOUT_S)

    def _do(self, act: Callable[[ProcessStore], T]) -> T | None:
        return None if self._ledger is None else self._ledger.do(act)

    @property
    def _session(self) -> int | None:
        return None if self._ledger is None else self._ledger.session


def _ignore_result(result: object) -> None:
    """Take an answer that the next command's answer repeats."""
