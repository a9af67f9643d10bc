"""One call of the program: its flags, and what they lead to - settings, the store, who acts - each made when it is first asked for.

This is the one place of the command line that opens a store.
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
from mainspring.cli.flags import GlobalFlags
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
    from mainspring.service.view_unsealing import ViewUnsealer
    from mainspring.store.base import StoreReader
    from mainspring.store.process_store import ProcessStore
    from mainspring.store.read.short_ids import IdKind

T = TypeVar("T")

STORE_TIMEOUT_S = 4.0
"""Seconds of trouble with the store after which an act is given up: somebody waits for its answer."""


class Invocation:
    """One call; handed to each command by `pass_invocation`."""

    def __init__(self) -> None:
        self.flags = GlobalFlags()
        self._store: ProcessStore | None = None
        self._reader: StoreReader | None = None
        self._registries: dict[tuple[str, ...], Registry] = {}
        self._told: set[str] = set()
        self._is_suspect = False

    @cached_property
    def output(self) -> Output:
        """What it prints on."""
        return Output(self.flags)

    @cached_property
    def machine_clock(self) -> "Clock":
        """The clock of this machine, which may differ from the store's."""
        from mainspring.domain.clock import SystemClock

        return SystemClock()

    @cached_property
    def clock(self) -> "Clock":
        """The clock that the store's instants are compared with: the server's, or this machine's beside a file. Raises ConfigError."""
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

        for name, meant in misspelt_variables(os.environ):
            self.output.warn(f"nothing reads the variable {name}\nDid you mean {meant}?")
        named = {"store.url": self.flags.store, "project.environment": self.flags.environment}
        config = Path(self.flags.config) if self.flags.config else None
        found = load(env=os.environ, cwd=_current_folder(), uid=os.getuid(), flags=named, config=config)
        apply_process_policy(found)
        return found

    @property
    def zone(self) -> str:
        """The time zone in which instants are shown."""
        return self.settings.project.timezone

    @cached_property
    def up_command(self) -> "UpCommand":
        """How `mainspring up` is called from here, on the store of this command. Raises ConfigError."""
        from mainspring.app.setup.up_command import make_up_command

        return make_up_command(self.settings, store=self.flags.store, folder=str(_current_folder()))

    @property
    def path(self) -> Path:
        """The store's file, whether it is there or not. Raises ConfigError where the store is on a server."""
        return self.settings.store.path

    @property
    def shown(self) -> str:
        """Where the store is, for people."""
        return self.settings.store.shown

    @property
    def reader(self) -> "StoreReader":
        """Reads of the store, which is never made or changed by a question.

        Raises:
            NoStoreError: there is none.
            StoreError: it cannot be read, or has another form than this version knows.
        """
        if self._store is not None:
            return self._store.reader
        if self._reader is None:
            from mainspring.app.stores.store_factory import make_reader

            self.require_store()
            self._reader = make_reader(self.settings.store.url)
            with suppress(StoreError):  # the command's own read says why the store cannot be read
                if not self.settings.store.is_remote:
                    from mainspring.store.sqlite.check import check_small

                    check_small(self.path)  # finds damage that this command does not read
                self._report_faults(self._reader)
        return self._reader

    def _report_faults(self, reader: "StoreReader") -> None:
        """Say at once what is wrong with the store itself; with --json that waits for the end. Raises StoreError."""
        from mainspring.store.base import error_of_finding

        if self._is_suspect:
            return
        faults = [error_of_finding(finding, self.shown) for finding in reader.findings()]
        self._is_suspect = self.output.is_partial = bool(faults)
        for fault in faults if not self.output.is_json else ():
            self.output.warn(f"error: {fault.message}\n{fault.hint}")

    def store_fault(self) -> StoreError | None:
        """Return why what this command has read may not be all that there was; None after a change, whose answer is its own."""
        if not self._is_suspect or self._store is not None or self._reader is None:
            return None
        from mainspring.store.base import error_of_finding

        with suppress(StoreError):  # read again: `db check` removes a note of damage that it cannot confirm
            return next((error_of_finding(finding, self.shown) for finding in self._reader.findings()), None)
        return None

    @cached_property
    def sealing(self) -> "Sealing":
        """What the configuration does with values; for acts. Raises ConfigError where its codec cannot be had."""
        from mainspring.app.setup.codec import make_sealing

        return make_sealing(self.settings.store, self.settings.folder)

    def opened(self, look: "Callable[[ViewUnsealer], T]") -> T:
        """Let `look` open what was read as far as the codec is at hand; of the rest say how it can be read."""
        found = look(self._opening)
        for message, hint in self._opening.closed.items():
            if message not in self._told:
                self._told.add(message)
                self.output.warn(f"{message}\n{hint}")
        return found

    @cached_property
    def _opening(self) -> "ViewUnsealer":
        from mainspring.domain.values.sealing import PLAIN_SEALING
        from mainspring.service.view_unsealing import ViewUnsealer

        try:
            return ViewUnsealer(self.sealing, lenient=True)
        except ConfigError as error:
            self.output.warn(f"{error.message}\n{error.hint}")
            return ViewUnsealer(PLAIN_SEALING, lenient=True)

    @property
    def reads(self) -> "ServiceReads":
        """The reads that acts need."""
        from mainspring.store.read.operation_reads import OperationReads

        return OperationReads(self.reader)

    @property
    def store(self) -> "ProcessStore":
        """The open store, for acts. Raises NoStoreError, StoreError."""
        if self._store is None:
            self.require_store()
            return self.make_store()
        return self._store

    def make_store(self, *, anew: bool = False) -> "ProcessStore":
        """The open store, made where there is none yet; with `anew` also where there was one that is gone. Raises StoreError."""
        if self._store is None:
            from mainspring.app.stores.store_factory import make_store

            options = {"recreate": True} if anew and not self.settings.store.is_remote else {}
            store = make_store(self.settings.store.url, clock=self.machine_clock, patience=STORE_TIMEOUT_S, **options)
            store.open()
            self._store = store
            with suppress(StoreError):
                self._report_faults(store.reader)
        return self._store

    def bring_to_form(self) -> None:
        """Bring the store that is there to this version's form, as each process does that opens it to write. Raises StoreError."""
        from mainspring.app.stores.store_factory import make_store, store_exists

        if store_exists(self.settings.store.url):
            store = make_store(self.settings.store.url, clock=self.machine_clock, patience=STORE_TIMEOUT_S)
            store.open()
            store.close()

    def is_there(self) -> bool:
        """Tell whether there is a store; one on a server is asked when it is read. Raises StoreGoneError where there was one."""
        if self.settings.store.is_remote:
            return True
        from mainspring.store.sqlite.file_identity import is_there, require_store_present

        require_store_present(self.path)
        return is_there(self.path)

    def read(self, question: "Callable[[StoreReader], T]") -> T:
        """Ask the store. Raises NoStoreError where there is none: an empty answer would say that all is well."""
        return question(self.reader)

    def read_if_made(self, question: "Callable[[StoreReader], T]", otherwise: T) -> T:
        """Ask the store; return `otherwise` where there is none. For what has an answer without a store."""
        if self._store is None and not self.is_there():
            return otherwise
        try:
            reader = self.reader
        except NoStoreError:  # an empty file: another process makes the store at this moment
            return otherwise
        return question(reader)

    def rows_if_made(self, question: "Callable[[StoreReader], list[T]]") -> "list[T]":
        """Ask the store for a list, as read_if_made does; without a store it is empty."""
        nothing: list[T] = []
        return self.read_if_made(question, nothing)

    def run_id(self, text: str) -> str:
        """Return the run that is meant by an id, its beginning or its end, @last or @failed. Raises NotFoundError, ConflictError."""
        from mainspring.store.read.runs.run_views import resolve_id

        try:
            return resolve_id(self.reader, text)
        except NotFoundError:
            self._refuse_automation(text)
            raise

    def _refuse_automation(self, text: str) -> None:
        """Do nothing if this is no name of an automation. Raises NotFoundError, which names its last run."""
        import shlex

        from mainspring.store.read.automations.automation_stats import newest_runs
        from mainspring.store.read.status.status import automations

        if not automations(self.reader, text):
            return
        last = newest_runs(self.reader, [text], 1)[text]
        run = f" Its last run: mainspring explain {last[0].run}" if last else " It has no run."
        raise NotFoundError(
            f"{text} is an automation, and a run is wanted",
            hint=f"See it: mainspring auto show {shlex.quote(text)}.{run}",
        )

    def short_ids(self, kind: "IdKind", ids: "Iterable[str]") -> dict[str, str]:
        """Return the short form of each id, as lists show it and every command takes it."""
        from mainspring.store.read.short_ids import short_ids

        wanted = list(ids)
        return short_ids(self.reader, kind, wanted) if wanted else {}

    @cached_property
    def act(self) -> "OperationContext":
        """Who acts, why and under which command id. Raises OptionError."""
        from mainspring.domain.text.escaping import escape
        from mainspring.service.actor import Actor, operation_context, user_name

        actor = Actor.cli(user_name(), socket.gethostname())
        if self.flags.actor:
            # The door is a fact and cannot be claimed; the name is what the caller says.
            actor = Actor(actor.door, escape(" ".join(self.flags.actor.split()), 200))
        return operation_context(actor, self.clock, reason=self.flags.reason, command=self.flags.command_id)

    def registry(self, targets: tuple[str, ...] = ()) -> "Registry":
        """Import the automations, once: those of the configuration and of `targets` (-m). From then on stdout is for data alone."""
        from mainspring.app.project import Project

        if targets not in self._registries:
            self.output.keep_from_others()
            self._registries[targets] = Project(self.settings).load_registry(targets)
        return self._registries[targets]

    @property
    def secrets(self) -> "SecretStore":
        """Where secrets are looked up."""
        from mainspring.app.project import Project

        return Project(self.settings).secrets

    def confirm(self, what: str) -> None:
        """Go on if -y was given or a person says yes.

        Raises:
            ConfirmationNeededError: nobody can be asked.
            DeclinedError: the person said no.
        """
        if self.flags.yes:
            return
        if self.flags.no_input or not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ConfirmationNeededError(f"{what}: this needs a confirmation", hint="Add -y to do it without asking.")
        if not click.confirm(f"{what}?", err=True):
            raise DeclinedError("nothing was done")

    def close(self) -> None:
        """Close what was opened."""
        if self._store is not None:
            self._store.close()
        if self._reader is not None:
            self._reader.close()
        self._store = self._reader = None
        self.output.close()

    def require_store(self) -> None:
        """Do nothing if there is a store. Raises NoStoreError, StoreGoneError, NotAStoreError."""
        if not self.is_there():
            from mainspring.app.stores.store_factory import no_store_error

            raise no_store_error(self.path, self._usual_store())
        if not self.settings.store.is_remote:
            from mainspring.store.sqlite.connection import refuse_foreign

            refuse_foreign(self.path)

    def refuse_mistyped_store(self) -> None:
        """Do nothing unless --store names a file that is not there, beside a store of a similar name. Raises NoStoreError.

        For commands that create a store: the runs of a second one would be seen by no worker.
        """
        from mainspring.store.base import StoreGoneError

        if self.flags.store is None:
            return
        try:
            is_there = self.is_there()
        except StoreGoneError:  # what opens it says so
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
        raise ConfigError("the current folder is gone", hint="Go to another one: cd /") from None


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
