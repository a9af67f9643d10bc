"""Effects of a program outside of steps: a script, a plain program, `mainspring once`.

Role: the channel of `ms.once` where no step runs. It opens the project's store at the first use, with a session of its own, and
keeps it until the program ends. Invariants: without the store there is no effect; a program that is killed leaves its effects to its
session, which another process declares dead; a forked child opens a session of its own. An outcome that the store did not take is
sent again with the next call: otherwise its effect would be pending for as long as the program lives.
"""

import atexit
import itertools
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mainspring.app.exec.best_effort_store import declare_dead_sessions
from mainspring.app.project import Project
from mainspring.app.stores.store_factory import make_store, require_store
from mainspring.domain.effects.effect import EffectHolder
from mainspring.domain.errors import ConflictError, FencedError
from mainspring.domain.failures.classifier import DEFAULT_CLASSIFIER
from mainspring.engine.attempts.step_context import PendingAnswer
from mainspring.resources.effects import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    EffectAnswer,
    EffectLedger,
    EffectRequest,
    EffectSettlement,
    busy_error,
    release_of,
)
from mainspring.service.actor import user_name
from mainspring.store.commands.base import Answer, StoreCommand
from mainspring.store.commands.results import CommandDone, Refused
from mainspring.store.liveness import ONCE_ROLE
from mainspring.store.process_store import ProcessStore

STORE_TIMEOUT_S = 30.0
"""Seconds that the store may be away before a call fails."""
_CHECK_EVERY_S = 1.0
"""Seconds between two checks whether the awaited holder lives."""


