"""Context of one command: its flags, and what they lead to: settings, the store, the actor. Each is created on first use.

This is the only place of the command line that opens a store.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from mainspring.cli.exits import ConfirmationNeededError, DeclinedError
from mainspring.cli.global_flags import GlobalFlags
from mainspring.cli.output import Output
from mainspring.domain.errors import ConfigError, MainspringError, NoStoreError, NotFoundError, StoreError

if TYPE_CHECKING:
    from mainspring.config.settings import Settings
    from mainspring.domain.clock import Clock
    from mainspring.domain.values.sealing import Sealing
    from mainspring.engine.definitions.registry import Registry
    from mainspring.insight.runs.up_command import UpCommand
    from mainspring.resources.secret_store import SecretStore
    from mainspring.service.actor import OperationContext
    from mainspring.service.reads import ServiceReads
    from mainspring.service.run_engine import RunEngine
    from mainspring.service.view_unsealing import ViewUnsealer
    from mainspring.store.base import StoreReader
    from mainspring.store.process_store import ProcessStore
    from mainspring.store.read.short_ids import IdKind

T = TypeVar("T")

STORE_TIMEOUT_S = 4.0
"""Seconds of failures of the store after which an operation is abandoned: its caller waits for the result."""


class Invocation:
    """One call of the program. `pass_invocation` passes it to each command."""

    def __init__(self) -> None:
        self.flags = GlobalFlags()
        self.ends_at_once = False
        """Whether the process may end without its exit handlers: all is closed, all output flushed, and no code of a user was loaded."""
        self._store: ProcessStore | None = None
        self._reader: StoreReader | None = None
        self._registries: dict[tuple[str, ...], Registry] = {}
        self._reported: set[str] = set()
        self._has_faults = False

    @cached_property
    def output(self) -> Output:
        """The streams of this call."""
        return Output(self.flags)

    @cached_property
    def machine_clock(self) -> "Clock":
        """The clock of this machine, which may differ from the store's."""
        from mainspring.domain.clock import SystemClock

        return SystemClock()

    @cached_property
    def clock(self) -> "Clock":
        """The clock for comparison with the store's instants: the server's, or this machine's for a file. Raises ConfigError."""
        if not self.settings.store.is_remote:
            return self.machine_clock
        from mainspring.app.stores.server_clock import ServerClock

        return ServerClock(self.machine_clock, self._server_now)

    def _server_now(self) -> int | None:
        """Return the instant of the store's server; None if it does not answer, which the command's own read reports."""
        with suppress(MainspringError):
            return int(self.reader.read("read_server_time")[0][0])
        return None

    @cached_property
    def settings(self) -> "Settings":
        """The settings in force. Raises ConfigError."""
        from mainspring.app.setup.process_policy import apply_process_policy
        from mainspring.config import load, misspelt_variables

        for name, known_name in misspelt_variables(os.environ):
            self.output.warn(f"nothing reads the variable {name}\nDid you mean {known_name}?")
        flags = {"store.url": self.flags.store, "project.environment": self.flags.environment}
        config = Path(self.flags.config) if self.flags.config else None
        settings = load(env=os.environ, cwd=_current_folder(), uid=os.getuid(), flags=flags, config=config)
        apply_process_policy(settings)
        return settings

    @property
    def zone(self) -> str:
        """The time zone of printed instants."""
        return self.settings.project.timezone

    @cached_property
    def up_command(self) -> "UpCommand":
        """The `mainspring up` command for this folder and the store of this command. Raises ConfigError."""
        from mainspring.app.setup.up_command import make_up_command

        return make_up_command(self.settings, store=self.flags.store, folder=str(_current_folder()))

    def engine(self, sealing: "Sealing | None" = None) -> "RunEngine":
        """Return the engine of the project; `sealing` = that of new values, by default of the settings. Opens the store."""
        from mainspring.service.store_engine import StoreEngine

        return StoreEngine(self.store, self.clock, self.sealing if sealing is None else sealing)

    @property
    def path(self) -> Path:
        """The store's file, existing or not. Raises ConfigError if the store is on a server."""
        return self.settings.store.path

    @property
    def location(self) -> str:
        """The location of the store, for people."""
        return self.settings.store.location

    @property
    def reader(self) -> "StoreReader":
        """The reader of the store. Reads never create or change a store.

        Raises:
            NoStoreError: there is no store.
            StoreError: it cannot be read, or its schema version is unknown to this program.
        """
        if self._store is not None:
            return self._store.reader
        if self._reader is None:
            from mainspring.app.stores.store_factory import make_reader

            self.require_store()
            self._reader = make_reader(self.settings.store.url)
            with suppress(StoreError):  # the command's own read reports why the store cannot be read
                if not self.settings.store.is_remote:
                    from mainspring.store.sqlite.check import check_small

                    check_small(self.path)  # finds damage that this command does not read
                self._report_faults(self._reader)
        return self._reader

    def _report_faults(self, reader: "StoreReader") -> None:
        """Print the faults of the store itself at once; with --json only at the end. Raises StoreError."""
        from mainspring.store.base import error_of_finding

        if self._has_faults:
            return
        faults = [error_of_finding(finding, self.location) for finding in reader.findings()]
        self._has_faults = self.output.is_partial = bool(faults)
        for fault in faults if not self.output.is_json else ():
            self.output.warn(f"error: {fault.message}\n{fault.hint}")

    def store_fault(self) -> StoreError | None:
        """Return why the results of this command may be incomplete; None after a change, whose result stands alone."""
        if not self._has_faults or self._store is not None or self._reader is None:
            return None
        from mainspring.store.base import error_of_finding

        with suppress(StoreError):  # read again: `db check` removes a note of damage that it cannot confirm
            return next((error_of_finding(finding, self.location) for finding in self._reader.findings()), None)
        return None

    @cached_property
    def sealing(self) -> "Sealing":
        """How the configuration encodes values, for operations. Raises ConfigError if its codec cannot be imported."""
        from mainspring.app.setup.codec import make_sealing

        return make_sealing(self.settings.store, self.settings.folder)

    def unseal(self, read: "Callable[[ViewUnsealer], T]") -> T:
        """Call `read` with the unsealer: it decodes what the codec can. Print how to read the rest."""
        result = read(self._unsealer)
        for message, hint in self._unsealer.closed.items():
            if message not in self._reported:
                self._reported.add(message)
                self.output.warn(f"{message}\n{hint}")
        return result

    @cached_property
    def _unsealer(self) -> "ViewUnsealer":
        from mainspring.domain.values.sealing import PLAIN_SEALING
        from mainspring.service.view_unsealing import ViewUnsealer

        try:
            return ViewUnsealer(self.sealing, lenient=True)
        except ConfigError as error:
            self.output.warn(f"{error.message}\n{error.hint}")
            return ViewUnsealer(PLAIN_SEALING, lenient=True)

    @property
    def reads(self) -> "ServiceReads":
        """The reads that operations need."""
        from mainspring.store.read.operation_reads import OperationReads

        return OperationReads(self.reader)

    @property
    def store(self) -> "ProcessStore":
        """The open store, for operations. Raises NoStoreError, StoreError."""
        if self._store is None:
            self.require_store()
            return self.make_store()
        return self._store

    def make_store(self, *, recreate: bool = False) -> "ProcessStore":
        """Open the store, and create it if there is none; with `recreate` also if it was removed. Raises StoreError."""
        if self._store is None:
            from mainspring.app.stores.store_factory import make_store

            options = {"recreate": True} if recreate and not self.settings.store.is_remote else {}
            store = make_store(self.settings.store.url, clock=self.machine_clock, timeout_s=STORE_TIMEOUT_S, **options)
            store.open()
            self._store = store
            with suppress(StoreError):
                self._report_faults(store.reader)
        return self._store

    def migrate_store(self) -> None:
        """Migrate an existing store to this program's schema version, as each writing process does. Raises StoreError."""
        from mainspring.app.stores.store_factory import make_store, store_exists

        if store_exists(self.settings.store.url):
            store = make_store(self.settings.store.url, clock=self.machine_clock, timeout_s=STORE_TIMEOUT_S)
            store.open()
            store.close()

    def is_there(self) -> bool:
        """Return whether there is a store; a server is contacted only by the first read. Raises StoreRemovedError if it was removed."""
        if self.settings.store.is_remote:
            return True
        from mainspring.app.stores.store_factory import require_not_removed
        from mainspring.store.sqlite.file_identity import is_there

        require_not_removed(self.path)
        return is_there(self.path)

    def read(self, query: "Callable[[StoreReader], T]") -> T:
        """Query the store. Raises NoStoreError without a store: an empty result would look healthy."""
        return query(self.reader)

    def read_if_made(self, query: "Callable[[StoreReader], T]", otherwise: T) -> T:
        """Query the store, or return `otherwise` without a store: for commands that have a result without one."""
        if self._store is None and not self.is_there():
            return otherwise
        try:
            reader = self.reader
        except NoStoreError:  # an empty file: another process creates the store right now
            return otherwise
        return query(reader)

    def rows_if_made(self, query: "Callable[[StoreReader], list[T]]") -> "list[T]":
        """Query the store for a list, as read_if_made does; without a store it is empty."""
        no_rows: list[T] = []
        return self.read_if_made(query, no_rows)

    def run_id(self, text: str) -> str:
        """Return the id of the run that matches an id, its start or end, AUTOMATION/KEY, @last or @failed.

        Raises:
            NotFoundError, ConflictError: there is none, or several match.
        """
        from mainspring.store.read.runs.run_views import resolve_id

        try:
            return resolve_id(self.reader, text)
        except NotFoundError:
            self._refuse_automation(text)
            raise

    def _refuse_automation(self, text: str) -> None:
        """Raise NotFoundError, which names its last run, if this is the name of an automation."""
        import shlex

        from mainspring.store.read.automations.automation_stats import newest_runs
        from mainspring.store.read.status.status import automations

        if not automations(self.reader, text):
            return
        last = newest_runs(self.reader, [text], 1)[text]
        run = f" Its last run: mainspring explain {last[0].run}" if last else " It has no run."
        raise NotFoundError(
            f"{text} is an automation, but a run is expected",
            hint=f"See it: mainspring auto show {shlex.quote(text)}.{run}",
        )

    def short_ids(self, kind: "IdKind", ids: "Iterable[str]") -> dict[str, str]:
        """Return the short form of each id, as lists print it and every command accepts it."""
        from mainspring.store.read.short_ids import short_ids

        full_ids = list(ids)
        return short_ids(self.reader, kind, full_ids) if full_ids else {}

    @cached_property
    def act(self) -> "OperationContext":
        """The actor, reason and command id of operations. Raises OptionError."""
        from mainspring.domain.text.escaping import escape
        from mainspring.service.actor import Actor, operation_context, user_name

        actor = Actor.cli(user_name(), socket.gethostname())
        if self.flags.actor:
            # The actor's channel is a fact and cannot be claimed; the name is what the caller states.
            actor = Actor(actor.entry_point, escape(" ".join(self.flags.actor.split()), 200))
        return operation_context(actor, self.clock, reason=self.flags.reason, command=self.flags.command_id)

    def registry(self, targets: tuple[str, ...] = ()) -> "Registry":
        """Import the automations, once: those of the configuration and of `targets` (-m). From then on stdout is for data only."""
        from mainspring.app.project import Project

        if targets not in self._registries:
            self.output.reserve_stdout()
            self._registries[targets] = Project(self.settings).load_registry(targets)
        return self._registries[targets]

    @cached_property
    def secrets(self) -> "SecretStore":
        """The secrets of the project, with one cache and one sign-in at each provider."""
        from mainspring.app.project import Project

        return Project(self.settings).secrets

    def confirm(self, operation: str) -> None:
        """Continue if -y was given or a person confirms.

        Raises:
            ConfirmationNeededError: no person can be asked.
            DeclinedError: the person declined.
        """
        if self.flags.yes:
            return
        if self.flags.no_input or not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ConfirmationNeededError(
                f"{operation}. This needs a confirmation", hint="Add -y to do it without asking."
            )
        if not click.confirm(f"{operation}?", err=True):
            raise DeclinedError("cancelled: nothing was done")

    def close(self) -> None:
        """Close what was opened."""
        if self._store is not None:
            self._store.close()
        if self._reader is not None:
            self._reader.close()
        self._store = self._reader = None
        self.output.close()

    def require_store(self) -> None:
        """Raise NoStoreError, StoreRemovedError or NotAStoreError unless there is a store."""
        if not self.is_there():
            from mainspring.app.stores.store_factory import no_store_error

            raise no_store_error(self.path, self._usual_store())
        if not self.settings.store.is_remote:
            from mainspring.store.sqlite.connection import refuse_foreign

            refuse_foreign(self.path)

    def refuse_mistyped_store(self) -> None:
        """Raise NoStoreError if --store names a missing file next to a store of a similar name.

        For commands that create a store: no worker would see the runs of a second store.
        """
        from mainspring.store.base import StoreRemovedError

        if self.flags.store is None:
            return
        try:
            is_there = self.is_there()
        except StoreRemovedError:  # the command that opens the store reports it
            return
        if not is_there:
            from mainspring.app.stores.store_factory import refuse_mistyped

            refuse_mistyped(self.path)

    def _usual_store(self) -> Path | None:
        """Return the file that would be used if no flag and no variable named a store."""
        from mainspring.config import load

        env = {name: value for name, value in os.environ.items() if name != "MAINSPRING_STORE_URL"}
        try:
            settings = load(env=env, cwd=_current_folder(), uid=os.getuid(), flags={}, config=None)
        except ConfigError:
            return None
        return None if settings.store.is_remote else settings.store.path


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the current folder does not exist any more", hint="Change to another folder: cd /") from None


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
