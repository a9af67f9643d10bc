"""Arguments from people (being filled in)."""

from typing import Any

from mainspring.domain.signature import Signature


def bind_json(sig: Signature, obj: dict[str, Any], what: str = "arguments") -> dict[str, Any]:
    raise NotImplementedError


def bind_words(sig: Signature, words: list[str], what: str = "arguments") -> dict[str, Any]:
    raise NotImplementedError


def json_schema(sig: Signature) -> dict[str, Any]:
    raise NotImplementedError


def example(sig: Signature) -> dict[str, Any]:
    raise NotImplementedError
