"""Description of a fork: its origin, as a sentence. Pure."""

from typing import Final

from mainspring.domain.runs.fork_origin import read_fork_origin
from mainspring.insight.text.formatting import escape_line, format_count
from mainspring.store.views import RunHistory, RunView

_STEP: Final = 200


def describe_fork(run: RunView) -> list[str]:
    """Return the sentence about the origin of a fork; none for another run."""
    origin = read_fork_origin(run.fork)
    if origin is None:
        return []
    place = f"step {escape_line(origin.step, _STEP)}" if origin.step else "its end"
    inherited = format_count(origin.last_rank, "outcome")
    return [f"It is a fork of run {origin.run} from {place}, and inherited {inherited}."]


def describe_forks(history: RunHistory) -> list[str]:
    """Return a sentence about each fork that uses results of a run."""
    return [f"Its fork {fork.id} ({fork.state.replace('_', ' ')}) uses its results." for fork in history.forks]
