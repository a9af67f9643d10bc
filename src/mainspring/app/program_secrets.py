"""Secrets of a program outside of steps: a script, a plain program, a command of Mainspring.

Role: reads the secrets of the newest project of this process, and records the first use of each version when the program ends. Invariants:
a program works without a store, and its record is then lost; a forked child has connections of its own, and records its own uses only.
"""

import atexit
import contextlib
import os
import socket
import sys
import threading
from pathlib import Path

from mainspring.app.project import Project
from mainspring.app.stores.store_factory import store_exists
from mainspring.domain.errors import MainspringError
from mainspring.domain.secrets.secret_use import SecretRead, SecretUse
from mainspring.resources.secret_store import SecretStore
from mainspring.service.actor import user_name
from mainspring.store.commands.secrets import RecordSecretUses


class ProgramSecrets:
    """The secrets of one program. `actor` = its name for people."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._actor = f"{Path(sys.argv[0] or 'python').name} of {user_name()}@{socket.gethostname()}"
        self._uses: dict[SecretUse, None] = {}

    @property
    def store(self) -> SecretStore:
        """The secrets of the project."""
        return self._project.secrets

    def read(self, name: str, *, instead_of: str | None = None) -> SecretRead:
        """Return a secret. Raises as `SecretStore.read` does."""
        read = self._project.secrets.read(name, instead_of=instead_of)
        self._uses[SecretUse(secret=name, version=read.version, provider=read.provider, actor=self._actor)] = None
        return read

    def record(self) -> None:
        """Record the uses so far, if the project has a store."""
        uses, self._uses = tuple(self._uses), {}
        if not uses:
            return
        with contextlib.suppress(MainspringError, OSError):  # the program has done its work
            if store_exists(self._project.settings.store.url):
                with contextlib.closing(self._project.open_store()) as store:
                    store.apply(RecordSecretUses(self._project.clock.now(), uses))


_LOCK = threading.Lock()
_programs: dict[Project, ProgramSecrets] = {}


def program_secrets() -> ProgramSecrets:
    """Return the secrets of this program, of the newest project of this process, or the one that the configuration names.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    project = Project.current()
    with _LOCK:
        known = _programs.get(project)
        if known is None:
            known = _programs[project] = ProgramSecrets(project)
            atexit.register(_record, known, os.getpid())
        return known


def _record(program: ProgramSecrets, pid: int) -> None:
    """Record the uses of this process, and not those of the process that forked it."""
    if os.getpid() == pid:
        program.record()


def _forget() -> None:
    """Start without uses and without connections in a forked child: those of the parent are in use there, and so may be its locks."""
    global _LOCK  # noqa: PLW0603
    _LOCK = threading.Lock()
    for project in _programs:
        vars(project).pop("secrets", None)
    _programs.clear()


os.register_at_fork(after_in_child=_forget)
