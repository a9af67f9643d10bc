"""Hints between the processes of one schema (LISTEN and NOTIFY): that something changed, never what.

They are given and heeded so often at most; none is dropped for that, it only waits. One that is lost with its connection costs a second:
everybody looks each second.
"""

import contextlib
from collections.abc import Callable
from math import inf

import psycopg

from mainspring.store.postgres.connection import ServerConnection, is_pooled

TELL_EVERY = 0.02
"""So many seconds lie between two hints at least; what changes meanwhile is told when they are over."""
HEED_EVERY = 0.02
"""So many seconds lie between two hints that are passed on at least: each lets a worker ask for runs, and many processes tell."""

LOOK_EVERY = 1.0
"""After so many seconds without a hint everybody looks."""


class ChangeNotifications:
    """Those that one process gives and gets. `instance` tells its own apart; `passing` returns seconds that only grow."""

    def __init__(self, schema: str, instance: int, passing: Callable[[], float]) -> None:
        self._channel = f"mainspring_{schema}"
        self._own = str(instance)
        self._passing = passing
        self._told = self._heeded = -inf
        self._looked = passing()
        self._untold = False
        """Whether something has changed that other processes were not told of."""
        self._heard = False
        """Whether another process has told of something that was not passed on."""

    def listen(self, connection: ServerConnection, *, again: bool) -> None:
        """Get hints on a new connection; `again` = there was one, and what was told since is not known."""
        self._heard |= again
        if not is_pooled(connection):
            connection.add_notify_handler(lambda hint: self._hear(hint.payload))
            connection.execute(f'listen "{self._channel}"')

    def _hear(self, teller: str) -> None:
        self._heard |= teller != self._own

    def descriptor(self, connection: ServerConnection | None) -> int | None:
        """Return what can be read when a hint has come; None where none will."""
        return None if connection is None or connection.closed or is_pooled(connection) else connection.fileno()

    def take_in(self, connection: ServerConnection) -> None:
        """Note what has come with the server's answers; psycopg passes on only what it meets while it waits for them."""
        while not connection.closed and (hint := connection.pgconn.notifies()) is not None:
            self._hear(hint.extra.decode())

    def look(self, connection: ServerConnection) -> None:
        """Read what has come unasked, without a wait. Raises psycopg.Error if the connection is lost."""
        connection.pgconn.consume_input()
        self.take_in(connection)

    def changed(self) -> None:
        """Note that others are to be told."""
        self._untold = True

    def tell(self, connection: ServerConnection, *, at_once: bool = False) -> None:
        """Tell what is untold, if it is time. Not within a group: a hint waits for others' commits."""
        now = self._passing()
        if self._untold and (at_once or now - self._told >= TELL_EVERY) and not connection.closed:
            self._told = now
            with contextlib.suppress(psycopg.Error):
                connection.execute("select pg_notify($1, $2)", (self._channel, self._own))
                self._untold = False

    def heed(self) -> bool:
        """Tell once, and if it is time, that another process gave a hint; or that for a while none was heeded, for one may be lost."""
        now = self._passing()
        if self._heard and now - self._heeded >= HEED_EVERY:
            self._heard, self._heeded, self._looked = False, now, now
            return True
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            return True
        return False

    def due_in(self, connection: ServerConnection | None) -> float:
        """Return the seconds until something is to be told or heeded; infinity = there is nothing."""
        tells = self._untold and connection is not None and not connection.closed
        if not tells and not self._heard:
            return inf
        next_tell = self._told + TELL_EVERY if tells else inf
        next_heed = self._heeded + HEED_EVERY if self._heard else inf
        return max(min(next_tell, next_heed) - self._passing(), 0)
