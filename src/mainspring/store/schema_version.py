"""Schema versions: the migrations of each version, read from files, and the versions that this program supports.

A migration is a file `migrations/NNNN_name.sql`, or a folder `NNNN_name` of files that are joined in the order of their
names. The first one creates all tables as of version 0.1.0; each change since then is a migration of its own. A store
records its first and its last migration in `meta`. If the first is another, a development version made the store, and
its numbers mean something else.
"""

from pathlib import Path
from typing import Final

from mainspring.domain.errors import StoreError, StoreTooNewError
from mainspring.domain.text.lazy_pattern import lazy_pattern

Migration = tuple[int, str, str]
"""Number, name and text."""

LAST: Final = "schema"
FIRST: Final = "first_migration"
"""Keys of `meta`."""

_NAME = lazy_pattern(r"(\d{4})_([a-z0-9_]+)(\.sql)?")


def load_migrations(folder: Path) -> list[Migration]:
    """Read the migrations of a folder, in order."""
    migrations = []
    for entry in folder.iterdir():
        if match := _NAME.fullmatch(entry.name):
            files = [entry] if match[3] else sorted(entry.glob("*.sql"))
            migrations.append((int(match[1]), match[2], "".join(file.read_text(encoding="utf-8") for file in files)))
    return sorted(migrations)


def label_of(migration: Migration) -> str:
    """Return the number and name of a migration in the form of `meta`."""
    number, name, _ = migration
    return f"{number:04}_{name}"


def require_known_version(number: int, first: str | None, known: list[Migration], where: str) -> None:
    """Check that there is no store (0), or one with these last and first migrations that this version supports.

    Raises:
        StoreTooNewError: a newer version changed it.
        StoreError: a development version made it.
    """
    if number and first != label_of(known[0]):
        raise StoreError(
            f"the store was made by a development version of Mainspring, before 0.1.0: this version cannot read it\nat {where}",
            hint="It cannot be converted; the version that made it still reads it. To begin with a new store, move this one"
            " away or name another place in store.url, then: mainspring db migrate --create",
        )
    if number > known[-1][0]:
        raise StoreTooNewError(
            f"the store has form {number}, this version knows {known[-1][0]}\nat {where}",
            hint="Use the newer version of mainspring that wrote it.",
        )


def require_current_version(number: int, first: str | None, known: list[Migration], where: str) -> None:
    """Check that the store has the schema that this version reads.

    Raises:
        StoreTooNewError: a newer version changed it.
        StoreError: it has to be migrated first, or a development version made it.
    """
    require_known_version(number, first, known, where)
    if number < known[-1][0]:
        raise StoreError(
            f"the store has form {number}, this version needs {known[-1][0]}\nat {where}",
            hint="Run: mainspring db migrate",
        )
