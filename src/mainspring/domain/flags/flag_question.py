"""Flag question: what code passes to a question about a flag, checked and in the form in which it is answered."""

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.flags.flag import FlagQuestion
from mainspring.domain.text.escaping import MAX_NAME_LENGTH, escape, is_valid_name

_MAX_KEY = 10_000
FlagKey = str | int | uuid.UUID
"""For whom code asks."""


def make_question(
    name: object, by: object, default: object, attributes: Mapping[str, object] | None, *, otherwise: str = ""
) -> FlagQuestion:
    """Return the question; `otherwise` = the key without `by`.

    Raises:
        ArgumentError: an argument cannot be used.
    """
    if not isinstance(name, str) or not is_valid_name(name):
        raise ArgumentError(
            f"flag({escape(repr(name), 60)}): this is not a valid name of a flag",
            hint=f"Use 1 to {MAX_NAME_LENGTH} printable characters in one line, not all of them blank.",
        )
    try:
        text = msgspec.json.encode(default).decode()
        is_same = msgspec.json.decode(text) == default
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"flag({name!r}): the default is no JSON value: {error}") from None
    if not is_same:
        raise ArgumentError(
            f"flag({name!r}): the default of type {type(default).__name__} is no JSON value",
            hint="Use None, a boolean, a finite number, a text, a list, or a dictionary with text as keys.",
        )
    return FlagQuestion(name, otherwise if by is None else _key(name, by), text, _attributes(name, attributes))


def read_value(text: str) -> Any:
    """Return the value of an answer."""
    return msgspec.json.decode(text)


def _key(name: str, by: object) -> str:
    if isinstance(by, bool) or not isinstance(by, FlagKey):
        raise ArgumentError(
            f"flag({name!r}, by={escape(repr(by), 60)}): expected a text, a whole number or a UUID",
            hint="Use the id of whom the flag is for, such as by=order.customer_id.",
        )
    key = str(by)
    if len(key) > _MAX_KEY or not _is_unicode(key):
        raise ArgumentError(f"flag({name!r}): the key in by= has over {_MAX_KEY:,} characters, or is no valid Unicode")
    return key


def _attributes(name: str, attributes: Mapping[str, object] | None) -> dict[str, str]:
    texts: dict[str, str] = {}
    for attribute, value in (attributes or {}).items():
        if isinstance(value, bool):
            texts[attribute] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            texts[attribute] = str(value)
        else:
            raise ArgumentError(
                f"flag({name!r}): the attribute {escape(repr(attribute), 60)} is a {type(value).__name__}",
                hint="Attributes are texts, numbers and booleans. Pass the field that the rule compares.",
            )
        if not _is_unicode(texts[attribute]):
            raise ArgumentError(f"flag({name!r}): the attribute {escape(repr(attribute), 60)} is no valid Unicode")
    return texts


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
