"""The table for blobs of a server: what it reads of `meta`, over the connection that it has."""

import psycopg
import pytest

from mainspring.app.stores.blob_place import make_blob_contents
from mainspring.domain.errors import CodecUnavailableError
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.blob_table import BlobTable
from tests.free_port import free_port
from tests.new_stores import create_store

CONNECTIONS = "select count(*) from pg_stat_activity where application_name = 'mainspring' and backend_start > %s"


def test_place_and_key_are_read_over_one_connection(lent_store):
    """Each process has one for large values: a second one would count against the limit of the server."""
    create_store(lent_store)
    contents = make_blob_contents(lent_store)
    with psycopg.connect(read_address(lent_store).conninfo, autocommit=True) as watch:
        started_at = watch.execute("select now()").fetchone()
        assert contents.first_day == 0
        assert len(contents.read_file_key()) == 64
        assert contents.days() == []
        assert watch.execute(CONNECTIONS, started_at).fetchone() == (1,)
    contents.close()


def test_schema_without_a_store_has_no_key(lent_store):
    """A value may be put before the store is made."""
    table = BlobTable(read_address(f"{lent_store}_none"))
    assert table.read_meta("files.key") is None
    table.close()


def test_server_that_is_away_is_no_absent_store():
    """The command waits, and does not look for its values at the usual place."""
    table = BlobTable(read_address(f"postgresql://127.0.0.1:{free_port()}/x"))
    with pytest.raises(CodecUnavailableError, match="cannot be found"):
        table.read_meta("files.key")
