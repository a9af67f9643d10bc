"""The state of a queue's consumer, as it is reported."""

from collections.abc import Callable

import msgspec


class QueueConsumerState(msgspec.Struct, frozen=True, kw_only=True):
    """One state. `since_at` = since when it is connected or unreachable; `reason` = why it is unreachable. `waits_for` = what blocks
    fetching although it is connected. `accepted`, `refused` = messages since the start; `last_refusal` = the newest reason of a
    refusal, empty again after a batch without one. No text contains a secret.
    """

    trigger: str
    queue: str
    connected: bool
    since_at: int
    reason: str = ""
    waits_for: str = ""
    accepted: int = 0
    refused: int = 0
    last_refusal: str = ""


StateReporter = Callable[[QueueConsumerState], None]
"""Receives each change of a state except the count of accepted messages; must not block."""
