"""Limited requests: from its turn in the rate of its host to its end, which the circuit breaker of the host counts."""

import asyncio
import contextlib
import secrets

from mainspring.actions.http.errors import HttpLimitError
from mainspring.app.target_commands import send_target_command
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.effects.target_limits import TargetLimits, TargetRefused, TargetTurn
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.http_errors import parse_retry_after
from mainspring.engine.attempts.step_context import CURRENT_STEP
from mainspring.resources.action_hosts import ACTION_HOSTS
from mainspring.store.commands.targets import EnterTarget, LeaveTarget

LONGEST_WAIT_MS = 10_000
"""A request that has to wait longer for the rate is refused: a step waits better outside of its worker."""
_PROBE_ALLOWANCE_S = 10.0
_FAILED = frozenset({429, 500, 502, 503, 504})


class LimitedRequest:
    """One request to a host with limits. `is_ok` = whether the target works, as far as this request shows; None = not known."""

    def __init__(self, host: str, limits: TargetLimits) -> None:
        self._host = host
        self._limits = limits
        self._request = secrets.token_hex(8)
        self._failures = 0
        self._retry_after_ms = 0
        self.is_ok: bool | None = None

    async def enter(self, place: str, timeout_s: float) -> None:
        """Wait for the turn of this request.

        Raises:
            HttpLimitError: the rate is used up, or the breaker is open.
            StoreError: the store cannot be used.
        """
        probe_ms = round((timeout_s + _PROBE_ALLOWANCE_S) * 1000)
        answer = await send_target_command(
            EnterTarget(self._host, self._limits, self._request, LONGEST_WAIT_MS, probe_ms, _find_owner())
        )
        if isinstance(answer, TargetRefused):
            raise HttpLimitError(place, self._host, answer)
        if isinstance(answer, TargetTurn):
            self._failures = answer.failures
            await asyncio.sleep(answer.wait_ms / 1000)

    def note_response(self, status: int, retry_after: str | None) -> None:
        """Note what the target answered: its status and its header Retry-After."""
        self.is_ok = status not in _FAILED
        span = parse_retry_after(retry_after, None)
        self._retry_after_ms = 0 if span is None else to_milliseconds(span)

    async def leave(self) -> None:
        """Record how the request ended. A store that is away by now is no failure of the request."""
        if self.is_ok is None or not self._limits.break_after or (self.is_ok and not self._failures):
            return
        with contextlib.suppress(MainspringError):
            await send_target_command(
                LeaveTarget(
                    self._host, self._limits, self._request, is_ok=self.is_ok, retry_after_ms=self._retry_after_ms
                )
            )


def _find_owner() -> str | None:
    """Return the name of this request for all attempts of the step that runs now; None in a program, which does not come back."""
    step = CURRENT_STEP.get()
    return None if step is None else step.name_use("http.turn")


def find_limited_request(host: str) -> LimitedRequest | None:
    """Return the next request to a host; None if the configuration does not limit it."""
    limits = ACTION_HOSTS.find_limits(host)
    return None if limits is None else LimitedRequest(host, limits)
