"""The place for large values of a simulated world, in memory: no crash reaches it, but at times it does not answer.

It is not remote: a bucket is read and written in threads, and a seed could not be repeated. Buckets under kills are in tests/crash.
"""

from typing import Any

from mainspring.domain.errors import CodecUnavailableError
from mainspring.domain.values.blob import Blob, LargeValues, address_of
from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing

THRESHOLD = 48
"""Of so many bytes a value is large here: inputs, results of groups, and some results of steps."""


class SimulatedBlobs:
    """The bytes of blobs by key, as one process reaches them."""

    place = "simulated"
    first_day = 0
    is_remote = False

    def __init__(self, world: Any, stored: dict[str, bytes], *, fails: bool) -> None:
        self._world = world
        self._stored = stored
        self._fails = fails

    def _answer(self) -> None:
        if self._fails and self._world.dice.random() < self._world.fault_rate:
            self._world.hits["place of large values away"] += 1
            raise CodecUnavailableError("simulated: the place of large values does not answer")

    def put(self, blob: Blob, data: bytes) -> None:
        """Store a blob."""
        self._answer()
        self._stored[blob.key] = data

    def get(self, blob: Blob) -> bytes | None:
        """Return the bytes of a blob."""
        self._answer()
        return self._stored.get(blob.key)

    def sizes(self, day: int) -> dict[str, int]:
        """Answer, as the place is asked for after an outage."""
        self._answer()
        return {}


class WorldBlobs:
    """All blobs of a world. Every other seed has none: there all values are in the database."""

    def __init__(self, world: Any) -> None:
        self.stored: dict[str, bytes] = {}
        self._world = world

    def sealing(self, *, fails: bool = False) -> Sealing:
        """Return the sealing of one process."""
        if self._world.seed % 2 == 0:
            return PLAIN_SEALING
        contents: Any = SimulatedBlobs(self._world, self.stored, fails=fails)
        return Sealing(None, DEFAULT_LIMIT, large=LargeValues(contents, self._world.clock.now, THRESHOLD))

    def check(self) -> list[str]:
        """Return the references of the database that lead to no whole blob."""
        keys = [key for (key,) in self._world.rows("select blob from blob_references")]
        self._world.hits["large value"] += len(keys)
        return [
            f"the blob {key} of a row is not whole"
            for key in keys
            if address_of(self.stored.get(key, b"")) != Blob.of_key(key).address
        ]
