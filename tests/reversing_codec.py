"""A codec whose values no one reads by accident, in the fewest lines: for tests of what learns where it is not at hand."""


class ReversingCodec:
    """It keeps values the other way round."""

    id = "turned"

    def encode(self, data: bytes) -> bytes:
        return data[::-1]

    def decode(self, data: bytes) -> bytes:
        return data[::-1]
