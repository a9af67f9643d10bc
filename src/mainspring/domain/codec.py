"""Values as bytes (being filled in)."""

from typing import Any, NamedTuple, Protocol

DEFAULT_LIMIT = 256 * 1024


class Value(NamedTuple):
    codec: str
    data: bytes


class Codec(Protocol):
    id: str

    def encode(self, data: bytes) -> bytes: ...
    def decode(self, data: bytes) -> bytes: ...


class JsonCodec:
    id = "json"

    def encode(self, data: bytes) -> bytes:
        return data

    def decode(self, data: bytes) -> bytes:
        return data


def encode(value: object, *, what: str = "value", limit: int = DEFAULT_LIMIT, annotation: Any = Any) -> bytes:
    raise NotImplementedError


def decode(data: bytes, annotation: Any = Any, *, what: str = "value") -> Any:
    raise NotImplementedError
