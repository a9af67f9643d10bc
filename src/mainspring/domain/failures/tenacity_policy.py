"""Tenacity policies: call tenacity's wait and stop objects as pure functions. They compute, nothing sleeps.

They read a `RetryCallState`: the attempt's number, its outcome, the seconds since the start, and for stops the next wait. tenacity calls
the wait first and then the stop, and so does this module.

tenacity's random waits take their numbers from the global name `random` inside `tenacity.wait`. During a call, that name is a source
seeded from (run, step, attempt), for this thread only: other threads that use tenacity get the real module through it. The random numbers
of a user's own callables are not seeded; nothing depends on it, because the computed time is saved.

This module, and with it tenacity (46 ms), is imported only when such an object is used.
"""

import math
import random
import threading
from collections.abc import Callable
from datetime import timedelta

import tenacity
import tenacity.stop
import tenacity.wait

from mainspring.domain.text.escaping import escape

WaitFunction = Callable[[tenacity.RetryCallState], float]

_LONGEST = timedelta(days=365)
_MAX_TEXT_LENGTH = 400
_DEEPEST_TEXT = 4
_RANDOM_LOCK = threading.Lock()


def make_call_state(
    attempt: int, *, elapsed: timedelta, exc: BaseException, upcoming: timedelta = timedelta(0)
) -> tenacity.RetryCallState:
    """Return the state that tenacity would hold after `attempt` (from 1) failed with `exc`."""
    state = tenacity.RetryCallState(tenacity.Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = attempt
    state.outcome = tenacity.Future.construct(attempt, exc, has_exception=True)
    state.start_time = 0.0
    state.outcome_timestamp = elapsed.total_seconds()
    state.upcoming_sleep = upcoming.total_seconds()
    return state


def compute_wait(wait: WaitFunction, state: tenacity.RetryCallState, *, seed: str) -> timedelta:
    """Return the wait that the object computes, within [0, 365 days], the same for the same seed.

    Raises:
        ValueError: it computed no number, or "not a number".
    """
    with _RANDOM_LOCK:
        setattr(tenacity.wait, "random", _SeededRandom(random.Random(seed)))  # noqa: B010 - typed as private
        try:
            seconds = wait(state)
        finally:
            setattr(tenacity.wait, "random", random)  # noqa: B010 - typed as private
    if not isinstance(seconds, int | float) or math.isnan(seconds):
        raise ValueError(f"the wait computed {seconds!r}")
    return timedelta(seconds=min(max(seconds, 0), _LONGEST.total_seconds()))


def describe_policy(policy: object, depth: int = _DEEPEST_TEXT) -> str:
    """Return class and parameters of a wait or stop object for people: "wait_fixed(wait_fixed=30.0)"."""
    if isinstance(policy, list | tuple):
        return f"[{', '.join(describe_policy(part, depth - 1) for part in policy)}]" if depth else "[...]"
    if policy is None or isinstance(policy, bool | int | float | str):
        return escape(repr(policy), _MAX_TEXT_LENGTH)
    if not isinstance(policy, tenacity.wait.wait_base | tenacity.stop.stop_base):
        # Not repr(): it may show anything, and holds an address that differs each time.
        return escape(str(getattr(policy, "__qualname__", type(policy).__qualname__)), _MAX_TEXT_LENGTH)
    if depth == 0:
        return f"{type(policy).__name__}(...)"
    parts = (f"{name}={describe_policy(value, depth - 1)}" for name, value in sorted(vars(policy).items()))
    return escape(f"{type(policy).__name__}({', '.join(parts)})", _MAX_TEXT_LENGTH)


class _SeededRandom:
    """Replaces the module `random`: seeded for the thread that made it, the real one for all others."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._thread = threading.get_ident()

    def __getattr__(self, name: str) -> object:
        return getattr(self._source if threading.get_ident() == self._thread else random, name)
