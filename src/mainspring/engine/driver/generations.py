"""Which generation a request belongs to: continuing a run from a chosen step opens one for what was asked for from there on.

What was asked for before the chosen step is no part of it. Where such a step is still open it begins again under the key that it had, so
that whoever it called knows the second call for the first.
"""

from collections.abc import Iterable

from mainspring.domain.runs.journal import Outcome


class Generations:
    """The generations of one run, by the place in the order of asking from which each counts."""

    def __init__(self, superseded: Iterable[Outcome]) -> None:
        self._begins: dict[int, int] = {}
        for outcome in superseded:
            # One superseded by a retry within its own generation opened none.
            if outcome.superseded is not None and outcome.superseded > outcome.generation:
                begins = self._begins.get(outcome.superseded, outcome.asked)
                self._begins[outcome.superseded] = min(begins, outcome.asked)

    def of(self, asked: int) -> int:
        """Return the generation of the request with this place in the order of asking."""
        return max((generation for generation, begins in self._begins.items() if begins <= asked), default=0)
