"""`ms.App`: start and steer runs from Python, and run a worker inside your own program.

    app = ms.App(store="state.db")
    async with app.running():                 # a worker in this loop; omit it if another process works
        handle = await app.start(order, ...)
        result = await handle.result()

    app.run(order, ...)                       # blocking: a worker for this one call

All operations go through the service layer, with `app:pid@host` as the actor.
"""

import asyncio
import contextlib
import contextvars
import logging
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, Never, ParamSpec, Self, TypeVar, overload

import msgspec

from mainspring.app.handle import Handle
from mainspring.app.project import Project
from mainspring.app.question_queries import QuestionQueries
from mainspring.app.reconciliation import DailyReconciliation
from mainspring.app.run_operations import EngineOperation, RunOperations
from mainspring.app.run_queries import RunQueries
from mainspring.app.run_starter import PreparedStart, RunStarter
from mainspring.app.schedules.schedule_operations import ScheduleOperations
from mainspring.app.setup.calendars import make_calendars
from mainspring.app.start_options import StartsWithOptions
from mainspring.app.stores.blob_place import make_large_values
from mainspring.app.stores.store_factory import make_store, require_store
from mainspring.app.workers.blob_sweep import BlobSweep
from mainspring.app.workers.upkeep import Upkeep
from mainspring.app.workers.worker_runtime import WorkerRuntime
from mainspring.config.locations import ProcessSurroundings, find_file, is_server_url
from mainspring.domain.clock import Clock, SystemClock
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.errors import (
    ArgumentError,
    ConfigError,
    ConflictError,
    DefinitionError,
    NoStoreError,
    OptionError,
    UnknownNameError,
)
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.option_errors import reject_unknown_options
from mainspring.domain.processes.hash_seed import HASH_SEED_FIX, has_random_hash_seed
from mainspring.domain.values.codec import DEFAULT_LIMIT, Codec, encode
from mainspring.domain.values.function_signature import Signature
from mainspring.domain.values.saved_call import roundtrip_call
from mainspring.domain.values.sealing import Sealing, read_payload_limit
from mainspring.engine.attempts.context_flags import IMPORTING_FOR_RUN
from mainspring.engine.attempts.transaction import Tx
from mainspring.engine.definitions.automation import Automation, Script, Task, Workflow
from mainspring.engine.definitions.middleware import declare_middleware
from mainspring.engine.definitions.registry import (
    Registry,
    current_registry,
    list_declarations_of_file,
    list_middleware_of_file,
)
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.resources.secret_store import SecretStore
from mainspring.resources.secret_variables import SECRET_VARIABLES
from mainspring.service.actor import Actor, operation_context
from mainspring.service.run_engine import RunEngine
from mainspring.service.runs.run_start import encode_arguments
from mainspring.service.schedule import SchedulingContext
from mainspring.service.store_engine import StoreEngine
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.rollouts import read_version_in_force

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

FULL_DISK_TIMEOUT_S = 5.0
"""After this time the caller of an operation gets an error: the disk is full and nothing was done. Runs keep waiting for space."""

_MAX_CALLS = 64
"""Operations at once. Each waits for its commit in a thread, and those that wait together are committed together."""

_LOG = logging.getLogger("mainspring.worker")
_WARNED_WORKFLOWS: set[str] = set()


class Starter(RunStarter):
    """Returned by `App.options`: it starts runs with these options."""

    def __init__(self, app: "App", options: StartOptions) -> None:
        self._app = app
        self._options = options

    def _start_context(self) -> tuple["App", StartOptions]:
        return self._app, self._options


