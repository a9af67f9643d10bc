"""A version of this program that knows one migration more."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import mainspring.store.postgres.migrate
import mainspring.store.sqlite.migrate
from mainspring.store.schema_version import Migration, load_migrations

NAME = "colour"
TEXT = "alter table runs add column colour text;\ncreate index runs_colour on runs (colour);\n"


def add_migration(known: list[Migration]) -> list[Migration]:
    """Return these migrations and the one that the later version adds."""
    return [*known, (known[-1][0] + 1, NAME, TEXT)]


@contextlib.contextmanager
def later_version() -> Iterator[None]:
    """Let both databases know that migration for a while."""

    def load(folder: Path) -> list[Migration]:
        return add_migration(load_migrations(folder))

    with pytest.MonkeyPatch.context() as patch:
        for module in (mainspring.store.sqlite.migrate, mainspring.store.postgres.migrate):
            patch.setattr(module, "load_migrations", load)
            module.migrations.cache_clear()
        yield
    for module in (mainspring.store.sqlite.migrate, mainspring.store.postgres.migrate):
        module.migrations.cache_clear()
