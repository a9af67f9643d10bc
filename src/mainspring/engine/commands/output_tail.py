"""The end of what a command printed: all that is kept of it, however much it is."""

from mainspring.domain.text.escaping import decode_bytes

TAIL_BYTES = 64 * 1024


class OutputTail:
    """Takes bytes; holds at most twice as many as are shown."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what was printed next."""
        self._kept += data
        if len(self._kept) > 2 * TAIL_BYTES:
            del self._kept[: -TAIL_BYTES - 1]  # one more than is shown, so that it is known to be cut

    def text(self) -> str:
        """Return the last `TAIL_BYTES` as printable text of at most as many characters, from the start of a line if cut."""
        text = decode_bytes(bytes(self._kept[-TAIL_BYTES:]))
        if len(self._kept) <= TAIL_BYTES and len(text) <= TAIL_BYTES:
            return text
        text = text[-TAIL_BYTES:]
        _, newline, rest = text.partition("\n")
        return rest if newline and rest else text
