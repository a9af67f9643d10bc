"""What fetches for one trigger."""

from collections.abc import Coroutine
from typing import Any, Protocol


class Consumer(Protocol):
    """Fetches what arrives for one trigger until it is cancelled; a broker or folder that is away does not end it."""

    def run(self) -> Coroutine[Any, Any, None]:
        """Fetch, for ever."""
        ...
