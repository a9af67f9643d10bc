"""The terminator of blocking clients: it ends a transaction whose client is silent while others wait for its locks.

The server itself ends a transaction that is idle between two messages. It waits without end for a client that stopped
within a message (SIGSTOP, a sleeping machine, a silent connection), since the transaction is `active` and no statement
runs. So a process whose wait for a lock timed out searches for such transactions. Ending one is safe: if its client
wakes, it sends the same commands again.
"""

import contextlib
import logging

import psycopg

from mainspring.store.postgres.connection import ServerConnection
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.postgres.transaction import answer_of, run

_LOG = logging.getLogger("mainspring.store")


def terminate_blocking_clients(connection: ServerConnection, schema: str, *, longer_than_ms: int) -> None:
    """End the transactions of this store that have been stuck for so long; a connection that breaks meanwhile is
    noticed later.
    """
    with contextlib.suppress(psycopg.Error):
        with connection.pipeline():
            connection.execute("begin")
            run(connection.cursor(), TEXTS["prepare_read"], {"schema": schema, "longest": str(longer_than_ms)})
            answers = run(connection.cursor(), TEXTS["terminate_blocking_clients"], {"still": longer_than_ms})
            connection.execute("commit")
        ended = [pid for was_there, pid in answer_of(answers)[0] if was_there]
        if ended:
            _LOG.warning(
                "other transactions waited for one whose client was stuck: it was ended (process of the server: %s)",
                ", ".join(map(str, ended)),
            )
