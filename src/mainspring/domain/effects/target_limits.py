"""Limits of a target that actions call: a rate limiter and a circuit breaker, whose state all processes share.

Pure: the store has one `TargetState` for each target, and calls `enter` and `leave` while it holds the lock of its name. See
docs/adr/0031-target-limits.md. All instants and durations are milliseconds.
"""

from enum import StrEnum
from typing import Final

import msgspec

from mainspring.domain.time.rate_window import RateWindow

FIRST_PAUSE_MS: Final = 30_000
"""How long a breaker is open at first; each failed probe doubles it."""
LONGEST_PAUSE_MS: Final = 600_000
_MOST_DOUBLINGS: Final = 10


class TargetLimits(msgspec.Struct, frozen=True):
    """The limits of one target: at most `count` requests in any `per_ms`; `break_after` failures in a row open its breaker. 0 = none."""

    count: int = 0
    per_ms: int = 0
    break_after: int = 0


class TargetState(msgspec.Struct, frozen=True):
    """The record of one target.

    `starts` = the used part of the rate, as RateWindow writes it. `failures` = how many in a row. `open_until_at` = until then, the open
    breaker allows no request; None = it is closed. `probe` = the request that tries an open target, until `probe_until_at` at most.
    `entered` = the request that entered last, which may be sent at `entered_at`; `last_failure` = the one that failed last: a command that
    is sent again counts once.
    """

    target: str
    starts: str = "[]"
    failures: int = 0
    open_until_at: int | None = None
    probe: str | None = None
    probe_until_at: int | None = None
    entered: str | None = None
    entered_at: int = 0
    last_failure: str | None = None
    changed_at: int = 0


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


def enter(
    state: TargetState, limits: TargetLimits, request: str, now: int, *, longest_wait_ms: int, probe_ms: int
) -> tuple[TargetState, TargetTurn | TargetRefused]:
    """Return the state after a request wants to be sent, and whether it may be.

    `longest_wait_ms` = how long it can wait for the rate. `probe_ms` = after this time, a probe without an end counts no more.
    """
    if state.entered == request:
        return state, TargetTurn(max(0, state.entered_at - now), state.failures)
    is_open = state.open_until_at is not None and limits.break_after > 0
    if is_open:
        until_at = max(state.open_until_at or 0, state.probe_until_at or 0)
        if now < until_at:
            return state, TargetRefused(TargetRefusal.CIRCUIT_OPEN, until_at - now, state.failures)
    window = RateWindow.of(limits.count, limits.per_ms, state.starts)
    wait_ms = window.next_at(now) - now if limits.count else 0
    if wait_ms > longest_wait_ms:
        return state, TargetRefused(TargetRefusal.RATE_LIMITED, wait_ms, state.failures)
    sent_at = now + wait_ms
    starts = window.spend(1, sent_at).write() if limits.count else state.starts
    probe, until = (request, sent_at + probe_ms) if is_open else (state.probe, state.probe_until_at)
    after = msgspec.structs.replace(
        state, starts=starts, probe=probe, probe_until_at=until, entered=request, entered_at=sent_at, changed_at=now
    )
    return after, TargetTurn(wait_ms, state.failures)


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
    pause_ms = max(min(FIRST_PAUSE_MS * 2**doublings, LONGEST_PAUSE_MS), retry_after_ms)
    return msgspec.structs.replace(failed, open_until_at=now + pause_ms)
