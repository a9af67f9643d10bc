"""What a driver needs of the worker around it: the store, time, attempts, and where to go when it rests."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from mainspring.domain.clock import Clock
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import Fact
from mainspring.engine.attempts.executor import AttemptExecutor
from mainspring.engine.attempts.logs.log_processor import LogProcessor
from mainspring.engine.body.request import ChildCall, Request
from mainspring.store.base import Store
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import ClaimedRun, StartRun

if TYPE_CHECKING:
    from mainspring.engine.body.programs import Program
    from mainspring.engine.driver.driver import Driver


class DriverLookup(Protocol):
    """The runs that are aboard of a worker, as whoever brings them news sees them."""

    drivers: "dict[str, Driver]"

    @property
    def active(self) -> int:
        """How many there are."""
        ...

    def driver_of(self, run: str) -> "Driver | None":
        """Return the driver of a run that is aboard and to which something happened."""
        ...


class DriverHost(Protocol):
    """The worker, as a driver sees it."""

    loop: asyncio.AbstractEventLoop
    store: Store
    clock: Clock
    attempts: AttemptExecutor
    lines: LogProcessor
    suspend_after_ms: int
    """A wait shorter than this is waited out in memory."""
    payload_max: int
    """The largest value, in bytes of JSON."""

    def seal(self, data: bytes | None) -> bytes | None:
        """Make a value's bytes what the store keeps (codec), as a field of a command: while the codec is out of reach the command waits."""
        ...

    def seal_now(self, data: bytes | None) -> bytes | None:
        """Make a value's bytes what the store keeps, where they are more than a field of a command. Raises CodecUnavailableError."""
        ...

    def await_codec(self, driver: "Driver") -> None:
        """Let a driver's `codec_answered` be called when the codec answers again."""
        ...

    def seal_failure(self, failure: Failure | None) -> Failure | None:
        """Make a failure what the store keeps."""
        ...

    def open_fact(self, fact: Fact) -> Fact:
        """Make a fact of the inbox readable."""
        ...

    def refusal_of(self, name: str, refused: Refused) -> Failure:
        """Return a refused start of a child as data."""
        ...

    def child_of(self, run: ClaimedRun, request: Request, call: ChildCall) -> StartRun:
        """Return the command that starts a child."""
        ...

    def cancel_child(self, run: ClaimedRun, request: Request) -> None:
        """Ask a child that nobody waits for any more to stop."""
        ...

    def failure_of(self, error: BaseException) -> Failure:
        """Return an exception as data."""
        ...

    def restart_of(self, run: ClaimedRun, program: "Program", data: bytes) -> StartRun:
        """Return the run that continues `run` with a new input."""
        ...

    def transactional(self, spec: Any) -> Callable[..., Any]:
        """Return what to call for a step in the user's own database."""
        ...

    def park(self, driver: "Driver") -> None:
        """Keep a suspended driver in memory, within bounds."""
        ...

    def progressed(self, driver: "Driver", name: str) -> None:
        """An outcome of the run was committed: that of a request of this name."""
        ...

    def look_for_facts(self) -> None:
        """Read the inboxes of loaded runs soon."""
        ...

    def gone(self, driver: "Driver") -> None:
        """Forget a driver."""
        ...

    def broken(self, driver: "Driver", error: Exception) -> None:
        """A command of this run cannot be executed at all: a defect of ours; the run is let go and reported."""
        ...
