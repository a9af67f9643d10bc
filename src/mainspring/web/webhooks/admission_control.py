"""How much is let in at once: deliveries on their way to the store, bytes of bodies. What is beyond is told to come back."""

from typing import Self

AT_LEAST_BYTES = 64 * 1024 * 1024


class AdmissionControl:
    """Counts in the loop's thread; nothing waits here, for whoever has to wait is told so."""

    def __init__(self, at_once: int, most_bytes: int) -> None:
        self._at_once = at_once
        self._most_bytes = most_bytes
        self.inside = 0
        """Deliveries that are on their way to the store."""
        self.bytes = 0
        """Of bodies that are being read, or on their way to the store."""

    def enter(self) -> bool:
        """Take a place, if there is one; `leave` gives it back."""
        if self.inside >= self._at_once:
            return False
        self.inside += 1
        return True

    def leave(self) -> None:
        """Give a place back."""
        self.inside -= 1

    def hold(self) -> "ReservedBytes":
        """Return what will hold the bytes of one body."""
        return ReservedBytes(self)

    def take(self, size: int) -> bool:
        """Take room for so many bytes, if there is any."""
        if self.bytes + size > self._most_bytes:
            return False
        self.bytes += size
        return True

    def give(self, size: int) -> None:
        """Give room back."""
        self.bytes -= size


class ReservedBytes:
    """The bytes of one body, for as long as a `with` block lasts; who is handed them gives them back by `free`."""

    def __init__(self, admission: AdmissionControl, size: int = 0) -> None:
        self._admission = admission
        self._size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.free()

    def grow(self, size: int) -> bool:
        """Take room for more of it; False if there is none."""
        if not self._admission.take(size):
            return False
        self._size += size
        return True

    def hand_over(self) -> "ReservedBytes":
        """Return the same bytes, for somebody who holds them longer."""
        size, self._size = self._size, 0
        return ReservedBytes(self._admission, size)

    def free(self) -> None:
        """Give its room back."""
        self._admission.give(self._size)
        self._size = 0
