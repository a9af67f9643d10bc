"""When the next attempt is due: pure policy, nothing sleeps."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mainspring.domain.classify import Verdict


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how far apart a step's attempts are."""

    attempts: int = 5
    wait: Callable[[Any], float] | None = None
    stop: Callable[[Any], bool] | None = None

    def delay_after(self, attempt: int, *, elapsed: timedelta, verdict: Verdict, seed: str) -> timedelta | None:
        """Return the wait before attempt + 1, or None for no more."""
        raise NotImplementedError
