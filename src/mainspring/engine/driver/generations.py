"""The generations of a run's requests: resuming a run from a chosen step opens one for all requests from that step on.

Earlier requests do not belong to it. Such a step that is still open starts again under its old key, so that the called
system recognizes the second call as the first.
"""

from collections.abc import Iterable

from mainspring.domain.runs.journal import Outcome


class Generations:
    """The generations of one run, each with the request number from which it counts."""

    def __init__(self, superseded: Iterable[Outcome]) -> None:
        self._first_numbers: dict[int, int] = {}
        for outcome in superseded:
            # One superseded by a retry within its own generation opened none.
            if outcome.superseded is not None and outcome.superseded > outcome.generation:
                first = self._first_numbers.get(outcome.superseded, outcome.request_number)
                self._first_numbers[outcome.superseded] = min(first, outcome.request_number)

    def of(self, number: int) -> int:
        """Return the generation of the request with this number."""
        return max((generation for generation, first in self._first_numbers.items() if first <= number), default=0)
