"""A hidden schema: PostgreSQL reports its tables as missing if the role may not use the schema."""

import psycopg

from mainspring.domain.errors import MainspringError, StoreUnavailableError
from mainspring.store.base import PermissionDeniedError, StoreBrokenError
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.error_table import GRANT, translate
from mainspring.store.postgres.texts import TEXTS


def explain_fault(fault: Exception, address: Address) -> MainspringError | None:
    """Return the error of error_table.translate, but do not report a table as missing because its schema is hidden."""
    error = translate(fault, address.location)
    if not isinstance(error, StoreBrokenError):
        return error
    try:
        with connect(address) as connection:
            is_hidden = connection.execute(TEXTS["is_schema_hidden"], (address.schema,)).fetchone() == (True,)
    except (psycopg.Error, MainspringError) as unreachable:
        reason = unreachable.message if isinstance(unreachable, MainspringError) else str(unreachable)
        return StoreUnavailableError(reason)
    if not is_hidden:
        return error
    return PermissionDeniedError(
        f"this database role may not do that\nat {address.location}: permission denied for schema {address.schema}",
        hint=GRANT,
    )
