"""Locations of the configuration file, the store and the spool.

Relative paths count from the folder of the file that states them. Nothing is created or opened here.
"""

import hashlib
import os
import pwd
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from mainspring.domain.errors import ConfigError, OptionError
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.text.server_url import SERVER_HINT, explain_unreadable_url, replace_schema, split_schema
from mainspring.store.side_files import shorten

FILE_NAME = "mainspring.toml"
MACHINE_FILE = Path("/etc/mainspring") / FILE_NAME
MACHINE_STATE = Path("/var/lib/mainspring")
PRODUCTION = "production"
_SQLITE = "sqlite:///"
_LONGEST_NAME = 200
"""In bytes. File systems allow 255; files beside the store, and backups of it, are named after it."""
_SERVER_PREFIXES = ("postgresql://", "postgres://")
_LIKELY_SERVER_URL = lazy_pattern(r"postgres(ql)?:|(.*\s)?(host|dbname|password)=|[^/\s]+:\d+/")
"""Typing errors, such as HOST:5432/DATABASE: each would silently be a file, and might contain a password in its name."""
_STORE_URL_FORMS = (
    "Write sqlite:///relative.db, sqlite:////absolute.db, a plain path, or postgresql://USER@HOST:PORT/DATABASE."
)


class ProcessSurroundings(Struct, frozen=True):
    """The properties of the process that decide on locations."""

    env: Mapping[str, str]
    cwd: Path
    uid: int

    def home(self) -> Path:
        """The user's home folder. Raises ConfigError if there is none."""
        named = self.env.get("HOME")
        if named:
            return Path(named)
        try:
            return Path(pwd.getpwuid(self.uid).pw_dir)
        except KeyError:
            raise ConfigError(
                f"user {self.uid} has no home folder, so there is no default place for the store",
                hint="Set HOME or XDG_STATE_HOME, or for the store alone MAINSPRING_STORE_URL.",
            ) from None

    def xdg(self, variable: str, default: str) -> Path:
        """The base folder named by an XDG variable; a relative one is ignored, as its standard requires."""
        named = Path(self.env.get(variable, ""))
        return named if named.is_absolute() else self.home() / default

    def resolve(self, text: str, folder: Path) -> Path:
        """Return `text` as an absolute path, counted from `folder`; `~/` is the home folder."""
        path = self.home() / text[2:] if text.startswith("~/") else folder / text
        return Path(os.path.normpath(self.cwd / path))


def find_file(around: ProcessSurroundings, config: Path | None) -> Path | None:
    """Return the configuration file: the named one, or the first found; None if there is none.

    Raises:
        ConfigError: `--config` or MAINSPRING_CONFIG names no file.
    """
    for source, named in (("--config", config), ("MAINSPRING_CONFIG", around.env.get("MAINSPRING_CONFIG"))):
        if named:
            path = around.resolve(str(named), around.cwd)
            try:
                is_file = stat.S_ISREG(path.stat().st_mode)
            except (FileNotFoundError, NotADirectoryError):
                is_file = False
            except OSError as error:
                raise ConfigError(
                    f"the configuration file {shorten(str(path))} cannot be reached: {error.strerror}\nnamed by {source}"
                ) from None
            if not is_file:
                raise ConfigError(f"there is no configuration file {path}\nnamed by {source}")
            return path
    return next((path for path in _list_candidates(around) if os.path.isfile(path)), None)  # noqa: PTH113 - no error on EACCES


def default_store_path(around: ProcessSurroundings, environment: str) -> Path:
    """Return the store's default file; each environment has its own."""
    return store_path_for_environment(state_folder(around) / "state.db", environment)


def state_folder(around: ProcessSurroundings) -> Path:
    """Return the folder of the state that this user, or this machine, keeps between calls."""
    return MACHINE_STATE if around.uid == 0 else around.xdg("XDG_STATE_HOME", ".local/state") / "mainspring"


def store_path_for_environment(store: Path, environment: str) -> Path:
    """Return the file beside `store` that belongs to `environment`; production has `store` itself."""
    return store if environment == PRODUCTION else store.with_name(f"{store.stem}-{environment}{store.suffix}")


def default_spool_path(store: Path) -> Path:
    """Return the folder beside `store` for records made while it was unavailable: each store has its own spool."""
    return store.with_name(f"{store.name}.spool")


def fallback_spool_path(around: ProcessSurroundings, url: str) -> Path:
    """Return the spool of a store beside which nothing can be created: it is on a server, or a folder is in its place."""
    return state_folder(around) / f"spool-{hash_store_url(url, around.env)}"


def is_temporary(around: ProcessSurroundings, path: Path) -> bool:
    """Return whether an absolute path is below a folder for temporary files, whose content may be gone at any time."""
    folders = ("/tmp", "/var/tmp", "/dev/shm", around.env.get("TMPDIR") or "/tmp")  # noqa: S108 - nothing is created there
    return any(path.is_relative_to(folder) for folder in folders)


