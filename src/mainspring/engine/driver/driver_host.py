"""The host of a driver: what it needs from its worker: store, clock, attempts, and calls for suspended and unloaded runs."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from mainspring.domain.clock import Clock
from mainspring.domain.failures.failure import Failure
from mainspring.domain.flags.flag import FlagAnswer
from mainspring.domain.runs.journal import Fact
from mainspring.domain.runs.stream import StreamLimits
from mainspring.engine.attempts.executor import AttemptExecutor
from mainspring.engine.attempts.logs.log_processor import LogProcessor
from mainspring.engine.body.request import ChildCall, Request, StartCall
from mainspring.engine.driver.blocking_calls import BlockingCaller
from mainspring.store.base import EngineReads, Store
from mainspring.store.commands.flags import AnswerFlag
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import ClaimedRun, StartRun

if TYPE_CHECKING:
    from mainspring.engine.body.programs import Program
    from mainspring.engine.driver.driver import Driver


class DriverLookup(Protocol):
    """The loaded runs of a worker, for code that delivers reports and facts to them."""

    drivers: "dict[str, Driver]"

    @property
    def active(self) -> int:
        """Number of runs that the worker works on."""
        ...

    def driver_of(self, run: str) -> "Driver | None":
        """Return the driver of a loaded run that something happened to."""
        ...


class RunFlagQuestions(Protocol):
    """Answers the questions of runs about flags."""

    def ask(
        self, command: AnswerFlag, automation: str, on_answer: Callable[[FlagAnswer | BaseException], None]
    ) -> None:
        """Answer a question of a run of this automation."""
        ...


class DriverHost(Protocol):
    """The worker as a driver uses it."""

    loop: asyncio.AbstractEventLoop
    store: Store
    reads: EngineReads
    off_loop: BlockingCaller
    clock: Clock
    attempts: AttemptExecutor
    lines: LogProcessor
    suspend_after_ms: int
    """A run with a shorter wait is not suspended: it waits in memory."""
    payload_max: int
    """The largest value, in bytes of JSON."""
    stream_limits: StreamLimits
    """How much of one stream is stored."""

    @property
    def flags(self) -> RunFlagQuestions:
        """The flags of the worker."""
        ...

    def seal(self, data: bytes | None) -> bytes | None:
        """Seal the bytes of a value as a field of a command; while the codec does not answer, the command waits."""
        ...

    def seal_inline(self, data: bytes | None) -> bytes | None:
        """Seal the bytes of a value that stays in its column, whatever its size; while the codec does not answer, the command waits."""
        ...

    def seal_now(self, data: bytes | None) -> bytes | None:
        """Seal the bytes of a value that are not a whole field of a command. Raises CodecUnavailableError."""
        ...

    def await_codec(self, driver: "Driver") -> None:
        """Call the driver's `codec_answered` when the codec answers again."""
        ...

    def seal_failure(self, failure: Failure | None) -> Failure | None:
        """Seal a failure for the store."""
        ...

    def open_fact(self, fact: Fact) -> Fact:
        """Open a sealed fact of the inbox."""
        ...

    def refusal_of(self, name: str, refused: Refused) -> Failure:
        """Return a refused start of a child as a failure."""
        ...

    def child_of(self, run: ClaimedRun, request: Request, call: ChildCall | StartCall) -> StartRun:
        """Return the command that starts a child, or a run of its own."""
        ...

    def cancel_child(self, run: ClaimedRun, request: Request, *, undo: bool | None) -> None:
        """Cancel a child that no code awaits any more; `undo` = whether it undoes its steps, None = as its definition says."""
        ...

    def failure_of(self, error: BaseException) -> Failure:
        """Return an exception as a failure."""
        ...

    def restart_of(self, run: ClaimedRun, program: "Program", data: bytes) -> StartRun:
        """Return the run that continues `run` with a new input."""
        ...

    def transactional(self, spec: Any) -> Callable[..., Any]:
        """Return the call that runs a step in the user's own database."""
        ...

    def park(self, driver: "Driver") -> None:
        """Keep a suspended driver in memory, within bounds."""
        ...

    def progressed(self, driver: "Driver", name: str) -> None:
        """Note that the outcome of a request of this name was committed."""
        ...

    def read_inboxes(self) -> None:
        """Start to read the inboxes of loaded runs."""
        ...

    def driver_unloaded(self, driver: "Driver") -> None:
        """Drop an unloaded driver."""
        ...

    def broken(self, driver: "Driver", error: Exception) -> None:
        """Unload and halt a run with a command that can never be executed: a defect of Mainspring."""
        ...
