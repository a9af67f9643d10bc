"""Hidden values: stored values for pages, with secrets hidden, however they were stored."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

from mainspring.domain.redaction.redactor import MASK
from mainspring.domain.redaction.secret_detection import SECRET_FIELD_NAME
from mainspring.domain.values.sealing import FILE_MARK, split_sealed
from mainspring.domain.values.stored_file import hide_file_keys
from mainspring.resources.known_secrets import KNOWN_SECRETS

_PARTS: Final = re.compile(r"[.\[]")


def hide_in_value(data: bytes | None) -> bytes | None:
    """Return a stored value with its secrets hidden; unchanged if it has none, or is sealed."""
    if data is None or split_sealed(data) is not None:
        return data
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return KNOWN_SECRETS.redact(data.decode("utf-8", "replace")).encode("utf-8", "replace")
    has_files = FILE_MARK in data
    redacted = hide_in_data(hide_file_keys(found) if has_files else found)
    return data if redacted == found and not has_files else msgspec.json.encode(redacted)


def hide_in_data(found: Any) -> Any:
    """Return JSON data with its secrets hidden."""
    return KNOWN_SECRETS.redactor.redact_data(found)


def hide_in_command(words: Sequence[str]) -> list[str]:
    """Return the words of a command with its secrets hidden, also one that follows its flag as a separate word."""
    return [
        MASK
        if before.startswith("-") and SECRET_FIELD_NAME.search(before.replace("-", "_"))
        else KNOWN_SECRETS.redact(word)
        for before, word in pairwise(["", *words])
    ]


def hide_at_path(path: str, text: str) -> str:
    """Return the JSON text of one value of many without its secrets; `path` = the names that lead to it ("input.card.token")."""
    *above, name = _PARTS.split(path)
    is_secret = any(SECRET_FIELD_NAME.search(parent) for parent in above) or (
        SECRET_FIELD_NAME.search(name) and text[:1] in ('"', "[", "{")
    )
    return MASK if is_secret else KNOWN_SECRETS.redact(text)
