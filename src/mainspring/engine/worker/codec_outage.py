"""Commands and runs that wait during a codec outage: the service behind the codec, or the place of large values, does not answer.

Role: stands between the engine, which builds commands with sealed values, and the store. A value that cannot be sealed now is put into its
command as an `UnsealedValue`. The command waits here, in memory, with later commands of the same run, until the codec answers. A run whose
values cannot be opened waits to be loaded. Invariants: the codec is called once per pause, not once per value; nothing unsealed reaches the
store; commands of one run keep their order. Used in the loop's thread.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec
from msgspec.structs import replace

from mainspring.domain.clock import Clock
from mainspring.domain.errors import CodecUnavailableError, SealedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.domain.values.sealing import Sealing, drop_failure_text
from mainspring.store.base import CommitCallback, Store
from mainspring.store.commands.base import Answer, StoreCommand
from mainspring.store.commands.runs import StartRun
from mainspring.store.commands.sessions import RecordProcessFindings

_LOG = logging.getLogger("mainspring.worker")
_FIRST_PAUSE_S: Final = 0.5
_MAX_PAUSE_S: Final = 30.0
_PROBE = b"null"


class UnsealedValue:
    """A value that waits for the codec, in the place of its sealed form. No database accepts it."""

    __slots__ = ("data", "is_inline", "is_text", "sealed")

    def __init__(self, data: bytes, *, is_text: bool = False, is_inline: bool = False) -> None:
        self.data = data
        self.is_text = is_text
        self.is_inline = is_inline
        self.sealed: bytes | None = None
        """Its sealed form, if another value of its command still waits: a large one is put once."""


class DeferringSealing(Sealing):
    """The sealing of a worker: a value that cannot be sealed now becomes an `UnsealedValue`.

    Only the deferring store accepts a command that holds one.
    """

    def __init__(self, sealing: Sealing, outage: "CodecOutage") -> None:
        super().__init__(sealing.codec, sealing.limit, sealing.classifier, sealing.large)
        self._outage = outage

    def seal(self, data: bytes) -> bytes:
        """Seal a value, or let it wait. Raises SealedError if waiting cannot help."""
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
            self._outage.begin(error)
            raise


class DeferringStore:
    """A store that accepts commands with an `UnsealedValue`: they wait, and go to the real store once they are sealed."""

    def __init__(self, store: Store, outage: "CodecOutage") -> None:
        self._store = store
        self._outage = outage

    def submit(self, command: StoreCommand[Answer], on_done: CommitCallback[Answer]) -> None:
        """Let the next group commit the command; see base.Store.submit."""
        if self._outage.is_open and self._outage.defer(command, on_done):
            return
        self._store.submit(command, on_done)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class CodecOutage:
    """State of the codec, and the commands and runs that wait for it. `on_end` is called when it answers again."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, store: Store, sealing: Sealing, clock: Clock, on_end: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._sealing = sealing
        self._real_store = store
        self._on_end = on_end
        self.is_open = False
        self.error = CodecUnavailableError(f"codec {sealing.id!r} does not answer")
        self._commands: deque[tuple[StoreCommand[object], CommitCallback[object]]] = deque()
        self._runs: set[str] = set()
        """Runs with a waiting command: their later commands wait too."""
        self._loads: dict[str, Callable[[], None]] = {}
        self._pause_s = _FIRST_PAUSE_S
        self._timer: asyncio.TimerHandle | None = None
        self._is_reported = False
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

    def begin(self, error: CodecUnavailableError) -> None:
        """Note that the codec does not answer."""
        self.error = error
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
        run = _run_of(command)
        if run not in self._runs and not _holds_unsealed(command):
            return False
        if run is not None:
            self._runs.add(run)
        self._commands.append((command, cast("CommitCallback[object]", on_done)))
        return True

    def load_later(self, run: str, load: Callable[[], None]) -> None:
        """Call `load` when the codec answers: it starts or continues a run."""
        self._loads[run] = load

    def drop_load(self, run: str) -> bool:
        """Drop the load of a run; return whether it waited."""
        return self._loads.pop(run, None) is not None

    def close(self) -> None:
        """Drop everything that waits; nothing is written."""
        if self._timer is not None:
            self._timer.cancel()
        self._commands.clear()
        self._loads.clear()

    def _arm(self) -> None:
        self._timer = self._loop.call_later(self._pause_s, self._try)
        self._pause_s = min(2 * self._pause_s, _MAX_PAUSE_S)

    def _try(self) -> None:
        """Seal the waiting commands in order; if the codec still does not answer, the rest keeps waiting."""
        try:
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
        except CodecUnavailableError as error:
            self.error = error
            self._arm()
            return
        self._runs.clear()
        self.is_open = False
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
            return _seal_waiting(value, self._sealing)
        except CodecUnavailableError:
            raise
        except SealedError as error:
            return error

    def _record_findings(self, findings: tuple[ProcessFinding, ...]) -> None:
        if self._real_store.session is not None:
            self._real_store.submit(RecordProcessFindings(findings, (ProcessFindingKind.CODEC,)), lambda _answer: None)


def _run_of(command: StoreCommand[object]) -> str | None:
    """Return the run whose order of commands this one keeps: the start of a child is a command of its parent."""
    if isinstance(command, StartRun):
        return None if command.parent is None else command.parent.run
    return getattr(command, "run", None)


def _holds_unsealed(value: Any) -> bool:
    if isinstance(value, UnsealedValue):
        return True
    if isinstance(value, msgspec.Struct):
        return any(_holds_unsealed(getattr(value, name)) for name in value.__struct_fields__)
    return isinstance(value, tuple) and any(_holds_unsealed(item) for item in value)


def _seal_waiting(value: Any, sealing: Sealing) -> Any:
    """Return the value with each waiting part sealed. Raises SealedError."""
    if isinstance(value, UnsealedValue):
        if value.is_text:
            return sealing.seal_text(value.data.decode("utf-8", "surrogatepass"))
        if value.sealed is None:
            value.sealed = sealing.seal_inline(value.data) if value.is_inline else sealing.seal(value.data)
        value = value.sealed
    if isinstance(value, bytes):
        return value if sealing.large is None else sealing.large.renew(value)
    if isinstance(value, Failure) and isinstance(value.sealed, UnsealedValue):
        return _seal_failure(value, sealing)
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        sealed = {name: _seal_waiting(field, sealing) for name, field in fields.items()}
        return replace(value, **{name: field for name, field in sealed.items() if field is not fields[name]})
    if isinstance(value, tuple) and _holds_unsealed(value):
        return tuple(_seal_waiting(item, sealing) for item in value)
    return value


def _seal_failure(failure: Failure, sealing: Sealing) -> Failure:
    """Return the failure sealed, or without its text if waiting cannot help: its kind and code are written all the same."""
    try:
        return replace(failure, sealed=_seal_waiting(failure.sealed, sealing))
    except CodecUnavailableError:
        raise
    except SealedError as error:
        return drop_failure_text(failure, error)
