"""How the desk of a folder stands, for whoever looks at it."""

from collections.abc import Callable

import msgspec


class DeskState(msgspec.Struct, frozen=True):
    """Either `connected_at` or `away_since` is set (ms UTC). `why` = why it is away, or what is left out although it is connected."""

    trigger: str
    connected_at: int | None = None
    away_since: int | None = None
    why: str | None = None


Report = Callable[[DeskState], None]
"""Told each change of a desk; must not block."""
