"""The starter of runs: the typed `start` of an app, and of its starters with options."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar, overload

import msgspec

from mainspring.app.blocking import run_blocking
from mainspring.app.handle import Handle
from mainspring.app.update import await_reply
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.runs.update import REPLY_TIMEOUT_S, Update, check_timeout
from mainspring.domain.values.function_signature import Signature
from mainspring.engine.attempts.transaction import Tx
from mainspring.engine.definitions.automation import Automation, Script, Task, Workflow
from mainspring.resources.trace_baggage import add_current_baggage

if TYPE_CHECKING:
    from mainspring.app.application import App

P = ParamSpec("P")
T = TypeVar("T")


class PreparedStart(NamedTuple):
    """A definition, the arguments of one start as JSON, and the signature by which its result is read; None = as plain JSON."""

    definition: Definition
    data: bytes
    signature: Signature | None


class RunStarter(ABC):
    """The typed `start` of an app and of its starters with options."""

    @abstractmethod
    def _start_context(self) -> tuple["App", StartOptions]:
        """Return the app, and the options of the runs that it starts."""

    @overload
    async def start(
        self, automation: Task[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Handle[T]: ...
    @overload
    async def start(
        self, automation: Task[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Handle[T]: ...
    @overload
    async def start(
        self, automation: Workflow[P, T] | Task[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Handle[T]: ...
    @overload
    async def start(self, automation: Script, /) -> Handle[Any]: ...
    @overload
    async def start(self, automation: str, /, *args: Any, **kwargs: Any) -> Handle[Any]: ...
    async def start(self, automation: Automation | str, /, *args: Any, **kwargs: Any) -> Handle[Any]:
        """Start a run and return its handle once the start is committed.

        An automation is named by its function, or by its name. Its code need not be here: then a worker must have announced it, and
        arguments are passed by name.

        Raises:
            UnknownNameError: neither this program nor a worker has an automation of this name.
            ArgumentError, ValueRefusedError: the arguments do not fit.
            BusyError, KeyConflictError, ConflictError: the start was refused.
        """
        app, options = self._start_context()
        options = _add_baggage(options)
        prepared = await app.prepare_start(automation, args, kwargs)
        started = await app.do(
            lambda engine, *, act: engine.start(prepared.definition, prepared.data, act=act, options=options),
            creates_store=True,
        )
        return Handle(app, started.run, prepared.signature, created=started.created)

    async def start_with_update(
        self,
        update: Update,
        automation: Automation | str,
        /,
        *args: Any,
        timeout: float | None = REPLY_TIMEOUT_S,
        **kwargs: Any,
    ) -> tuple[Handle[Any], Any]:
        """Start a run, or find the one of the key, and send it an update in the same commit; return its handle and the reply.

        For a run that its first request creates: `await app.options(key="cart:7").start_with_update(ms.Update("add", item), cart, 7)`.
        `timeout` = seconds to wait for the reply, None = without limit. After a TimeoutError the start and the update stay in force.

        Raises:
            ConflictError: the run of the key has ended.
            Errors: all of `start` and of `Handle.update`.
        """
        check_timeout(timeout)
        app, options = self._start_context()
        options = _add_baggage(options)
        prepared = await app.prepare_start(automation, args, kwargs)
        stored = await app.do(
            lambda engine, *, act: engine.start_with_update(
                prepared.definition,
                prepared.data,
                update.name,
                update.value,
                act=act,
                options=options,
                request_id=update.id,
            ),
            creates_store=True,
        )
        handle = Handle[Any](app, stored.run, prepared.signature, created=stored.created_run)
        return handle, await await_reply(app, stored.id, update.type, timeout)

    def start_with_update_sync(
        self,
        update: Update,
        automation: Automation | str,
        /,
        *args: Any,
        timeout: float | None = REPLY_TIMEOUT_S,
        **kwargs: Any,
    ) -> tuple[Handle[Any], Any]:
        """Start a run with an update as `start_with_update` does, and block. Raises ConflictError in the thread of a loop."""
        started = self.start_with_update(update, automation, *args, timeout=timeout, **kwargs)
        return run_blocking(started, "app.start_with_update")

    @overload
    def start_sync(
        self, automation: Task[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Handle[T]: ...
    @overload
    def start_sync(
        self, automation: Task[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Handle[T]: ...
    @overload
    def start_sync(
        self, automation: Workflow[P, T] | Task[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Handle[T]: ...
    @overload
    def start_sync(self, automation: Script, /) -> Handle[Any]: ...
    @overload
    def start_sync(self, automation: str, /, *args: Any, **kwargs: Any) -> Handle[Any]: ...
    def start_sync(self, automation: Any, /, *args: Any, **kwargs: Any) -> Handle[Any]:
        """Start a run as `start` does, and block until that is committed: for Flask, Django and scripts.

        Raises:
            ConflictError: an event loop runs in this thread. And whatever `start` raises.
        """
        start: Callable[..., Coroutine[Any, Any, Handle[Any]]] = self.start
        return run_blocking(start(automation, *args, **kwargs), "app.start")


def _add_baggage(options: StartOptions) -> StartOptions:
    """Return the options with the baggage of the calling code, if it uses OpenTelemetry."""
    headers = add_current_baggage(options.headers)
    return options if headers is options.headers else msgspec.structs.replace(options, headers=headers)
