"""The databases on which these tests kill workers. Another one is one more name in STORES: nothing beside this file knows which it is.

A store belongs to the folder of its trial, by name if not by place. The processes of a trial are told its URL and open it by that.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from mainspring.app.working import Working
from mainspring.config.places import store_path, store_url
from mainspring.domain.clock import Clock, SystemClock
from mainspring.engine.registry import Registry
from mainspring.store.sqlite.check import check
from mainspring.store.sqlite.store import SqliteStore


class Stores(Protocol):
    """Where a session of tests gets its stores from."""

    def make(self, folder: Path) -> str:
        """Make an empty store for this folder; return its URL."""
        ...

    def check(self, folder: Path) -> list[Any]:
        """Return what its own check finds wrong with it."""
        ...

    def drop(self, folder: Path) -> None:
        """Take away what of it is not in the folder."""
        ...


class SqliteStores:
    """Files, copied from one that was made once."""

    def __init__(self, folder: Path) -> None:
        self._seed = folder / "state.db"
        store = open_store(store_url(self._seed), SystemClock())
        store.open()
        store.close()

    def make(self, folder: Path) -> str:
        """See Stores."""
        path = folder / self._seed.name
        shutil.copyfile(self._seed, path)
        os.link(f"{self._seed}.ballast", f"{path}.ballast")
        return store_url(path)

    def check(self, folder: Path) -> list[Any]:
        """See Stores."""
        return list(check(folder / self._seed.name, least_free=0))

    def drop(self, folder: Path) -> None:
        """See Stores."""


STORES: dict[str, Callable[[Path], Stores]] = {"sqlite": SqliteStores}
"""By name; each is made with a folder of its own."""


def open_store(url: str, clock: Clock) -> SqliteStore:
    """Return the store of this URL for a program that is no worker; not yet open."""
    return SqliteStore(store_path(url), clock=clock)


def working_on(url: str, registry: Registry, **how: Any) -> Working:
    """Return a working engine on the store of this URL; not yet open."""
    return Working(store_path(url), registry, **how)
