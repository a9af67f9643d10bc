"""Starters of runs with options that were given before: `app.options(...).start(...)`."""

from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from mainspring.app.handle import Handle
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.values.codec import encode
from mainspring.domain.values.saved_call import roundtrip_call
from mainspring.engine.attempts.transaction import Tx
from mainspring.engine.definitions.automation import Automation, Script, Task, Workflow
from mainspring.service.runs import run_start

if TYPE_CHECKING:
    from mainspring.app.application import App

P = ParamSpec("P")
T = TypeVar("T")


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

        Raises:
            ArgumentError, ValueRefusedError: the arguments do not fit.
            BusyError, KeyConflictError, ConflictError: the start was refused.
        """
        app, options = self._start_context()
        target = app.automation(automation)
        signature = target.signature
        data = (
            encode({})
            if signature is None
            else roundtrip_call(signature, args, kwargs, target.name, limit=app.sealing.limit)[0]
        )
        definition = target.definition
        started = await app.do(
            lambda store, act: run_start.start(
                store, app.clock, definition, data, act=act, options=options, sealing=app.sealing
            ),
            creates_store=True,
        )
        return Handle(app, started.run, signature, created=started.created)


class Starter(RunStarter):
    """Starts runs with options that were given before."""

    def __init__(self, app: "App", options: StartOptions) -> None:
        self._app = app
        self._options = options

    def _start_context(self) -> tuple["App", StartOptions]:
        return self._app, self._options
