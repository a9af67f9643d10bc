"""The terminator of blocking clients: the server ends a transaction whose client is silent while others wait for its locks.

The server ends a transaction that is idle between two messages. A client that was stopped within one (SIGSTOP, a machine that sleeps, a
silent line) it waits for without end, since the transaction is `active` and no statement runs. So whoever waited for a lock in vain looks
for such transactions. To end one is safe: its client, if it wakes, sends the same commands again.
"""

import contextlib
import logging

import psycopg

from mainspring.store.postgres.connection import ServerConnection
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.postgres.transaction import answer_of, run

_LOG = logging.getLogger("mainspring.store")


def terminate_blocking_clients(connection: ServerConnection, schema: str, *, longer_than_ms: int) -> None:
    """End the transactions of this store that have stood still for so long; a connection that breaks meanwhile shows later."""
    with contextlib.suppress(psycopg.Error):
        with connection.pipeline():
            connection.execute("begin")
            run(connection.cursor(), TEXTS["prepare_read"], {"schema": schema, "longest": str(longer_than_ms)})
            found = run(connection.cursor(), TEXTS["terminate_blocking_clients"], {"still": longer_than_ms})
            connection.execute("commit")
        ended = [pid for was_there, pid in answer_of(found)[0] if was_there]
        if ended:
            _LOG.warning(
                "others waited for a transaction whose client stood still: it was ended (process of the server: %s)",
                ", ".join(map(str, ended)),
            )
