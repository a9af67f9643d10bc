"""A statement found no table: the table is missing, or the role could not see it when the statement ran."""

import os
from collections.abc import Iterator

import psycopg
import pytest

from mainspring.domain.errors import CodecUnavailableError
from mainspring.store.base import PermissionDeniedError, StoreBrokenError
from mainspring.store.postgres.address import Address, read_address
from mainspring.store.postgres.blob_table import BlobTable
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.migrate import migrate
from mainspring.store.postgres.schema_check import explain_fault
from tests.postgres_server import PostgresServer

_ROLE = f"hidden_{os.getpid()}"


@pytest.fixture
def address(postgres: PostgresServer) -> Iterator[Address]:
    """A store as a role sees it that has no right on its schema."""
    url = postgres.new_store()
    with connect(read_address(url)) as owner:
        migrate(owner, read_address(url))
    postgres.execute(f"create role {_ROLE} login")
    yield read_address(url.replace("//mainspring@", f"//{_ROLE}@"))
    postgres.execute(f"drop owned by {_ROLE}; drop role {_ROLE}")


@pytest.fixture
def fault(address: Address) -> psycopg.Error:
    """The server's error for a statement of this role."""
    with connect(address) as connection:
        connection.execute("select set_config('search_path', $1, false)", (address.schema,))
        with pytest.raises(psycopg.errors.UndefinedTable) as undefined:
            connection.execute("select count(*) from sessions")
    return undefined.value


@pytest.mark.parametrize("granted", [False, True], ids=["hidden", "granted again"])
def test_hidden_table_is_reported_as_a_missing_grant(
    postgres: PostgresServer, address: Address, fault: psycopg.Error, granted: bool
) -> None:
    """A running process waits for the grant, also if the schema is visible again before the cause is checked."""
    if granted:
        postgres.execute(f"grant usage on schema {address.schema} to {_ROLE}")
    error = explain_fault(fault, address)
    assert isinstance(error, PermissionDeniedError)
    assert f"permission denied for schema {address.schema}" in error.message


def test_hidden_table_of_large_values_is_reported_as_a_missing_grant(address: Address) -> None:
    """No one runs a migration because of it, and the store counts as there."""
    blobs = BlobTable(address)
    for read in (blobs.days, lambda: blobs.read_meta("store")):
        with pytest.raises(CodecUnavailableError, match=f"permission denied for schema {address.schema}"):
            read()
    blobs.close()


@pytest.mark.parametrize("loss", ["drop table {}.sessions cascade", "drop schema {} cascade"], ids=["table", "schema"])
def test_missing_table_is_reported_as_a_broken_store(
    postgres: PostgresServer, address: Address, fault: psycopg.Error, loss: str
) -> None:
    """No grant brings a table back: the process ends, whatever the role may see."""
    postgres.execute(loss.format(address.schema))
    error = explain_fault(fault, address)
    assert isinstance(error, StoreBrokenError)
    assert "a table of the store is missing" in error.message
