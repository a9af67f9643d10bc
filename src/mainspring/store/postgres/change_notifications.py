"""Change notifications between the processes of one schema (LISTEN and NOTIFY): that something changed, or only that
runs ended, which is no work for anyone; never which.

Sending and passing on are limited in frequency; a hint that exceeds the limit is delayed, not dropped. A hint that is
lost with its connection costs a second, because each process polls each second.
"""

import contextlib
from collections.abc import Callable
from math import inf

import psycopg

from mainspring.store.postgres.connection import ServerConnection, is_pooled

NOTIFY_EVERY_S = 0.01
"""Minimum seconds between two sent hints; later changes are sent when they are over."""
PASS_ON_EVERY_S = 0.01
"""Minimum seconds between two hints that are passed on: each makes a worker claim, and many processes send them."""

POLL_EVERY_S = 1.0
"""Seconds without a hint after which a process polls."""


_ONLY_ENDS = "ends"
_SEND_HINT = "select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)"
"""A notification is a commit, and would wait for the disk: no hint outlives its server anyway."""


class ChangeNotifications:
    """The hints that one process sends and receives. `instance` identifies its own; `passing` returns growing seconds."""

    def __init__(self, schema: str, instance: int, passing: Callable[[], float]) -> None:
        self._channel = f"mainspring_{schema}"
        self._own = str(instance)
        self._passing = passing
        self._sent_at = self._passed_on_at = -inf
        self._polled_at = passing()
        self._is_unsent = False
        """Whether something has changed that other processes were not notified of."""
        self._is_work_unsent = False
        """Whether that is more than ends of runs."""
        self._is_received = False
        """Whether another process has sent a hint of work that was not passed on."""
        self._has_ends = False
        """Whether another process has sent any hint since `take_ends`."""

    def listen(self, connection: ServerConnection, *, again: bool) -> None:
        """Listen on a new connection; `again` = hints since the previous connection may be lost."""
        self._is_received |= again
        self._has_ends |= again
        if not is_pooled(connection):
            connection.add_notify_handler(lambda hint: self._receive(hint.payload))
            connection.execute(f'listen "{self._channel}"')

    def _receive(self, hint: str) -> None:
        sender, _, kind = hint.partition(" ")
        if sender != self._own:
            self._has_ends = True
            self._is_received |= kind != _ONLY_ENDS

    def descriptor(self, connection: ServerConnection | None) -> int | None:
        """Return the descriptor that is readable when a hint has come; None if none will."""
        return None if connection is None or connection.closed or is_pooled(connection) else connection.fileno()

    def receive_pending(self, connection: ServerConnection) -> None:
        """Receive hints that came with the server's answers; psycopg only reports those that arrive while it waits."""
        while not connection.closed and (hint := connection.pgconn.notifies()) is not None:
            self._receive(hint.extra.decode())

    def read_hints(self, connection: ServerConnection) -> None:
        """Read hints that arrived, without waiting. Raises psycopg.Error if the connection is lost."""
        connection.pgconn.consume_input()
        self.receive_pending(connection)

    def changed(self, *, is_work: bool) -> None:
        """Note that other processes must be notified: of work, or only of ends of runs."""
        self._is_unsent = True
        self._is_work_unsent |= is_work

    def send_hint(self, connection: ServerConnection, *, at_once: bool = False) -> None:
        """Send a hint if there is an unsent change and it is time. Not within a group: a hint waits for others'
        commits.
        """
        now = self._passing()
        if self._is_unsent and (at_once or now - self._sent_at >= NOTIFY_EVERY_S) and not connection.closed:
            self._sent_at = now
            with contextlib.suppress(psycopg.Error):
                hint = self._own if self._is_work_unsent else f"{self._own} {_ONLY_ENDS}"
                connection.execute(_SEND_HINT, (self._channel, hint))
                self._is_unsent = self._is_work_unsent = False

    def take_hint(self) -> bool:
        """Tell, once and at most so often, that another process sent a hint; or that none was passed on for a while, as
        one may be lost.
        """
        now = self._passing()
        if self._is_received and now - self._passed_on_at >= PASS_ON_EVERY_S:
            self._is_received, self._passed_on_at, self._polled_at = False, now, now
            return True
        if now - self._polled_at >= POLL_EVERY_S:
            self._polled_at = now
            return True
        return False

    def take_ends(self) -> bool:
        """Tell, once, that another process may have ended runs."""
        has_ends, self._has_ends = self._has_ends, False
        return has_ends

    def due_in(self, connection: ServerConnection | None) -> float:
        """Return the seconds until a hint has to be sent or passed on; infinity = none."""
        if self._has_ends:
            return 0
        is_sending = self._is_unsent and connection is not None and not connection.closed
        if not is_sending and not self._is_received:
            return inf
        next_send = self._sent_at + NOTIFY_EVERY_S if is_sending else inf
        next_pass_on = self._passed_on_at + PASS_ON_EVERY_S if self._is_received else inf
        return max(min(next_send, next_pass_on) - self._passing(), 0)
