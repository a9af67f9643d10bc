"""The address of a PostgreSQL store and its connection parameters.

    postgresql://user@host:5432/database?schema=mainspring&sslmode=verify-full

`schema` is Mainspring's (default `mainspring`); libpq reads everything else.
"""

import os
import re
from collections.abc import Mapping

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from mainspring.domain.errors import ConfigError
from mainspring.domain.text.server_url import SERVER_HINT, explain_unreadable_url, split_schema
from mainspring.integrations.postgres import CONNECTION_DEFAULTS

DEFAULT_SCHEMA = "mainspring"
_SCHEMA = re.compile(r"(?!pg_|information_schema$)[a-z_][a-z0-9_]{0,51}")


class Address(msgspec.Struct, frozen=True):
    """One schema of one database. `conninfo` may contain a password and is never displayed; `location` is."""

    conninfo: str
    schema: str
    location: str

    def __repr__(self) -> str:
        return f"Address({self.location!r})"


def with_password(given: Mapping[str, object], password: str | None) -> Mapping[str, object]:
    """Return connection parameters with this password, unless they name one or the service that has it (libpq's own
    order).
    """
    if password is None or "password" in given or "service" in given or "PGSERVICE" in os.environ:
        return given
    return {**given, "password": password}


def read_address(url: str, password: str | None = None) -> Address:
    """Parse a store's address; `password` = the one to use if the address has none.

    Raises:
        ConfigError: it is no address of a PostgreSQL database; the password is not repeated.
    """
    reason = explain_unreadable_url(url)
    if reason is not None:
        raise ConfigError(f"the address of the store cannot be read: {reason}", hint=SERVER_HINT)
    url_without_schema, url_schema = split_schema(url)
    schema = DEFAULT_SCHEMA if url_schema is None else url_schema
    if not _SCHEMA.fullmatch(schema):
        raise ConfigError(
            f"{schema!r} is not a valid schema for a store",
            hint="Use lower-case letters, digits and underscores, and not a schema of the server itself: "
            "?schema=mainspring",
        )
    try:
        parameters = conninfo_to_dict(url_without_schema)
        conninfo = make_conninfo(
            **{**CONNECTION_DEFAULTS, **with_password(parameters, password), "client_encoding": "utf8"}
        )
    except (psycopg.ProgrammingError, ValueError) as error:
        raise ConfigError(
            f"the address of the store cannot be read: {str(error).strip()}",
            hint=SERVER_HINT,
        ) from None
    place = f"{parameters.get('host', 'localhost')}:{parameters.get('port', 5432)}/{parameters.get('dbname', parameters.get('user', ''))}"
    return Address(conninfo, schema, f"postgresql://{place}?schema={schema}")


def psql_environment(address: Address) -> dict[str, str]:
    """Return libpq's variables for a look into a store by `psql`: its schema, and read-only transactions.

    Variables only, which no other user can read.
    """
    parameters = conninfo_to_dict(address.conninfo)
    names = {option.keyword.decode(): option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar}
    variables = {names[key]: str(value) for key, value in parameters.items() if key in names}
    options = f"-c search_path={address.schema} -c default_transaction_read_only=on"
    return {
        **variables,
        "PGOPTIONS": f"{parameters.get('options', '')} {options}".strip(),
        "PGTARGETSESSIONATTRS": "any",
    }
