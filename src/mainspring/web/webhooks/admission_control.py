"""Admission control of webhooks: limits for deliveries being stored and for bytes of bodies. A request above them is rejected."""

from typing import Self

AT_LEAST_BYTES = 64 * 1024 * 1024


class AdmissionControl:
    """The limits, counted in the loop's thread; nothing waits here, a request above them is rejected."""

    def __init__(self, at_once: int, most_bytes: int) -> None:
        self._at_once = at_once
        self._most_bytes = most_bytes
        self.inside = 0
        """Deliveries that are being stored."""
        self.bytes = 0
        """Bytes of bodies that are being read or stored."""

    def enter(self) -> bool:
        """Take a place, if one is free; `leave` releases it."""
        if self.inside >= self._at_once:
            return False
        self.inside += 1
        return True

    def leave(self) -> None:
        """Release a place."""
        self.inside -= 1

    def hold(self) -> "ReservedBytes":
        """Return a reservation for the bytes of one body."""
        return ReservedBytes(self)

    def take(self, size: int) -> bool:
        """Reserve bytes, if there is capacity."""
        if self.bytes + size > self._most_bytes:
            return False
        self.bytes += size
        return True

    def give(self, size: int) -> None:
        """Release bytes."""
        self.bytes -= size


class ReservedBytes:
    """The reserved bytes of one body, for the time of a `with` block; after `hand_over` the receiver releases them by `free`."""

    def __init__(self, admission: AdmissionControl, size: int = 0) -> None:
        self._admission = admission
        self._size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.free()

    def grow(self, size: int) -> bool:
        """Reserve more bytes; False if there is no capacity."""
        if not self._admission.take(size):
            return False
        self._size += size
        return True

    def hand_over(self) -> "ReservedBytes":
        """Return a reservation of the same bytes, for an owner that keeps them longer."""
        size, self._size = self._size, 0
        return ReservedBytes(self._admission, size)

    def free(self) -> None:
        """Release all its bytes."""
        self._admission.give(self._size)
        self._size = 0
