"""Commands and runs that wait during a codec outage: the service behind the codec, or the place of large values, does not answer.

Role: stands between the engine, which builds commands with sealed values, and the store. A value that cannot be sealed now is put into its
command as an `UnsealedValue`. The command waits here, in memory, with later commands of the same run, until the codec answers. A run whose
values cannot be opened waits to be loaded. Invariants: the codec is called once per pause, not once per value; nothing unsealed reaches the
store; commands of one run keep their order. Used in the loop's thread.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, cast

from mainspring.domain.clock import Clock
from mainspring.domain.errors import CodecUnavailableError, SealedError
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.domain.values.blob import LargeValues
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.driver.blocking_calls import BlockingCaller, executor_caller
from mainspring.engine.worker.blob_uploads import BlobUploads, PendingCommand
from mainspring.engine.worker.deferred_values import UnsealedValue, holds_unsealed, run_of, seal_waiting
from mainspring.store.base import CommitCallback, Store
from mainspring.store.commands.base import Answer, StoreCommand
from mainspring.store.commands.sessions import RecordProcessFindings

_LOG = logging.getLogger("mainspring.worker")
_FIRST_PAUSE_S: Final = 0.5
_MAX_PAUSE_S: Final = 30.0
_PROBE = b"null"


class DeferringSealing(Sealing):
    """The sealing of a worker: a value that cannot be sealed now becomes an `UnsealedValue`.

    Only the deferring store accepts a command that holds one.
    """

    def __init__(self, sealing: Sealing, outage: "CodecOutage") -> None:
        super().__init__(sealing.codec, sealing.limit, sealing.classifier, sealing.large)
        self._outage = outage

    def seal(self, data: bytes) -> bytes:
        """Seal a value, or let it wait: also a large one that a thread puts into a bucket. Raises SealedError if waiting cannot help."""
        if self._is_large(data) and self._has_remote_place():
            self._outage.uploads.is_used = True
            return cast("bytes", UnsealedValue(data))
        return self._seal_or_wait(super().seal, data)

    def seal_inline(self, data: bytes) -> bytes:
        """Seal a value inline, or let it wait. Raises SealedError if waiting cannot help."""
        return self._seal_or_wait(super().seal_inline, data, is_inline=True)

    def _seal_or_wait(self, seal: Callable[[bytes], bytes], data: bytes, *, is_inline: bool = False) -> bytes:
        if not self._outage.is_open or (self.is_plain and (is_inline or not self._is_large(data))):
            try:
                return seal(data)
            except CodecUnavailableError as error:
                self._outage.begin(error)
        return cast("bytes", UnsealedValue(data, is_inline=is_inline))

    def _is_large(self, data: bytes) -> bool:
        return self.large is not None and len(data) > self.large.threshold

    def _has_remote_place(self) -> bool:
        try:
            return self.large is not None and self.large.contents.is_remote
        except CodecUnavailableError:
            return False  # the attempt to put the value begins the outage

    def seal_now(self, data: bytes) -> bytes:
        """Seal a value that cannot wait and stays inline. Raises SealedError."""
        sealed: Any = self.seal_inline(data)
        if isinstance(sealed, UnsealedValue):
            raise self._outage.error
        return cast("bytes", sealed)

    def _as_text(self, sealed: Any) -> str:
        if isinstance(sealed, UnsealedValue):
            return cast("str", UnsealedValue(sealed.data, is_text=True))
        return super()._as_text(sealed)

    def open(self, data: bytes) -> bytes:
        """Open a value; during an outage the codec is not called. Raises SealedError."""
        if self._outage.is_open and self.is_own(data):
            raise self._outage.error
        try:
            return super().open(data)
        except CodecUnavailableError as error:
            self._outage.begin(error, data)
            raise


class DeferringStore:
    """A store that accepts commands with an `UnsealedValue`: they wait, and go to the real store once they are sealed."""

    def __init__(self, store: Store, outage: "CodecOutage") -> None:
        self._store = store
        self._outage = outage

    def submit(self, command: StoreCommand[Answer], on_done: CommitCallback[Answer]) -> None:
        """Let the next group commit the command; see base.Store.submit."""
        uploads = self._outage.uploads
        if uploads.follow(command, on_done):
            return
        if self._outage.is_open and self._outage.defer(command, on_done):
            return
        if not uploads.take(command, on_done):
            self._store.submit(command, on_done)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class CodecOutage:
    """State of the codec, and the commands and runs that wait for it. `on_end` is called when it answers again."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: Store,
        sealing: Sealing,
        clock: Clock,
        on_end: Callable[[], None],
        off_loop: BlockingCaller | None = None,
    ) -> None:
        self._loop = loop
        self._off_loop = off_loop or executor_caller(loop)
        self._clock = clock
        self._sealing = sealing
        self._real_store = store
        self._on_end = on_end
        self.is_open = False
        self.error = CodecUnavailableError(f"codec {sealing.id!r} does not answer")
        self.uploads = BlobUploads(self._off_loop, self._seal_or_explain, store.submit, self._begin_after_upload)
        self._commands: deque[tuple[StoreCommand[object], CommitCallback[object]]] = deque()
        self._runs: set[str] = set()
        """Runs with a waiting command: their later commands wait too."""
        self._loads: dict[str, Callable[[], None]] = {}
        self._is_closed = False
        self._pause_s = _FIRST_PAUSE_S
        self._timer: asyncio.TimerHandle | None = None
        self._is_reported = False
        self._unread: bytes | None = None
        """A stored value that could not be read: the outage lasts until it can."""
        cannot_fail = sealing.is_plain and sealing.large is None
        self.sealing = sealing if cannot_fail else DeferringSealing(sealing, self)
        self.store = store if cannot_fail else cast("Store", DeferringStore(store, self))

    @property
    def stops_claims(self) -> bool:
        """Whether no run can be claimed: the codec is away. Without the place of large values most runs continue."""
        return self.is_open and not self._sealing.is_plain

    @property
    def loads(self) -> frozenset[str]:
        """The runs that wait to be loaded, or to read facts that came for them."""
        return frozenset(self._loads)

    @property
    def holds_values(self) -> bool:
        """Whether values wait in memory: then the ends of runs free no slots, so that the values stay few."""
        return bool(self._commands) or self.uploads.is_waiting

    def begin(self, error: CodecUnavailableError, unread: bytes | None = None) -> None:
        """Note that the codec does not answer. `unread` = the stored value that it could not open."""
        self.error, self._unread = error, self._unread or unread
        if self.is_open:
            return
        self.is_open = True
        self._arm()
        if not self._is_reported:
            self._is_reported = True
            _LOG.warning("%s\nRuns wait for it and continue by themselves.", error.message)
            self._record_findings(
                (ProcessFinding(ProcessFindingKind.CODEC, self._sealing.id, error.message, self._clock.now()),)
            )

    def defer(self, command: StoreCommand[Answer], on_done: CommitCallback[Answer]) -> bool:
        """Defer a command if it holds an unsealed value, or follows a deferred command of its run; return whether it was deferred."""
        run = run_of(command)
        if run not in self._runs and not holds_unsealed(command):
            return False
        if run is not None:
            self._runs.add(run)
        self._commands.append((command, cast("CommitCallback[object]", on_done)))
        return True

    def _begin_after_upload(self, error: CodecUnavailableError, commands: Sequence[PendingCommand]) -> None:
        """Begin an outage with commands that could not be uploaded; they keep their order."""
        self.begin(error)
        for command, on_done in commands:
            if not self.defer(command, on_done):
                self._real_store.submit(command, on_done)

    def load_later(self, run: str, load: Callable[[], None]) -> None:
        """Call `load` when the codec answers: it starts or continues a run."""
        self._loads[run] = load

    def drop_load(self, run: str) -> bool:
        """Drop the load of a run; return whether it waited."""
        return self._loads.pop(run, None) is not None

    def close(self) -> None:
        """Drop everything that waits; nothing is written."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self.uploads.close()
        self._commands.clear()
        self._loads.clear()

    def _arm(self) -> None:
        self._timer = self._loop.call_later(self._pause_s, self._try)
        self._pause_s = min(2 * self._pause_s, _MAX_PAUSE_S)

    def _try(self) -> None:
        """Try again what waits. A thread tries it with a bucket, the loop with everything else."""
        large = self._sealing.large
        try:
            if large is not None and large.contents.is_remote:
                self._off_loop(partial(self._try_first, large), self._end_try)
                return
            self._seal_commands()
        except CodecUnavailableError as error:
            self._end_or_wait(error)
            return
        self._end_or_wait(None)

    def _try_first(self, large: LargeValues) -> Any:
        """Read the value that could not be read, and return the first command sealed, or an error. Raises CodecUnavailableError.

        That the bucket can be listed is not enough: it may refuse one right only.
        """
        if self._unread is not None:
            try:
                self._sealing.open(self._unread)
            except CodecUnavailableError:
                raise
            except SealedError:
                pass  # the run that needs it reports it
        if self._commands:
            return self._seal_or_explain(self._commands[0][0])
        if self._unread is None:
            large.contents.sizes(0)
        self._seal_or_explain(UnsealedValue(_PROBE))
        return None

    def _end_try(self, answer: Any) -> None:
        """Put the first command in its sealed form, and end the outage; `answer` may be an error."""
        is_final = isinstance(answer, SealedError) and not isinstance(answer, CodecUnavailableError)
        if self._commands and (is_final or isinstance(answer, StoreCommand)):
            _, on_done = self._commands.popleft()
            if is_final:
                on_done(answer)
            else:
                self._commands.appendleft((answer, on_done))
            answer = None
        self._end_or_wait(answer)

    def _seal_commands(self) -> None:
        """Seal the waiting commands in order. Raises CodecUnavailableError: the codec still does not answer; the rest waits on."""
        if not self._commands:
            self._seal_or_explain(UnsealedValue(_PROBE))
        while self._commands:
            command, on_done = self._commands[0]
            sealed = self._seal_or_explain(command)
            self._commands.popleft()
            if isinstance(sealed, SealedError):
                on_done(sealed)
            else:
                self._real_store.submit(sealed, on_done)

    def _end_or_wait(self, answer: Any) -> None:
        """End the outage, and send what waited; `answer` is an error if it has not ended."""
        if self._is_closed:
            return
        if isinstance(answer, Exception):
            self.error = answer if isinstance(answer, CodecUnavailableError) else self.error
            self._arm()
            return
        self._runs.clear()
        self.is_open, self._unread = False, None
        commands, self._commands = self._commands, deque()
        self.uploads.is_used = self.uploads.is_used or bool(commands)  # values of any size wait in them
        for command, on_done in commands:
            self.store.submit(command, on_done)
        loads, self._loads = self._loads, {}
        for load in loads.values():
            load()
        if self.is_open:  # a sealed value cannot be opened yet
            return
        self._pause_s, self._is_reported = _FIRST_PAUSE_S, False
        _LOG.warning("codec %r answers again", self._sealing.id)
        self._record_findings(())
        self._on_end()

    def _seal_or_explain(self, value: Any) -> Any:
        """Return the sealed value, or the error if waiting cannot help: a person must see it. Raises CodecUnavailableError."""
        try:
            return seal_waiting(value, self._sealing)
        except CodecUnavailableError:
            raise
        except SealedError as error:
            return error

    def _record_findings(self, findings: tuple[ProcessFinding, ...]) -> None:
        if self._real_store.session is not None:
            self._real_store.submit(RecordProcessFindings(findings, (ProcessFindingKind.CODEC,)), lambda _answer: None)
