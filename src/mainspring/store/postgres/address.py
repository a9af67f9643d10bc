"""Where a PostgreSQL store is, and how it is spoken to.

    postgresql://user@host:5432/database?schema=mainspring&sslmode=verify-full

`schema` is ours (default `mainspring`); everything else is libpq's.
"""

import os
import re
from typing import Any

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mainspring.domain.errors import ConfigError
from mainspring.domain.text.server_url import SERVER_HINT, explain_unreadable_url, split_schema

DEFAULT_SCHEMA = "mainspring"
_SCHEMA = re.compile(r"(?!pg_|information_schema$)[a-z_][a-z0-9_]{0,51}")
CONNECTION_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 4_000,
    "target_session_attrs": "read-write",
    "application_name": "mainspring",
}
"""A connection that goes nowhere is noticed within about four seconds: well before a lease is over."""


class Address(msgspec.Struct, frozen=True):
    """One schema of one database. `conninfo` may hold a password: it is never shown, `shown` is."""

    conninfo: str
    schema: str
    shown: str

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"


def with_password(given: dict[str, Any], password: str | None) -> dict[str, Any]:
    """Return connection parameters with this password, unless they name one or the service that holds it (libpq's own order)."""
    if password is None or "password" in given or "service" in given or "PGSERVICE" in os.environ:
        return given
    return {**given, "password": password}


def read_address(url: str, password: str | None = None) -> Address:
    """Take a store's address apart; `password` = the one to use where it names none.

    Raises:
        ConfigError: it is no address of a PostgreSQL database; the password is not repeated.
    """
    why = explain_unreadable_url(url)
    if why is not None:
        raise ConfigError(f"the address of the store cannot be read: {why}", hint=SERVER_HINT)
    rest, named = split_schema(url)
    schema = DEFAULT_SCHEMA if named is None else named
    if not _SCHEMA.fullmatch(schema):
        raise ConfigError(
            f"{schema!r} cannot be the schema of a store",
            hint="Use small letters, digits and underscores, and none of the server's own: ?schema=mainspring",
        )
    try:
        given = conninfo_to_dict(rest)
        conninfo = make_conninfo(**{**CONNECTION_DEFAULTS, **with_password(given, password), "client_encoding": "utf8"})
    except (psycopg.ProgrammingError, ValueError) as error:
        raise ConfigError(
            f"the address of the store cannot be read: {str(error).strip()}",
            hint=SERVER_HINT,
        ) from None
    place = f"{given.get('host', 'localhost')}:{given.get('port', 5432)}/{given.get('dbname', given.get('user', ''))}"
    return Address(conninfo, schema, f"postgresql://{place}?schema={schema}")