class App(RunStarter, StartsWithOptions[Starter], RunOperations):
    """One store and the automations of this process: it starts and steers runs, and can run a worker.

    `store` = a file, or the address of a PostgreSQL database. `registry` = the automations (default: all that this process declares).
    `codec` = encrypts values. `classifier` = says which errors are transient. `clock` = for tests. `concurrency` = attempts at once in its
    worker. `tags` = tags of its worker, which then also runs what has such a `tag=`. `databases` = targets of transactional steps by name,
    `brokers` = addresses for `ms.send` by name. `payload_max` = the largest saved value in bytes, or "256KiB".

    Raises:
        OptionError: an option cannot be used.
        UnknownOptionError: there is no such option.
    """

    def __init__(
        self,
        store: str | Path = "mainspring.db",
        *,
        registry: Registry | None = None,
        codec: Codec | None = None,
        classifier: Classifier | None = None,
        clock: Clock | None = None,
        concurrency: int = 64,
        tags: Sequence[str] = (),
        databases: Mapping[str, str | Path] | None = None,
        brokers: Mapping[str, str] | None = None,
        payload_max: int | str = DEFAULT_LIMIT,
        **unknown: Never,
    ) -> None:
        reject_unknown_options("ms.App", App.__init__, unknown)
        self.place = _store_location(store)
        self.registry = registry or current_registry()
        self.clock = clock or SystemClock()
        large = make_large_values(self.place, self.clock.now)
        self.sealing = Sealing(codec, _read_payload_limit(payload_max), large=large)
        self._classifier = classifier
        self._settings = WorkerOptions(concurrency=concurrency, tags=_read_tags(tags))
        self._places: dict[str, Any] = {"databases": databases, "brokers": brokers}
        self._project: Project | None = None
        self._runtime: WorkerRuntime | None = None
        self._has_own_middleware = False
        self._store: ProcessStore | None = None
        self._opening = threading.Lock()
        self._threads = _make_threads()
        self._options = StartOptions()
        self.actor = Actor.app(os.getpid(), socket.gethostname())

    @classmethod
    def from_config(cls, config: str | Path | None = None, **flags: Any) -> Self:
        """Return an app on the project's store, with its automations loaded.

        Raises:
            ConfigError: the configuration cannot be used.
        """
        project = Project.find(flags=flags, config=None if config is None else Path(config))
        return cls.of(project, project.load_registry())

    @classmethod
    def of(cls, project: Project, registry: Registry) -> Self:
        """Return an app that works as the project's configuration says."""
        app = cls(project.settings.store.url, registry=registry, clock=project.clock)
        app.sealing = project.sealing
        app._project = project
        return app

    # -- lifetime ------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def running(self, *, schedules: bool = True, one_run: bool = False) -> AsyncIterator[Self]:
        """Run a worker in this loop until the block ends; then it drains. `schedules` = also create the runs of due slots.

        `one_run` = run only the run that `work_on` names and its children; all else waits for a permanent worker.

        Raises:
            StoreError: the store cannot be used.
            ConflictError: this app runs already.
            DefinitionError: a child process imports the file that calls this.
        """
        if self._runtime is not None:
            raise ConflictError(
                "this app is running already", hint="Use one `async with app.running()` for the whole program."
            )
        if IMPORTING_FOR_RUN.get():
            raise DefinitionError(
                "a file starts a worker while a process of the engine imports it for a step, which would start the next process, and so on",
                hint='Put the call of App.run or App.running below: if __name__ == "__main__":',
            )
        self._warn_of_random_hash_seed()
        runtime = self._make_runtime("run" if one_run else "app", schedules=schedules)
        runtime.store.full_disk_timeout_s = FULL_DISK_TIMEOUT_S
        await runtime.open()
        self._runtime = runtime
        try:
            yield self
        finally:
            self._runtime = None
            await runtime.close()

    def _warn_of_random_hash_seed(self) -> None:
        """Warn if a workflow of the registry may drift because the next process has another hash seed."""
        if _WARNED_WORKFLOWS or not has_random_hash_seed():
            return
        name = next((automation.name for automation in self.registry if isinstance(automation, Workflow)), None)
        if name is not None:
            _WARNED_WORKFLOWS.add(name)
            _LOG.warning(
                "the hash seed of this process is random: if another process continues a run of %s, sets of text "
                "may have another order there, and the run stops for drift. To fix it, %s",
                name,
                HASH_SEED_FIX,
            )

    def _make_runtime(self, role: str, *, schedules: bool) -> WorkerRuntime:
        if self._project is not None:
            return self._project.make_runtime(self.registry, role=role, schedules=schedules)
        return WorkerRuntime(
            self.place,
            self.registry,
            clock=self.clock,
            sealing=self.sealing,
            classifier=self._classifier,
            settings=replace(self._settings, one_run=role == "run"),
            role=role,
            schedules=schedules,
            **self._places,
            secrets=_find_secrets(),
            upkeep=Upkeep(extra={} if role == "run" else self._make_upkeep_parts()),
        )

    def _make_upkeep_parts(self) -> dict[str, Callable[[ProcessStore], None]]:
        parts: dict[str, Callable[[ProcessStore], None]] = {
            "effects": DailyReconciliation(self.registry, self.sealing, self.clock).run_if_due
        }
        if self.sealing.large is not None:
            parts["large values"] = BlobSweep(self.sealing.large.contents, self.clock).run_if_due
        return parts

    def work_on(self, run_id: str) -> None:
        """Inside `running(one_run=True)`: run this run and its children."""
        if self._runtime is not None:
            self._runtime.worker.serve_only(run_id)

    @overload
    def run(self, automation: Task[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    def run(self, automation: Task[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    def run(self, automation: Workflow[P, T] | Task[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    def run(self, automation: Script, /) -> Any: ...
    @overload
    def run(self, automation: str, /, *args: Any, **kwargs: Any) -> Any: ...
    def run(self, automation: Automation | str, /, *args: Any, **kwargs: Any) -> Any:
        """Start a run, work on it alone until it ends, return its result. Blocking; not for an event loop's thread.

        An automation that the registry of this app does not have, as one of a program with `App.from_config()`, is added to it, with the
        others of its file.

        Raises:
            RunFailed: it ended without success. And whatever `start` raises.
            ConflictError: a loop already runs in this thread (a notebook, a coroutine); the store is on hold after a restore or a loss.
        """
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            raise ConflictError(
                "App.run blocks, but a loop runs in this thread already (a notebook, or a coroutine that called it)",
                hint="Write instead: async with app.running(): await (await app.start(...)).result()",
            )

        if isinstance(automation, Automation) and automation.name not in self.registry.names:
            for declared in list_declarations_of_file(automation):
                self.registry.add(declared)
            for middleware in list_middleware_of_file(automation):
                self.registry.add_middleware(middleware)

        async def work() -> Any:
            async with self.running(schedules=False, one_run=True):
                options = msgspec.structs.replace(self._options, awaited=True)
                starter = Starter(self, options)
                handle = await starter.start(automation, *args, **kwargs)  # type: ignore[arg-type]  # typed by the overloads
                self.work_on(handle.id)
                return await handle.result()

        return asyncio.run(work())

    def close(self) -> None:
        """Close the store that was opened for operations outside of `running()`. Later operations open it again."""
        store, self._store = self._store, None
        threads, self._threads = self._threads, _make_threads()
        if store is not None:
            store.close()
        threads.shutdown()
        if self.sealing.large is not None:
            self.sealing.large.contents.close()

    # -- operations ----------------------------------------------------------------------------------------------------

    def _make_starter(self, options: StartOptions) -> Starter:
        return Starter(self, options)

    def _start_context(self) -> tuple["App", StartOptions]:
        return self, self._options

    async def do(
        self,
        operation: EngineOperation[T],
        reason: str | None = None,
        *,
        creates_store: bool = False,
    ) -> T:
        """Call an operation of the engine off the loop, as this program. Raises NoStoreError, unless it `creates_store`."""
        context = operation_context(self.actor, self.clock, reason=reason)
        engine = await self.opened_engine(creates_store=creates_store)
        call = partial(contextvars.copy_context().run, operation, engine, act=context)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def middleware(self, kind: type[T]) -> type[T]:
        """Add a middleware to this app alone, as the decorator of its class; `ms.middleware` adds one to the whole program.

        It is inside of those of the program.

        Raises:
            DefinitionError: the class cannot be used.
            ConflictError: this app runs already.
        """
        if self._runtime is not None:
            raise ConflictError(
                "this app is running, and its middleware cannot change", hint="Declare it above `app.running()`."
            )
        if not self._has_own_middleware:
            self.registry, self._has_own_middleware = self.registry.derive(), True
        frame = sys._getframe(1)  # noqa: SLF001 - the cheap way to the caller's place
        return declare_middleware(kind, self.registry, f"{frame.f_code.co_filename}:{frame.f_lineno}", frame.f_code)

    @property
    def runs(self) -> RunQueries:
        """Reads of runs: `await app.runs.list(state="failed")`, `get`, `by_key` and `count`; `async for run in app.runs.iterate()`."""
        return RunQueries(self)

    @property
    def questions(self) -> QuestionQueries:
        """The open questions of runs to people: `await app.questions.list(assignee="finance")`."""
        return QuestionQueries(self)

    @property
    def schedules(self) -> ScheduleOperations:
        """The schedules: `await app.schedules.create(name, automation, cron=...)`, `change`, `pause`, `resume`, `delete`, `get`, `list`."""
        return ScheduleOperations(self)

    async def scheduling_context(self) -> SchedulingContext:
        """Return what operations on schedules need: the store, and the calendars and time zone of the project. Raises NoStoreError."""
        store = await self.opened_store()
        if self._project is None:
            return SchedulingContext(store, store.reader, self.sealing)
        settings = self._project.settings
        calendars = make_calendars(settings.calendars, self.clock.now())
        return SchedulingContext(store, store.reader, self.sealing, calendars, settings.project.timezone)

    def handle(self, run_id: str) -> Handle[Any]:
        """Return a handle on a run of this store; its methods raise NotFoundError if there is none of this id.

        Raises:
            ArgumentError: `run_id` is no text.
        """
        if not isinstance(run_id, str):
            raise ArgumentError(
                f"{run_id!r} is no id of a run",
                hint="Find a run by its key: (await app.runs.by_key(automation, key)).id",
            )
        return Handle(self, run_id, None, created=False)

    # -- what handles use ----------------------------------------------------------------------------------------------

    def open_store(self, *, creates_store: bool = False) -> ProcessStore:
        """Return the store: the running worker's, or one opened for operations, once for all simultaneous callers.

        Raises:
            NoStoreError: there is no store. Only a start and a worker create one.
        """
        if self._runtime is not None:
            return self._runtime.store
        with self._opening:
            if self._store is None:
                if not creates_store:
                    require_store(self.place)
                store = make_store(self.place, clock=self.clock, sealing=self.sealing)
                store.full_disk_timeout_s = FULL_DISK_TIMEOUT_S
                store.open()
                self._store = store
            return self._store

    async def opened_store(self, *, creates_store: bool = False) -> ProcessStore:
        """Return the store without blocking the loop. Raises NoStoreError, unless it `creates_store`."""
        store = self._store if self._runtime is None else self._runtime.store
        return await asyncio.to_thread(self.open_store, creates_store=creates_store) if store is None else store

    async def opened_engine(self, *, creates_store: bool = False) -> RunEngine:
        """Return the engine, with the store open. Raises NoStoreError, unless it `creates_store`."""
        return StoreEngine(await self.opened_store(creates_store=creates_store), self.clock, self.sealing)

    async def prepare_start(
        self, automation: Automation | str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> PreparedStart:
        """Return what starts a run of an automation that this program has, or that a worker has announced. Raises as `start`."""
        if isinstance(automation, str) and automation not in self.registry.names:
            return await self._prepare_announced(automation, args, kwargs)
        target = self.automation(automation)
        in_force = await self.choose_version(target)
        signature = (in_force if isinstance(automation, str) else target).signature
        limit = self.sealing.limit
        data = encode({}) if signature is None else roundtrip_call(signature, args, kwargs, target.name, limit=limit)[0]
        return PreparedStart(in_force.definition, data, signature)

    async def _prepare_announced(self, name: str, args: tuple[Any, ...], arguments: dict[str, Any]) -> PreparedStart:
        if args:
            raise ArgumentError(
                f"{name}: its code is not here, so arguments are passed by name, as in start({name!r}, n=1)"
            )
        try:
            engine = await self.opened_engine()
            definition = await asyncio.to_thread(engine.find_definition, name)
        except (NoStoreError, UnknownNameError) as error:
            if isinstance(error, NoStoreError) and not self.registry.names:
                raise
            known = error.known if isinstance(error, UnknownNameError) else ()
            raise UnknownNameError("automation", name, {*known, *self.registry.names}) from None
        return PreparedStart(definition, encode_arguments(definition, arguments, self.sealing.limit), None)

    async def choose_version(self, automation: Automation) -> Automation:
        """Return the version in force of an automation, if the registry has several."""
        if not self.registry.has_candidate(automation.name):
            return automation
        store = await self.opened_store(creates_store=True)
        find_in_force = partial(read_version_in_force, store.reader)
        return await asyncio.to_thread(self.registry.choose_version, automation, find_in_force)

    def find_signature(self, name: str, version: int) -> Signature | None:
        """Return the signature of an automation that the registry of this app has; None = its results are plain JSON."""
        automation = self.registry.find(name, version)
        return None if automation is None else automation.signature

    def automation(self, automation: Automation | str) -> Automation:
        """Return the automation of a name, or the given one.

        Raises:
            UnknownNameError, DefinitionError: there is no such automation, or the object is none.
        """
        if isinstance(automation, str):
            return self.registry.get(automation)
        if not isinstance(automation, Automation):
            raise DefinitionError(
                f"{getattr(automation, '__name__', automation)!r} is not an automation: decorate it with "
                "@ms.workflow or @ms.task"
            )
        return automation


def _read_payload_limit(payload_max: int | str) -> int:
    try:
        return read_payload_limit(payload_max)
    except OptionError as error:
        raise OptionError(f"App(payload_max=...): {error.message}", hint=error.hint) from None


def _read_tags(tags: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tags, str) or not all(isinstance(tag, str) and tag for tag in tags):
        raise OptionError(f"App(tags=...): expected a list of words, got {tags!r}", hint='Write tags=["gpu"].')
    return tuple(tags)


def _store_location(store: str | Path) -> str | Path:
    """Return the file, or the URL of a server."""
    text = str(store)
    return text if is_server_url(text) else Path(text.removeprefix("sqlite:///")).absolute()


def _find_secrets() -> SecretStore | None:
    """Return the secrets of the configuration in this folder, which actions read too; None = only those of the environment."""
    around = ProcessSurroundings(SECRET_VARIABLES.own(os.environ), Path.cwd(), os.getuid())
    try:
        return None if find_file(around, None) is None else Project.current().secrets
    except ConfigError as error:
        _LOG.warning("only secrets of the environment can be read: %s", error)
        return None


def _make_threads() -> ThreadPoolExecutor:
    """Return the threads in which operations wait; each begins when it is needed."""
    return ThreadPoolExecutor(_MAX_CALLS, thread_name_prefix="mainspring-call")
