"""The tail of a command's output, of limited size."""

from mainspring.domain.text.escaping import decode_bytes

TAIL_BYTES = 64 * 1024


class OutputTail:
    """Collects output; keeps at most twice the bytes that it returns."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Add the next output."""
        self._data += data
        if len(self._data) > 2 * TAIL_BYTES:
            del self._data[: -TAIL_BYTES - 1]  # one more than is returned, so that a cut is detected

    def text(self) -> str:
        """Return the last `TAIL_BYTES` as printable text of at most as many characters, from the start of a line if cut."""
        text = decode_bytes(bytes(self._data[-TAIL_BYTES:]))
        if len(self._data) <= TAIL_BYTES and len(text) <= TAIL_BYTES:
            return text
        text = text[-TAIL_BYTES:]
        _, newline, rest = text.partition("\n")
        return rest if newline and rest else text
