"""The table `blob_contents` of a server as the place for blobs: large values are in the backups and standbys of the database."""

import threading
from collections.abc import Callable, Collection, Sequence

import psycopg

from mainspring.domain.errors import CodecUnavailableError, MainspringError
from mainspring.domain.values.blob import Blob
from mainspring.store import failpoints
from mainspring.store.base import StoreBrokenError
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.connection import ServerConnection, connect
from mainspring.store.postgres.schema_check import explain_fault
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.postgres.transaction import run
from mainspring.store.schema.row import first_value, first_values
from mainspring.store.transaction import Params, Rows

_ANSWERS_WITHIN_S = 60.0
"""The largest value crosses a slow line within it."""


class BlobTable:
    """Blobs as rows, over one connection of its own that is opened at the first use. A lost one is opened again, once a call."""

    first_day = 0
    is_remote = False

    def __init__(self, address: Address) -> None:
        self._address = address
        self.place = f"table blob_contents of {address.location}"
        self._lock = threading.Lock()
        self._connection: ServerConnection | None = None

    def put(self, blob: Blob, data: bytes) -> None:
        """Store a blob; it is committed when this returns. Raises CodecUnavailableError: the server cannot store it now."""
        failpoints.hit("blob.before")
        self._execute("insert_blob", (blob.day, blob.address, data), "cannot be stored")
        failpoints.hit("blob.after")

    def get(self, blob: Blob) -> bytes | None:
        """Return the bytes of a blob, None if there is none. Raises CodecUnavailableError: the server does not answer."""
        return first_value(self._execute("read_blob", (blob.day, blob.address), "cannot be read"), bytes)

    def get_many(self, blobs: Sequence[Blob]) -> list[bytes | None]:
        """Return the bytes of several blobs, in their order. Raises CodecUnavailableError."""
        return [self.get(blob) for blob in blobs]

    def days(self) -> list[int]:
        """Return the days that have blobs, in order. Raises CodecUnavailableError: the server does not answer."""
        return first_values(self._execute("list_blob_days", (), "cannot be listed"), int)

    def sizes(self, day: int) -> dict[str, int]:
        """Return the blobs of a day: stored bytes by address. Raises CodecUnavailableError: the server does not answer."""
        rows = self._execute("list_blob_sizes", (day,), "cannot be listed")
        return {str(address): int(str(size)) for address, size in rows}

    def clear(self, day: int, keep: Collection[str]) -> int:
        """Delete the blobs of a closed day except those of `keep`; return how many. Raises CodecUnavailableError."""
        return len(self._execute("clear_blob_day", (day, list(keep)), "cannot be deleted"))

    def read_meta(self, key: str) -> str | None:
        """Return an entry of `meta`, None if it has none or there is no store yet. Raises CodecUnavailableError.

        On the connection of the blobs: another one would count against the limit of the server.
        """
        try:
            return first_value(self._execute("read_meta", (key,), "cannot be found"), str)
        except CodecUnavailableError as error:
            if isinstance(error.__cause__, StoreBrokenError):
                return None
            raise

    def take_turn(self, turn: str, record: Callable[[str], bool]) -> None:
        """Do nothing: a copy of the database has a table of its own."""

    def close(self) -> None:
        """Close the connection; a later call opens another one."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __del__(self) -> None:
        self.close()

    def _execute(self, statement: str, params: Params, verb: str) -> Rows:
        """Execute one statement in a transaction of its own; once more on a new connection if the old one was lost."""
        with self._lock:
            for is_last in (False, True):
                try:
                    return self._execute_once(statement, params)
                except (psycopg.Error, MainspringError) as error:
                    broken, self._connection = self._connection, None
                    if broken is not None:
                        broken.close()
                    if is_last or broken is None or not isinstance(error, psycopg.OperationalError):
                        reason = explain_fault(error, self._address) or error
                        raise CodecUnavailableError(
                            f"a large value {verb}: {reason}", hint="Check the server."
                        ) from reason
        raise AssertionError  # each turn returns or raises

    def _execute_once(self, statement: str, params: Params) -> Rows:
        if self._connection is None:
            self._connection = connect(self._address)
            self._connection.answers_within = _ANSWERS_WITHIN_S
        with self._connection.transaction():
            run(self._connection.cursor(), TEXTS["prepare_blobs"], {"schema": self._address.schema})
            cursor = run(self._connection.cursor(), TEXTS[statement], params)
            return cursor.fetchall() if cursor.description else []
