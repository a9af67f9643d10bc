"""Flags of a program outside of steps: a script, a plain program, `mainspring flag`.

Role: reads all flags of the project's store at the first question, and answers from memory. A thread reads the number of the last change
a few times a second, so that a kill counts within a second. Invariants: a question never waits for a store that does not answer, but for
the first one; without the store the last flags count for `flags.max_age`, then the default of the code; a forked child reads them itself.
"""

import atexit
import contextlib
import logging
import os
import threading
import time

from mainspring.app.project import Project
from mainspring.app.stores.store_factory import require_store
from mainspring.domain.errors import MainspringError
from mainspring.domain.flags.flag import Flag, FlagAnswer, FlagQuestion, FlagReason, FlagSide, answer_question
from mainspring.resources.flag_uses import FlagUses
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.flags import list_flags, read_revision

_LOG = logging.getLogger("mainspring.flags")
CHECK_EVERY_S = 0.25
"""Seconds between two reads of the number of the last change."""
_RECORD_EVERY_S = 60.0
_MAX_WARNINGS = 1_000
_REASONS = {
    FlagReason.UNKNOWN: "there is no such flag",
    FlagReason.KIND_MISMATCH: "its values are of another type than the default",
}


class ProgramFlags:
    """The flags of one program; used from any thread."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._max_age_s = project.settings.flags.max_age.total_seconds()
        self._uses = FlagUses(has_session=False)
        self._open_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._store: ProcessStore | None = None
        self._flags: dict[str, Flag] = {}
        self._revision = 0
        self._read_at: float | None = None
        """When the flags were known to be those of the store, by the monotonic clock."""
        self._problem = ""
        """Why the flags could not be read the last time."""
        self._warned: set[tuple[str, FlagReason]] = set()

    def answer(self, question: FlagQuestion) -> FlagAnswer:
        """Answer a question by the flags of now."""
        provider = self._project.flag_provider
        if self._thread is None:
            self._start()
        read_at = self._read_at
        if provider is not None:
            answer = provider.answer(question)
        elif read_at is None or time.monotonic() - read_at > self._max_age_s:
            answer = FlagAnswer(question.default, FlagSide.DEFAULT, FlagReason.STORE_UNREACHABLE)
        else:
            answer = answer_question(self._flags.get(question.flag), question)
        self._uses.note(question.flag, "", answer)
        if answer.side is FlagSide.DEFAULT and answer.reason is not FlagReason.PROVIDER_FAILED:
            self._warn(question.flag, answer.reason)
        return answer

    def close(self) -> None:
        """End the thread, and record the questions so far."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(CHECK_EVERY_S * 4)
        with contextlib.suppress(MainspringError, OSError):  # the program has done its work
            self._record()
        if self._store is not None:
            self._store.close()

    def _start(self) -> None:
        """Read the flags for the first time, and start the thread; only the first of several callers does."""
        with self._open_lock:
            if self._thread is None:
                self._refresh()
                thread = threading.Thread(target=self._run, name="mainspring-flags", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        record_at = time.monotonic() + _RECORD_EVERY_S
        while not self._closing.wait(CHECK_EVERY_S):
            self._refresh()
            if time.monotonic() >= record_at:
                record_at = time.monotonic() + _RECORD_EVERY_S
                with contextlib.suppress(MainspringError, OSError):
                    self._record()

    def _refresh(self) -> None:
        """Read the flags again if one has changed. Without the store, nothing changes."""
        started_at = time.monotonic()
        try:
            if self._store is None:
                require_store(self._project.settings.store.url)
                self._store = self._project.open_store()
            reader = self._store.reader
            revision = read_revision(reader)
            if self._read_at is None or revision != self._revision:
                self._flags = {flag.name: flag for flag in list_flags(reader)}
                self._revision = revision
        except (MainspringError, OSError) as error:
            self._problem = getattr(error, "message", str(error))
            return
        self._read_at = started_at

    def _record(self) -> None:
        command = self._uses.take() if self._store is not None else None
        if self._store is None or command is None:
            return
        try:
            self._store.apply(command)
        except (MainspringError, OSError):
            self._uses.put_back(command)
            raise

    def _warn(self, flag: str, reason: FlagReason) -> None:
        """Warn once for each flag and reason."""
        if (flag, reason) not in self._warned and len(self._warned) < _MAX_WARNINGS:
            self._warned.add((flag, reason))
            _LOG.warning("flag %r: the default counts: %s", flag, _REASONS.get(reason, self._problem))


_LOCK = threading.Lock()
_programs: dict[Project, ProgramFlags] = {}
_inherited: list[ProgramFlags] = []
"""Those of the processes that forked this one: a connection must not be closed here."""


def program_flags() -> ProgramFlags:
    """Return the flags of this program, of the newest project of this process, or the one that the configuration names.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    project = Project.current()
    known = _programs.get(project)
    if known is None:
        with _LOCK:
            known = _programs.get(project)
            if known is None:
                known = _programs[project] = ProgramFlags(project)
                atexit.register(_close, known, os.getpid())
    return known


def _close(program: ProgramFlags, pid: int) -> None:
    """Close what belongs to this process, and not that of the process that forked it."""
    if os.getpid() == pid:
        program.close()


def _forget() -> None:
    """Start without flags in a forked child: the thread and the connections are those of its parent."""
    global _LOCK  # noqa: PLW0603 - another thread of the parent may have held it, and no one here releases it
    _LOCK = threading.Lock()
    _inherited.extend(_programs.values())
    _programs.clear()


os.register_at_fork(after_in_child=_forget)
