"""The blobs of facts: a large signal, or the large result of a child, may be in a bucket. A thread reads it, not the loop."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from mainspring.domain.errors import CodecUnavailableError
from mainspring.domain.runs.journal import Fact
from mainspring.domain.values.blob import LargeValues
from mainspring.engine.driver.blocking_calls import BlockingCaller

_NOTHING: Mapping[str, bytes] = MappingProxyType({})


class FactBlobs:
    """Used in the loop's thread. `on_read(run, error)` is called when the blobs of a fact were read, or could not be."""

    def __init__(
        self,
        large: LargeValues | None,
        off_loop: BlockingCaller,
        on_read: Callable[[str, CodecUnavailableError | None], None],
    ) -> None:
        self._large = large
        self._off_loop = off_loop
        self._on_read = on_read
        self._reading: set[str] = set()
        self._read: dict[str, dict[str, bytes | None]] = {}
        """By run and key; None = the blob is absent."""

    def is_reading(self, run: str) -> bool:
        """Return whether a thread reads for a run; `on_read` follows."""
        return run in self._reading

    def find(self, fact: Fact) -> Mapping[str, bytes]:
        """Return the blobs of a fact that are in a bucket; none for most facts.

        Raises:
            CodecUnavailableError: a thread reads them, or will.
        """
        if self._large is None or fact.payload is None:
            return _NOTHING
        references = self._large.list_remote(fact.payload, with_inputs=True)
        keys = {reference.blob.key for reference in references}
        if keys <= self._read.get(fact.run, {}).keys():
            found = self._read.pop(fact.run, {})
            return {key: data for key, data in found.items() if data is not None}
        if fact.run not in self._reading:
            self._reading.add(fact.run)
            self._off_loop(partial(self._large.fetch, references), partial(self._end_read, fact.run, keys))
        raise CodecUnavailableError("a large value is being read")

    def forget(self, run: str) -> None:
        """Drop what was read for a run that is no longer loaded."""
        self._read.pop(run, None)

    def _end_read(self, run: str, keys: set[str], read: Any) -> None:
        self._reading.discard(run)
        if isinstance(read, CodecUnavailableError):
            self._on_read(run, read)
            return
        found = {} if isinstance(read, Exception) else read
        self._read[run] = {key: found.get(key) for key in keys}
        self._on_read(run, None)
