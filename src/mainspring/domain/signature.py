"""Signatures (being filled in)."""

from collections.abc import Callable
from typing import Any

from mainspring.domain.codec import DEFAULT_LIMIT


class Signature:
    name: str
    skip: int
    leading: tuple[tuple[str, Any], ...]  # name and annotation of the skipped parameters
    returns: Any


def signature_of(fn: Callable[..., Any], skip: int = 0) -> Signature:
    raise NotImplementedError


def first_parameter(fn: Callable[..., Any]) -> tuple[str, Any] | None:
    """Name and annotation of the first parameter: is it a run or a tx?"""
    raise NotImplementedError
