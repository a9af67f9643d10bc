"""A splitter that cuts the output of a program into printable lines, whatever the chunks are."""

from mainspring.domain.text.escaping import decode_bytes

MAX_LINE_BYTES = 16 * 1024


class LineSplitter:
    """Collects bytes and returns whole lines; a line without an end is cut at `MAX_LINE_BYTES` bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Add bytes; return the lines that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        texts = [text for line in lines for text in _split_line(line.removesuffix(b"\r"))]
        if len(self._rest) >= MAX_LINE_BYTES:
            texts += self.end()
        return texts

    def end(self) -> list[str]:
        """Return the unfinished rest as a line."""
        line, self._rest = self._rest, b""
        return _split_line(line) if line else []


def _split_line(line: bytes) -> list[str]:
    return [decode_bytes(line[start : start + MAX_LINE_BYTES]) for start in range(0, len(line) or 1, MAX_LINE_BYTES)]
