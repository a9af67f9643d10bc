"""Store factory: the one place that knows which store an address means. Code for a server is imported only if an address names one."""

import os
import shlex
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.config.locations import (
    ProcessSurroundings,
    hash_store_url,
    is_server_url,
    is_temporary,
    state_folder,
    store_note_path,
    store_path,
)
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ConfigError, NoStoreError
from mainspring.domain.extras import install_command
from mainspring.resources.secret_variables import PASSWORD_VARIABLE, SECRET_VARIABLES
from mainspring.store.base import StoreReader
from mainspring.store.effect_database import EffectDatabase
from mainspring.store.process_store import ProcessStore
from mainspring.store.sqlite.effect_database import SqliteEffectDatabase
from mainspring.store.sqlite.file_identity import is_there, require_store_present
from mainspring.store.sqlite.reader import SqliteReader
from mainspring.store.sqlite.schema_check import require_schema_version as require_form_of_file
from mainspring.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from mainspring.store.postgres.address import Address


_MAGIC = b"SQLite format 3\0"


def make_store(place: str | Path, *, lease_ms: int | None = None, **options: Any) -> ProcessStore:
    """Return the store at a path or URL, not yet open. `options` are those of ProcessStore.

    `lease_ms` = how long a session on a server lives without a heartbeat; for a file the kernel reports the end of a process.

    Raises:
        ConfigError: the address cannot be read, or the driver of this kind of store is not installed.
    """
    if isinstance(place, Path) or not is_server_url(place):
        path = place if isinstance(place, Path) else store_path(place)
        return SqliteStore(path, **{"note": find_note(path), **options})
    address = parse_address(place)
    from mainspring.store.postgres.store import PostgresStore

    if lease_ms is not None:
        options["lease_ms"] = lease_ms
    return PostgresStore(address, locks=_lock_folder(place), **options)


def parse_address(url: str) -> "Address":
    """Parse the address of a store on a server.

    Raises:
        ConfigError: it cannot be read, or the driver of the server is not installed.
    """
    try:
        from mainspring.store.postgres.address import read_address
    except ModuleNotFoundError as missing:
        raise _not_installed_error(missing, "a store on PostgreSQL") from missing
    return read_address(url, password=_read_password())


def make_reader(url: str) -> StoreReader:
    """Return a reader of an existing store in the schema version of this program. Creates and changes nothing.

    Raises:
        NoStoreError: there is no store.
        StoreTooNewError: a newer version wrote it.
        StoreError: it must be migrated first, or is no store of Mainspring.
    """
    if not is_server_url(url):
        require_form_of_file(store_path(url))
        return SqliteReader(store_path(url))
    address = parse_address(url)
    from mainspring.store.postgres.reader import PostgresReader
    from mainspring.store.postgres.schema_check import require_schema_version

    require_schema_version(address)
    return PostgresReader(address, marks=_lock_folder(url))


def store_exists(url: str) -> bool:
    """Return whether there is a store, of any version. Raises StoreUnavailableError if its server does not answer."""
    if not is_server_url(url):
        return is_there(store_path(url))
    address = parse_address(url)
    from mainspring.store.postgres.schema_check import schema_version_of

    return schema_version_of(address) > 0


def no_store_error(path: Path, usual: Path | None = None) -> NoStoreError:
    """Return the error for a missing store. `usual` = the file that is used if no setting names another one."""
    near = find_nearest_store(path, usual)
    fix = "Create one: mainspring up (or init, run, exec). Name another one: --store PATH, MAINSPRING_STORE_URL or store.url."
    return NoStoreError(f"there is no store\nat {path}", hint=f"{fix}\nThere is one at {near}" if near else fix)


def find_nearest_store(path: Path, usual: Path | None) -> Path | None:
    """Return the existing store that was probably meant: a file of a similar name next to it, else the usual one."""
    neighbours = _list_neighbours(path)
    similar = _find_similar(path, neighbours)
    if similar is not None:
        return similar
    if usual is not None and usual != path and is_sqlite_file(usual):
        return usual
    return neighbours[0] if len(neighbours) == 1 else None


