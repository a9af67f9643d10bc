"""Views of the targets that HTTP actions call: state of the breaker, and what is left of the rate."""

from collections.abc import Iterable, Mapping

import msgspec

from mainspring.domain.effects.target_limits import TargetLimits, TargetState, TurnLine
from mainspring.resources.action_hosts import ANY_HOST


class TargetView(msgspec.Struct, frozen=True):
    """A host with limits. `state` = "closed", "open", or "half-open": one request tries whether it works again.

    `left` = how many requests may be sent now, `next_at` = when the next one may, if none is left; None = it has no rate. All instants are
    ms.
    """

    target: str
    state: str
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
        line = TurnLine.read(limit, state)
        left = line.count_free(now) if limit.count else None
        is_over = state.open_until_at is not None and state.open_until_at <= now
        views.append(
            TargetView(
                state.target,
                "closed" if state.open_until_at is None else "half-open" if is_over else "open",
                state.failures,
                state.open_until_at,
                left,
                line.next_at(now) if left == 0 else None,
                state.changed_at,
            )
        )
    return views
