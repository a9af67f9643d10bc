"""The files that a watcher has seen, so that an unchanged file is read once. Nothing here reads a clock or a disk."""

from collections.abc import Iterator, Mapping

from mainspring.triggers.files.folder import FileHash, FileStamp

RETRY_AFTER_MS = 60_000
"""A failure of one file is retried after this time."""
REPEAT_AFTER_MS = 86_400_000
"""How often a remaining file is accepted again: the store remembers a key for a limited time after its last delivery."""
_LARGE_BYTES = 64 * 1024 * 1024


class SeenFile:
    """One state of one file. `since_at` = when the stamp was first seen; `key` is known once it is hashed."""

    __slots__ = ("accepted_at", "again_at", "hashing", "is_over", "key", "reason", "since_at", "stamp")

    def __init__(self, stamp: FileStamp, since_at: int) -> None:
        self.stamp = stamp
        self.since_at = since_at
        self.hashing: FileHash | None = None
        self.key: str | None = None
        self.accepted_at: int | None = None
        self.again_at = 0
        self.is_over = False
        """Whether its run ended and no more work is left."""
        self.reason: str | None = None
        """Why it is excluded."""

    @property
    def sha256(self) -> str:
        """The hash of its content; `key` is known."""
        assert self.key is not None
        return self.key[-64:]

    def put_off(self, reason: str, until_at: int) -> None:
        """Exclude it until an instant."""
        self.reason = reason
        self.again_at = until_at


class SeenFiles:
    """The files by their paths below the folder. `settle_ms` = how long one must not change before it counts."""

    def __init__(self, settle_ms: int) -> None:
        self._settle_ms = settle_ms
        self._files: dict[str, SeenFile] = {}
        self._last_at = 0

    def __getitem__(self, path: str) -> SeenFile:
        return self._files[path]

    def forget(self, path: str) -> None:
        """Drop a path: the next file there is new."""
        self._files.pop(path, None)

    def postpone_unchanged(self, path: str, stamp: FileStamp, reason: str, until_at: int) -> None:
        """Update the stamp of an unchanged file, and exclude it until an instant."""
        if (seen := self._files.get(path)) is not None:
            seen.stamp = stamp
            seen.put_off(reason, until_at)

    def forget_all(self) -> None:
        """Drop all files, because another folder is there now."""
        self._files.clear()

    def compare(self, found: Mapping[str, FileStamp], now: int) -> None:
        """Compare with a listing; `now` = when it ended."""
        if now < self._last_at:
            self._adjust_to_clock(now)
        self._last_at = now
        for path in self._files.keys() - found.keys():
            del self._files[path]
        for path, stamp in found.items():
            seen = self._files.get(path)
            if seen is None or seen.stamp != stamp:
                self._files[path] = SeenFile(stamp, now)

    def ripe(self, now: int) -> list[str]:
        """Return the files to accept, in order of change; `now` = when the poll started.

        Large ones come last, so that no other file waits for them.
        """
        found = [path for path, seen in self._files.items() if self._ripe_at(seen) <= now]
        return sorted(found, key=self._order)

    def next_at(self) -> int | None:
        """Return when the next file may be ripe."""
        return min(map(self._ripe_at, self._files.values()), default=None)

    def awaited(self) -> dict[str, str]:
        """Return key -> path of the files whose runs may end."""
        return {
            seen.key: path
            for path, seen in self._files.items()
            if seen.key is not None and seen.accepted_at is not None and not seen.is_over
        }

    def left_out(self) -> Iterator[tuple[str, str]]:
        """Yield the excluded files with their reasons."""
        return ((path, seen.reason) for path, seen in self._files.items() if seen.reason is not None)

    def _ripe_at(self, seen: SeenFile) -> int:
        due_at = seen.since_at + self._settle_ms if seen.accepted_at is None else seen.accepted_at + REPEAT_AFTER_MS
        return max(due_at, seen.again_at)

    def _order(self, path: str) -> tuple[bool, int, str]:
        stamp = self._files[path].stamp
        return (stamp.size > _LARGE_BYTES, stamp.modified_ns, path)

    def _adjust_to_clock(self, now: int) -> None:
        """Shorten the waits after the clock was put back."""
        for seen in self._files.values():
            seen.since_at = min(seen.since_at, now)
            seen.again_at = min(seen.again_at, now + RETRY_AFTER_MS)
            seen.accepted_at = None if seen.accepted_at is None else min(seen.accepted_at, now)
