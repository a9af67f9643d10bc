"""Whether a schema has the form that this version reads; asked by whoever only reads and may change nothing."""

import psycopg

from mainspring.domain.errors import NoStoreError, StoreError, StoreTooNewError
from mainspring.store.moved import refusal
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.faults import translate
from mainspring.store.postgres.migrate import migrations, version_of
from mainspring.store.postgres.texts import TEXTS


def form_of(address: Address) -> int:
    """Return the form that the store has, 0 where there is none. Raises StoreUnavailableError."""
    try:
        with connect(address) as connection:
            return version_of(connection, address.schema)
    except psycopg.Error as fault:
        raise translate(fault, address.shown) or fault from fault


def require_form(address: Address) -> None:
    """Do nothing if the store has the form that this version reads.

    Raises:
        NoStoreError: there is none.
        StoreMovedError: it was moved elsewhere, or is being filled.
        StoreTooNewError: a newer version wrote it.
        StoreError: it has to be brought to the present form first, or cannot be reached.
    """
    try:
        with connect(address) as connection:
            has, wants = version_of(connection, address.schema), migrations()[-1][0]
            marks = []
            if has:
                connection.execute("begin read only")
                connection.execute("select set_config('search_path', $1, true)", (address.schema,))
                marks = connection.execute(TEXTS["read_move_markers"]).fetchall()
                connection.execute("commit")
    except psycopg.Error as fault:
        raise translate(fault, address.shown) or fault from fault
    if has == 0:
        raise NoStoreError(
            f"there is no store\nat {address.shown}",
            hint="Create one: mainspring up, or mainspring db migrate --create as the owner of the tables.",
        )
    if has > wants:
        raise StoreTooNewError(
            f"the store has form {has}, this version knows {wants}\nat {address.shown}",
            hint="Use the newer version of mainspring that wrote it.",
        )
    if has < wants:
        raise StoreError(
            f"the store has form {has}, this version needs {wants}\nat {address.shown}",
            hint="Run: mainspring db migrate",
        )
    if (moved := refusal(marks, address.shown)) is not None:
        raise moved