def refuse_mistyped(path: Path) -> None:
    """Raise NoStoreError if a store of a similar name lies next to this path."""
    similar = _find_similar(path, _list_neighbours(path))
    if similar is not None:
        command = f"mainspring --store {shlex.quote(str(path))} db migrate --create"
        raise NoStoreError(
            f"there is no store\nat {path}", hint=f"There is one at {similar}\nCreate another one: {command}"
        )


def _list_neighbours(path: Path) -> list[Path]:
    try:
        return [
            file
            for file in path.parent.iterdir()
            if file != path and file.suffix == path.suffix and is_sqlite_file(file)
        ]
    except OSError:
        return []


def _find_similar(path: Path, stores: list[Path]) -> Path | None:
    from difflib import get_close_matches

    names = get_close_matches(path.name, [file.name for file in stores], n=1)
    return path.with_name(names[0]) if names else None


def is_sqlite_file(path: Path) -> bool:
    """Return whether a file starts as a SQLite database does."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def require_store(place: str | Path) -> None:
    """Raise NoStoreError, StoreRemovedError or StoreUnavailableError unless there is a store."""
    if isinstance(place, Path) or not is_server_url(place):
        path = place if isinstance(place, Path) else store_path(place)
        require_not_removed(path)
        if not is_there(path):
            raise no_store_error(path)
    elif not store_exists(place):
        raise NoStoreError(
            f"there is no store\nat {parse_address(place).location}", hint="Create it: mainspring up, App.start"
        )


def require_not_removed(path: Path) -> None:
    """Raise StoreRemovedError if there was a store at this path and its file is missing."""
    require_store_present(path, find_note(path))


def find_note(path: Path) -> Path | None:
    """Return the file that notes this store in the state folder; None if this user has none, or the store is a temporary file."""
    around = ProcessSurroundings(os.environ, Path("/"), os.getuid())
    with suppress(ConfigError):
        note = store_note_path(around, path.absolute())
        return None if is_temporary(around, path.absolute()) and not is_temporary(around, note) else note
    return None


def lock_anchor(url: str) -> Path:
    """Return the path on this host next to which processes that share the store meet; for a file the file itself."""
    return make_store(url, clock=SystemClock()).locks / "store" if is_server_url(url) else store_path(url)


def _lock_folder(url: str) -> Path:
    """Return the folder in which the processes of this host prove to each other that they run."""
    env = SECRET_VARIABLES.own(os.environ)
    surroundings = ProcessSurroundings(env, Path("/"), os.getuid())
    return state_folder(surroundings) / f"sessions-{hash_store_url(url, env)}"


def make_effect_database(
    name: str, place: str | Path, read_secret: Callable[[str], str] | None = None
) -> EffectDatabase:
    """Return a database of the user at a path or URL, by its name in the configuration; `read_secret` = for the secrets in the URL.

    Raises:
        ConfigError: the address cannot be read, or the driver of a server is not installed.
    """
    if isinstance(place, Path) or not is_server_url(place):
        return SqliteEffectDatabase(name, place if isinstance(place, Path) else store_path(place))
    try:
        from mainspring.store.postgres.effect_database import PostgresEffectDatabase
    except ModuleNotFoundError as missing:
        raise _not_installed_error(missing, f"the database {name!r} is on PostgreSQL: it") from missing
    return PostgresEffectDatabase(name, place, password=_read_password(), read_secret=read_secret)


def _read_password() -> str | None:
    """Return the password that libpq would find in the environment. A worker has removed it from there."""
    return SECRET_VARIABLES.own(os.environ).get(PASSWORD_VARIABLE)


def _not_installed_error(missing: ModuleNotFoundError, subject: str) -> ConfigError:
    return ConfigError(f"{subject} needs {missing.name}, which is not installed", hint=install_command("postgres"))
