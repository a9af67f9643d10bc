"""A new file store as a copy of one that this process has migrated: the copy costs a fifth of what the migrations cost.

Only where all migrations run and no fault is ordered. What each statement does is tested in tests/unit/store/sqlite/test_migrate.py,
and every process that a test starts runs them for real.
"""

import threading

import apsw
import pytest

from mainspring.store import failpoints
from mainspring.store.schema_version import Migration
from mainspring.store.sqlite import migrate

_run = migrate._run


class FileTemplate:
    """An empty store in memory, migrated when it is needed for the first time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._template: apsw.Connection | None = None

    def run(self, connection: apsw.Connection, missing: list[Migration]) -> None:
        """Do what `migrate._run` does."""
        if missing != migrate.migrations() or failpoints._hook is not None:
            _run(connection, missing)
            return
        with self._lock:
            if self._template is None:
                self._template = apsw.Connection(":memory:")
                self._template.pragma("auto_vacuum", connection.pragma("auto_vacuum"))
                _run(self._template, missing)
            with connection.backup("main", self._template, "main") as copy:
                copy.step()


def copy_new_files(patch: pytest.MonkeyPatch) -> None:
    """Make new file stores by copying from now on."""
    patch.setattr(migrate, "_run", FileTemplate().run)
