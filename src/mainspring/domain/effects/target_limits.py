"""Limits of a target that actions call: a rate limiter and a circuit breaker, whose state all processes share.

Pure: the store has one `TargetState` for each target, and calls `enter` and `leave` while it holds the lock of its name. See
docs/adr/0031-target-limits.md. All instants and durations are milliseconds.
"""

from enum import StrEnum
from typing import Final

import msgspec

from mainspring.domain.duration import to_milliseconds
from mainspring.domain.failures.retry import MAX_RETRY_AFTER

FIRST_PAUSE_MS: Final = 30_000
"""How long a breaker is open at first; each failed probe doubles it."""
LONGEST_PAUSE_MS: Final = 600_000
LONGEST_RESERVATION_MS: Final = 24 * 3_600_000
"""How far ahead an instant is reserved."""
LATE_LIMIT_MS: Final = 60_000
"""A request that comes later than this after its reserved instant has lost it."""
_MOST_DOUBLINGS: Final = 10
_PARTS: Final = 50


class TargetLimits(msgspec.Struct, frozen=True):
    """The limits of one target: at most `count` requests in any `per_ms`; `break_after` failures in a row open its breaker. 0 = none."""

    count: int = 0
    per_ms: int = 0
    break_after: int = 0


class TargetState(msgspec.Struct, frozen=True):
    """The record of one target.

    `requests` = the last ones of its rate, as `RequestWindow` writes them; their instants count from `base_at`. `failures` = how many in a
    row.
    `open_until_at` = until then, the open breaker allows no request; None = it is closed. `probe` = the request that tries an open target,
    until `probe_until_at` at most. `entered` = the request that entered last, which may be sent at `entered_at`; `last_failure` = the one
    that failed last: a command that is sent again counts once.
    """

    target: str
    requests: str = "[]"
    base_at: int = 0
    failures: int = 0
    open_until_at: int | None = None
    probe: str | None = None
    probe_until_at: int | None = None
    entered: str | None = None
    entered_at: int = 0
    last_failure: str | None = None
    changed_at: int = 0


class BreakerState(StrEnum):
    """The state of a circuit breaker, derived from the record of its target."""

    CLOSED = "closed"
    """Requests are sent."""
    OPEN = "open"
    """No request is sent."""
    HALF_OPEN = "half-open"
    """One request tries whether the target works again, or the next one will."""


def derive_breaker_state(state: TargetState, now: int) -> BreakerState:
    """Return the state of the breaker of a target."""
    if state.open_until_at is None:
        return BreakerState.CLOSED
    return BreakerState.OPEN if now < state.open_until_at else BreakerState.HALF_OPEN


class TargetRefusal(StrEnum):
    """Why a target may not be called now. The values are codes of errors."""

    RATE_LIMITED = "rate_limited"
    CIRCUIT_OPEN = "circuit_open"


class TargetTurn(msgspec.Struct, frozen=True, tag="turn"):
    """A request may be sent after `wait_ms`. `failures` = how many were in a row before it."""

    wait_ms: int = 0
    failures: int = 0


class TargetRefused(msgspec.Struct, frozen=True, tag="refused"):
    """A request must not be sent; another one may be after `retry_after_ms`."""

    reason: TargetRefusal
    retry_after_ms: int
    failures: int = 0


