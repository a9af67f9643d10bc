"""Views of the targets that HTTP actions call: state of the breaker, and what is left of the rate."""

from collections.abc import Iterable, Mapping

import msgspec

from mainspring.domain.effects.target_limits import (
    BreakerState,
    RequestWindow,
    TargetLimits,
    TargetState,
    derive_breaker_state,
)
from mainspring.resources.action_hosts import ANY_HOST


class TargetView(msgspec.Struct, frozen=True):
    """A host with limits, and the state of its breaker.

    `left` = how many requests may be sent now, `next_at` = when the next one may, if none is left; None = it has no rate. All instants are
    ms.
    """

    target: str
    state: BreakerState
    failures: int
    open_until_at: int | None
    left: int | None
    next_at: int | None
    last_at: int


def view_targets(states: Iterable[TargetState], limits: Mapping[str, TargetLimits], now: int) -> list[TargetView]:
    """Return the views; `limits` = by host, as the configuration has them."""
    views: list[TargetView] = []
    for state in states:
        limit = limits.get(state.target, limits.get(ANY_HOST, TargetLimits()))
        window = RequestWindow.read(limit, state)
        left = window.count_free(now) if limit.count else None
        views.append(
            TargetView(
                state.target,
                derive_breaker_state(state, now),
                state.failures,
                state.open_until_at,
                left,
                window.next_at(now) if left == 0 else None,
                state.changed_at,
            )
        )
    return views
