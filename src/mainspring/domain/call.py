"""Calls as bytes (being filled in)."""

from typing import Any, NamedTuple

from mainspring.domain.codec import DEFAULT_LIMIT
from mainspring.domain.signature import Signature


class Change(NamedTuple):
    path: str
    was: str
    now: str


def encode_call(
    sig: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], what: str = "arguments", *, limit: int = DEFAULT_LIMIT
) -> bytes:
    raise NotImplementedError


def decode_call(sig: Signature, data: bytes, what: str = "arguments") -> tuple[tuple[Any, ...], dict[str, Any]]:
    raise NotImplementedError


def roundtrip_call(
    sig: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], what: str = "arguments", *, limit: int = DEFAULT_LIMIT
) -> tuple[bytes, tuple[Any, ...], dict[str, Any]]:
    raise NotImplementedError


def same_call(sig: Signature, saved: bytes, now: bytes) -> bool:
    raise NotImplementedError


def diff_call(sig: Signature, saved: bytes, now: bytes) -> list[Change]:
    raise NotImplementedError


def encode_result(sig: Signature, value: object, what: str = "result", *, limit: int = DEFAULT_LIMIT) -> bytes:
    raise NotImplementedError


def decode_result(sig: Signature, data: bytes, what: str = "result") -> Any:
    raise NotImplementedError


def roundtrip_result(
    sig: Signature, value: Any, what: str = "result", *, limit: int = DEFAULT_LIMIT
) -> tuple[bytes, Any]:
    raise NotImplementedError