class RequestWindow(msgspec.Struct, frozen=True):
    """The last `count` requests of a target, also those that lie ahead, so that no span of `per_ms` has more of them.

    `parts` = (last instant, requests) of each part, oldest first. A rate of up to fifty requests is exact, a larger one is rounded down by
    two percent at most: they are counted in parts of a fiftieth of the span, until the last instant of the part is a span ago. Unlike
    `RateWindow`, which forgets what is a span ago, it keeps what a reserved instant depends on.
    """

    count: int
    per_ms: int
    parts: tuple[tuple[int, int], ...] = ()

    @classmethod
    def read(cls, limits: TargetLimits, state: TargetState) -> "RequestWindow":
        """Return the window that `write` wrote, for a rate that may have changed since."""
        parts = msgspec.json.decode(state.requests, type=list[tuple[int, int]])
        return cls(limits.count, limits.per_ms, tuple((last + state.base_at, number) for last, number in parts))

    def write(self, base_at: int) -> str:
        """Return the window as text."""
        return msgspec.json.encode([(last - base_at, number) for last, number in self.parts]).decode()

    def next_at(self, now: int) -> int:
        """Return the earliest instant, from now on, of one more request."""
        used, at = sum(number for _, number in self.parts), now
        for last, number in self.parts:
            if used < self.count:
                break
            used -= number
            at = max(at, last + self.per_ms)
        return at

    def add(self, at: int) -> "RequestWindow":
        """Return the window with one more request. Those on which no later one depends are left out."""
        width = max(1, self.per_ms // _PARTS) if self.count > _PARTS else 1
        last, parts = at - at % width + width - 1, list(self.parts)
        if parts and parts[-1][0] >= last:
            parts[-1] = (parts[-1][0], parts[-1][1] + 1)
        else:
            parts.append((last, 1))
        while sum(number for _, number in parts[1:]) >= self.count:
            del parts[0]
        return msgspec.structs.replace(self, parts=tuple(parts))

    def count_free(self, now: int) -> int:
        """Return how many requests may be sent now."""
        used = sum(number for last, number in self.parts if last + self.per_ms > now)
        return max(0, self.count - used)


class TargetEntry(msgspec.Struct, frozen=True):
    """A request that wants to be sent. `request` names it; `longest_wait_ms` = how long it can wait for its turn.

    `reserved_at` = the instant that was reserved for it before; `may_reserve` = it comes back for an instant that is further away.
    `probe_ms` = after this time, a probe without an end counts no more.
    """

    request: str
    longest_wait_ms: int
    probe_ms: int
    reserved_at: int | None = None
    may_reserve: bool = False


def enter(
    state: TargetState, limits: TargetLimits, entry: TargetEntry, now: int
) -> tuple[TargetState, TargetTurn | TargetRefused]:
    """Return the state after a request wants to be sent, and whether it may be.

    If it may not because of the rate, and the state is another one, an instant was reserved: `retry_after_ms` from now.
    """
    if state.entered == entry.request:
        return state, TargetTurn(max(0, state.entered_at - now), state.failures)
    is_open = state.open_until_at is not None and limits.break_after > 0
    if is_open:
        until_at = max(state.open_until_at or 0, state.probe_until_at or 0)
        if now < until_at:
            return state, TargetRefused(TargetRefusal.CIRCUIT_OPEN, until_at - now, state.failures)
    after, at = _take_turn(state, limits, entry, now)
    wait_ms = max(0, at - now)
    if wait_ms > entry.longest_wait_ms:
        return after, TargetRefused(TargetRefusal.RATE_LIMITED, wait_ms, state.failures)
    after = msgspec.structs.replace(after, entered=entry.request, entered_at=now + wait_ms, changed_at=now)
    if is_open:
        after = msgspec.structs.replace(after, probe=entry.request, probe_until_at=now + wait_ms + entry.probe_ms)
    return after, TargetTurn(wait_ms, state.failures)


def _take_turn(state: TargetState, limits: TargetLimits, entry: TargetEntry, now: int) -> tuple[TargetState, int]:
    """Return the state after a request got a turn, and the instant of the turn. It gets none if it would not use it."""
    if not limits.count:
        return state, now
    if entry.reserved_at is not None and now - entry.reserved_at <= LATE_LIMIT_MS:
        return state, entry.reserved_at
    base_at = state.base_at or now
    window = RequestWindow.read(limits, msgspec.structs.replace(state, base_at=base_at))
    at = window.next_at(now)
    longest_ms = LONGEST_RESERVATION_MS if entry.may_reserve else entry.longest_wait_ms
    if at - now > longest_ms:
        return state, at
    return msgspec.structs.replace(state, requests=window.add(at).write(base_at), base_at=base_at, changed_at=now), at


def leave(
    state: TargetState, limits: TargetLimits, request: str, now: int, *, is_ok: bool, retry_after_ms: int = 0
) -> TargetState:
    """Return the state after a request: a failure can open the breaker, and a success closes it if this was the probe."""
    is_open = state.open_until_at is not None
    if (is_open and state.probe != request) or state.last_failure == request:
        return state
    closed = msgspec.structs.replace(
        state, failures=0, open_until_at=None, probe=None, probe_until_at=None, last_failure=None, changed_at=now
    )
    if is_ok:
        return closed
    failures = state.failures + 1
    failed = msgspec.structs.replace(closed, failures=failures, last_failure=request)
    if not limits.break_after or failures < limits.break_after:
        return failed
    doublings = min(failures - limits.break_after, _MOST_DOUBLINGS)
    requested_ms = min(retry_after_ms, to_milliseconds(MAX_RETRY_AFTER))
    pause_ms = max(min(FIRST_PAUSE_MS * 2**doublings, LONGEST_PAUSE_MS), requested_ms)
    return msgspec.structs.replace(failed, open_until_at=now + pause_ms)