class ProgramEffects:
    """The effects of one program; used from any thread. `program` = its name for people."""

    def __init__(self, project: Project, program: str | None = None) -> None:
        self._project = project
        self.classifier = project.classifier or DEFAULT_CLASSIFIER
        """The rules for errors of this project."""
        self.payload_max = project.sealing.limit
        """The largest result, in bytes of JSON."""
        self._ledger = EffectLedger(project.sealing, project.clock)
        self._store = self._make_store()
        program = program or Path(sys.argv[0] or "python").name
        self._owner = f"{program} of {user_name()}@{socket.gethostname()}"
        self._calls = itertools.count(1)
        self._open_lock = threading.Lock()
        self._is_open = False
        self._unsaved: dict[tuple[str, int], EffectSettlement] = {}
        """Outcomes that the store did not take, by idempotency key and intent."""
        self._settling: set[threading.Thread] = set()

    def _make_store(self) -> ProcessStore:
        project = self._project
        store = make_store(
            project.settings.store.url, lease_ms=project.lease_ms, clock=project.clock, timeout_s=STORE_TIMEOUT_S
        )
        store.full_disk_timeout_s = STORE_TIMEOUT_S
        return store

    @property
    def descriptors(self) -> tuple[int, ...]:
        """File descriptors that children must hold, so that the session lives while one of them runs."""
        return () if self._store.lock is None else (self._store.lock.descriptor,)

    def open(self) -> None:
        """Open the store and the session; after this session was declared dead, a new one. Raises StoreError."""
        with self._open_lock:
            if self._is_open and self._store.committer.fatal is not None:
                self._store.close(drain=False)
                self._store, self._is_open = self._make_store(), False
            if not self._is_open:
                require_store(self._project.settings.store.url)  # a new store, by a typing error, would know no effect
                self._store.open()
                try:
                    self._store.open_session(ONCE_ROLE)
                except BaseException:
                    self._store.close()
                    raise
                self._is_open = True

    def close(self) -> None:
        """End the session, once the outcomes that are on their way are saved: what is pending is unknown from now on."""
        for thread in tuple(self._settling):
            thread.join(STORE_TIMEOUT_S)
        with self._open_lock:
            if self._is_open:
                self._is_open = False
                self._store.close()

    def begin_effect(self, request: EffectRequest) -> PendingAnswer[EffectAnswer]:
        """Ask for an effect, in a thread of its own: the wait for another holder must not block a loop."""
        pending: PendingAnswer[EffectAnswer] = PendingAnswer(next(self._calls))
        threading.Thread(target=self._begin, args=(request, pending), name="mainspring-effect", daemon=True).start()
        return pending

    def settle_effect(self, settlement: EffectSettlement) -> PendingAnswer[None]:
        """Save the outcome of an effect, in a thread of its own, as `begin_effect` does."""
        pending: PendingAnswer[None] = PendingAnswer(next(self._calls))
        thread = threading.Thread(
            target=self._settle, args=(settlement, pending), name="mainspring-effect", daemon=True
        )
        self._settling.add(thread)
        thread.start()
        return pending

    def _settle(self, settlement: EffectSettlement, pending: PendingAnswer[None]) -> None:
        try:
            answer = self._save(settlement)
        except BaseException as error:  # noqa: BLE001 - the waiting code gets it
            pending.answer(error)
        else:
            pending.answer(ConflictError(answer.text) if isinstance(answer, Refused) else None)
        finally:
            self._settling.discard(threading.current_thread())

    def _save(self, settlement: EffectSettlement) -> CommandDone | Refused:
        name = settlement.id, settlement.intent
        try:
            answer = self._apply(self._ledger.settle_command(settlement))
        except BaseException:
            self._unsaved[name] = settlement
            raise
        self._unsaved.pop(name, None)
        return answer

    def _apply(self, command: StoreCommand[Answer]) -> Answer:
        """Commit a command, in a new session if this one was declared dead: late outcomes count, too."""
        self.open()
        try:
            return self._store.apply(command)
        except FencedError:
            self.open()
            return self._store.apply(command)

    def _begin(self, request: EffectRequest, pending: PendingAnswer[EffectAnswer]) -> None:
        try:
            answer = self._ask(request, pending.number, _pause)
        except BaseException as error:  # noqa: BLE001 - the waiting code gets it
            pending.answer(error)
            return
        if not pending.answer(answer) and answer.intent:
            self.settle_effect(release_of(request, answer))

    def ask(self, request: EffectRequest, wait: Callable[[float], bool]) -> EffectAnswer:
        """Ask for an effect, in this thread. `wait(seconds)` waits for another holder; it returns False to stop waiting.

        Raises:
            BusyError, EffectConflictError, EffectInDoubtError: the effect may not be performed.
            StoreError: the store cannot be used.
        """
        return self._ask(request, next(self._calls), wait)

    def _ask(self, request: EffectRequest, number: int, wait: Callable[[float], bool]) -> EffectAnswer:
        """Ask until the effect is free, done or in doubt, or the wait is over."""
        for settlement in tuple(self._unsaved.values()):
            self._save(settlement)
        pid = os.getpid()
        command = self._ledger.begin_command(request, EffectHolder(f"{self._owner} (pid {pid})", f"{pid}#{number}"))
        now = time.monotonic()
        until, pause, check_at = now + request.wait_s, FIRST_PAUSE_S, now
        while True:
            answer = self._ledger.read_answer(request, self._apply(command))
            if not isinstance(answer, Refused):
                return answer
            if (now := time.monotonic()) >= check_at:  # its holder may be killed, with no supervisor to notice it
                check_at = now + _CHECK_EVERY_S
                if declare_dead_sessions(self._store, (ONCE_ROLE,)):
                    continue
            remaining_s = until - now
            if remaining_s <= 0 or not wait(min(pause, remaining_s)):
                raise busy_error(answer, request.wait_s)
            pause = min(pause * 2, LONGEST_PAUSE_S)


def _pause(seconds: float) -> bool:
    """Wait; nothing stops the wait for another holder."""
    time.sleep(seconds)
    return True


_LOCK = threading.Lock()
_program: ProgramEffects | None = None
_inherited: list[ProgramEffects] = []
"""Those of the processes that forked this one: a connection must not be closed here."""


def program_effects() -> ProgramEffects:
    """Return the effects of this program, on the store of the newest project of this process, or the one that the configuration names.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    global _program  # noqa: PLW0603 - one program, one session
    with _LOCK:
        if _program is None:
            _program = ProgramEffects(Project.current())
            atexit.register(_close, _program, os.getpid())
        return _program


def _close(effects: ProgramEffects, pid: int) -> None:
    """Close the effects of this process, and not those of the process that forked it."""
    if os.getpid() == pid:
        effects.close()


def _forget() -> None:
    """Start without effects in a forked child. Those of its parent are neither used nor closed here."""
    global _LOCK, _program  # noqa: PLW0603 - another thread of the parent may have held the lock, and no one here releases it
    _LOCK = threading.Lock()
    if _program is not None:
        _inherited.append(_program)
    _program = None


os.register_at_fork(after_in_child=_forget)
