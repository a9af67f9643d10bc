"""What is wrong with the store itself, as its file, and what lies beside it, show."""

from enum import StrEnum
from typing import Any

import msgspec


class StoreFindingKind(StrEnum):
    """What is wrong."""

    DAMAGED = "damaged"
    """A page of the file cannot be read as it was written."""
    COMMITS_LOST = "commits_lost"
    """The store lacks commits that were acknowledged."""


class StoreFinding(msgspec.Struct, frozen=True, kw_only=True):
    """`text` is one line without a stop; `since_at` in ms UTC; `hint` names the command."""

    kind: StoreFindingKind
    text: str
    since_at: int
    hint: str
    facts: dict[str, Any] = {}