def store_note_path(around: ProcessSurroundings, store: Path) -> Path:
    """Return the file that notes the store at this absolute path. Links are not followed: their disk may be missing."""
    mark = hashlib.sha256(os.fsencode(store)).hexdigest()[:16]
    return state_folder(around) / "known-stores" / mark


def hash_store_url(url: str, env: Mapping[str, str]) -> str:
    """Return 16 hex digits that identify one store; the user and the password do not count.

    `env` = the variables from which libpq fills in the missing parts of the URL.
    """
    identity = _server_identity(url, env) if is_server_url(url) else ("file", os.path.realpath(store_path(url)))
    return hashlib.sha256("\x1f".join(identity).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _server_identity(url: str, env: Mapping[str, str]) -> tuple[str, ...]:
    from urllib.parse import parse_qs, unquote, urlsplit

    address, schema = split_schema(url)
    parts = urlsplit(address)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    user, _, hosts = parts.netloc.rpartition("@")
    named = [host.rpartition(":") if re.search(r":\d*$", host) else (host, "", "") for host in hosts.split(",")]
    service = query.get("service") or env.get("PGSERVICE", "")
    defaults = {} if service else env  # a service names the rest itself
    host = ",".join(unquote(host[0]) for host in named) or query.get("host") or query.get("hostaddr")
    port = ",".join(host[2] for host in named).strip(",") or query.get("port") or defaults.get("PGPORT") or "5432"
    user_name = unquote(user.partition(":")[0]) or query.get("user") or defaults.get("PGUSER", "")
    database = unquote(parts.path.lstrip("/")) or query.get("dbname") or defaults.get("PGDATABASE") or user_name
    host = host or defaults.get("PGHOST") or defaults.get("PGHOSTADDR") or ""
    return ("server", host.lower(), port, database, service, schema or "mainspring")


def store_url(path: Path) -> str:
    """Return the URL of the store in `path`, which is absolute."""
    return f"{_SQLITE}{path}"


def store_path(url: str) -> Path:
    """Return the store's file of an absolute URL.

    Raises:
        ConfigError: the store is on a server.
    """
    if is_server_url(url):
        raise ConfigError(
            "this needs a store in a file, but the store is on a PostgreSQL server",
            hint="Use the tools of PostgreSQL (pg_dump, pg_restore, psql), or name a file: --store",
        )
    return Path(url.removeprefix(_SQLITE))


def is_server_url(url: str) -> bool:
    """Return whether a URL names a database server."""
    return url.startswith(_SERVER_PREFIXES)


def store_url_for_environment(url: str, environment: str, *, schema: str = "mainspring") -> str:
    """Return the URL of the store beside this one that belongs to `environment`: another file, or another schema.

    `schema` = its schema on a server URL that names none.
    """
    if not is_server_url(url):
        return store_url(store_path_for_environment(store_path(url), environment))
    if environment == PRODUCTION:
        return url
    _, named = split_schema(url)
    return replace_schema(url, f"{schema if named is None else named}_{environment.replace('-', '_')}")


def resolve_store_url(around: ProcessSurroundings, text: str, folder: Path) -> str:
    """Return the canonical URL of the store, `sqlite:////absolute/path`, for any form of `store.url`.

    Raises:
        OptionError: the URL names no file, or a server in an unreadable form.
    """
    scheme, separator, _ = text.partition("://")
    if is_server_url(text.strip()):
        text = text.strip()  # whitespace around it came from pasting, or from a file
        problem = explain_unreadable_url(text)
        if problem is not None:
            raise OptionError(f"the address of the server cannot be read: {problem}", hint=SERVER_HINT)
        return text
    if _LIKELY_SERVER_URL.match(text):
        raise OptionError("this is an address of a server, but would become the name of a file", hint=_STORE_URL_FORMS)
    if separator and (scheme != "sqlite" or not text.startswith(_SQLITE)):
        # Not echoed: a URL of another kind may hold a password.
        raise OptionError(f"this form of {scheme}:// URL is not supported", hint=_STORE_URL_FORMS)
    name = text.removeprefix(_SQLITE)
    if not name.strip() or name.endswith("/"):
        raise OptionError(f"{text!r} does not name a file", hint=_STORE_URL_FORMS)
    if name == ":memory:" or (separator and "?" in name):
        raise OptionError(f"{text!r} is not a regular file, so nothing in it would be safe", hint=_STORE_URL_FORMS)
    path = around.resolve(name, folder)
    size = len(os.fsencode(path.name))
    if size > _LONGEST_NAME:
        raise OptionError(
            f"the name of the store's file has {size} bytes, at most {_LONGEST_NAME} are possible",
            hint="Choose a shorter one: files beside the store are named after it.",
        )
    return store_url(path)


def _list_candidates(around: ProcessSurroundings) -> list[Path]:
    candidates = [folder / FILE_NAME for folder in (around.cwd, *around.cwd.parents)]
    with suppress(ConfigError):  # no home folder: then nothing is in it
        candidates.append(around.xdg("XDG_CONFIG_HOME", ".config") / "mainspring" / FILE_NAME)
    return [*candidates, MACHINE_FILE]
