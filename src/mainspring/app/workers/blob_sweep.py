"""The sweep of blobs: deletes the bytes of large values to which no column refers any more, and of puts that were never committed.

A day is closed when it and the day after it are over, so a program has a day at least between the put of a blob and the commit that
names it. Only blobs of closed days are deleted, and only after the commit that makes the store refuse new references to them.
"""

from datetime import timedelta

from mainspring.domain.clock import Clock
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import MainspringError
from mainspring.domain.values.blob import Blob, BlobContents, day_at
from mainspring.store.commands.blobs import RecordSweepTurn, SweepBlobs
from mainspring.store.process_store import ProcessStore
from mainspring.store.schema.row import first_value, first_values

DEFAULT_GRACE = timedelta(days=1)
_INTERVAL_MS = 3_600_000
_RETRY_MS = 60_000
"""A place that does not answer holds up the thread of upkeep, which also declares processes dead."""
_MAX_SWEEPS_AT_ONCE = 50


class BlobSweep:
    """Sweeps once an hour, in the thread of upkeep. `grace` = how long a blob without a reference is stored, for backups that name it."""

    def __init__(self, contents: BlobContents, clock: Clock, grace: timedelta = DEFAULT_GRACE) -> None:
        self._contents = contents
        self._clock = clock
        self._grace_ms = to_milliseconds(grace)
        self._next_at = 0
        self._failure: MainspringError | None = None

    def run_if_due(self, store: ProcessStore) -> None:
        """Sweep if the last sweep of this process is an hour ago, or has failed a minute ago.

        Raises:
            MainspringError: the store or the place of blobs fails, or has failed and is not tried yet.
        """
        now = self._clock.now()
        if self._next_at - _INTERVAL_MS <= now < self._next_at:
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            return
        self._failure, self._next_at = None, now + _RETRY_MS
        try:
            self.sweep(store, now)
        except MainspringError as error:
            self._failure = error
            raise
        self._next_at = now + _INTERVAL_MS

    def sweep(self, store: ProcessStore, now: int) -> int:
        """Forget blobs without reference, then delete all bytes of closed days that the store does not know; return how many blobs.

        Raises:
            StoreError: the store fails.
            CodecUnavailableError: the place cannot be used now.
            ConflictError: another copy of the store deletes in the same bucket.
        """
        command = SweepBlobs(day_at(now) - 1, now - self._grace_ms)
        for _ in range(_MAX_SWEEPS_AT_ONCE):
            if store.apply(command).number < command.limit:
                break
        open_from = first_value(store.reader.read("read_open_day"), int) or 0
        turn = f"{self._clock.random_bits(64):016x}"
        self._contents.take_turn(turn, lambda former: store.apply(RecordSweepTurn(turn, former)).number == 1)
        return sum(
            self._contents.clear(day, self._list_addresses(store, day))
            for day in self._contents.days()
            if day < open_from
        )

    def _list_addresses(self, store: ProcessStore, day: int) -> set[str]:
        """Return the addresses of a day that a column refers to, or that have their grace."""
        keys = first_values(store.reader.read("list_blob_keys", (f"{day:08d}", f"{day + 1:08d}")), str)
        return {Blob.of_key(key).address for key in keys}
