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
from mainspring.domain.errors import UnknownNameError
from mainspring.domain.flags.flag import Flag, FlagAnswer, FlagQuestion, FlagReason, FlagSide, answer_question
from mainspring.resources.flag_uses import FlagUses
from mainspring.store.base import StoreBrokenError
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.flags import list_flags, read_revision

_LOG = logging.getLogger("mainspring.flags")
CHECK_EVERY_S = 0.25
"""Seconds between two reads of the number of the last change."""
_RECORD_EVERY_S = 60.0
_MAX_WARNINGS = 1_000
_TOO_OLD = "the store has not answered for longer than flags.max_age"
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
        self._provider = project.flag_provider
        self._open_lock = threading.RLock()  # a signal handler may ask while its thread asks
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
        """Answer a question by the flags of now. Whatever fails, the answer is the default of the code."""
        if self._thread is None:
            self._start()
        answer = self._answer(question)
        self._uses.note(question.flag, "", answer)
        if answer.side is FlagSide.DEFAULT and answer.reason is not FlagReason.PROVIDER_FAILED:
            self._warn(question.flag, answer.reason)
        return answer

    def _answer(self, question: FlagQuestion) -> FlagAnswer:
        flag, read_at = self._flags.get(question.flag), self._read_at
        if self._provider is not None and (flag is None or flag.killed_at is None):
            return self._provider.answer(question)
        if read_at is None or time.monotonic() - read_at > self._max_age_s:
            return FlagAnswer(question.default, FlagSide.DEFAULT, FlagReason.STORE_UNREACHABLE, is_default=True)
        return answer_question(flag, question)

    def close(self) -> None:
        """End the thread, and record the questions so far; what cannot be recorded within seconds is dropped."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(CHECK_EVERY_S * 4)
        self._record()
        self._close_store()

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
        except Exception as error:  # noqa: BLE001 - whatever fails, the program continues with its last flags
            self._problem = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
            if isinstance(error, StoreBrokenError):  # the file was replaced, for example by a restore
                self._close_store()
            return
        self._read_at, self._problem = started_at, ""

    def _record(self) -> None:
        """Send the counts to the store, and do not wait: a store that cannot be written must not delay the next read."""
        command = self._uses.take() if self._store is not None else None
        if self._store is not None and command is not None:
            with contextlib.suppress(Exception):
                self._store.submit(command, lambda _answer: None)

    def _close_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            with contextlib.suppress(Exception):  # the program has done its work
                store.committer.hurry()
                store.close()

    def _warn(self, flag: str, reason: FlagReason) -> None:
        """Warn once for each flag and reason."""
        if (flag, reason) not in self._warned and len(self._warned) < _MAX_WARNINGS:
            self._warned.add((flag, reason))
            nearest = UnknownNameError("flag", flag, self._flags).nearest if reason is FlagReason.UNKNOWN else None
            text = _REASONS.get(reason) or self._problem or _TOO_OLD
            proposal = "" if nearest is None else f"; did you mean {nearest!r}?"
            _LOG.warning("flag %r: the default counts: %s%s", flag, text, proposal)


_LOCK = threading.RLock()
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
    _LOCK = threading.RLock()
    _inherited.extend(_programs.values())
    _programs.clear()


os.register_at_fork(after_in_child=_forget)
