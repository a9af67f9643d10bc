"""Findings about the store itself, from its file and the files beside it."""

from enum import StrEnum
from typing import Any

import msgspec


class StoreFindingKind(StrEnum):
    """The kind of problem."""

    DAMAGED = "damaged"
    """A page of the file cannot be read as it was written."""
    COMMITS_LOST = "commits_lost"
    """The store lacks commits that were acknowledged."""


class StoreFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A problem of the store. `text` is one line without a stop; `since_at` in ms UTC; `hint` names the command."""

    kind: StoreFindingKind
    text: str
    since_at: int
    hint: str
    facts: dict[str, Any] = {}
