"""A codec whose key service is away for a while."""


class Moody:
    """A codec that fails for as long as it is asked to: the service that has its key is away."""

    id = "moody"
    is_unreachable = True

    def encode(self, data: bytes) -> bytes:
        if self.is_unreachable:
            raise ConnectionError("the key service is away")
        return data

    def decode(self, data: bytes) -> bytes:
        return data
