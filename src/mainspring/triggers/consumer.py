"""The protocol of a consumer: it fetches deliveries for one trigger."""

from collections.abc import Coroutine
from typing import Any, Protocol


class Consumer(Protocol):
    """Fetches deliveries for one trigger until it is cancelled; an unreachable broker or folder does not end it."""

    def run(self) -> Coroutine[Any, Any, None]:
        """Fetch without end."""
        ...
