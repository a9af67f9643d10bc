"""A version of this program that knows one migration more."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainspring.store.postgres import migrate as of_server
from mainspring.store.schema_version import Migration, load_migrations
from mainspring.store.sqlite import migrate as of_file

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
        for module in (of_file, of_server):
            patch.setattr(module, "load_migrations", load)
            module.migrations.cache_clear()
        yield
    for module in (of_file, of_server):
        module.migrations.cache_clear()
