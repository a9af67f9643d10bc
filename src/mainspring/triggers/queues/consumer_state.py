"""How the desk of a queue stands, for whoever looks at it."""

from collections.abc import Callable

import msgspec


class QueueConsumerState(msgspec.Struct, frozen=True, kw_only=True):
    """`since_at` = since when it is connected, or away; `why` = why it is away. `waits_for` = what keeps it from fetching although it is
    connected. `taken_in`, `refused` = messages since the desk began; `last_refusal` = why the last one of those could not be taken in,
    until there is none any more. No text holds a secret.
    """

    trigger: str
    queue: str
    connected: bool
    since_at: int
    why: str = ""
    waits_for: str = ""
    taken_in: int = 0
    refused: int = 0
    last_refusal: str = ""


StateReporter = Callable[[QueueConsumerState], None]
"""Told each change of a desk but the count of what it took in; must not block."""
