"""Forks of a run: a confirmation before an operation that changes what they use."""

from mainspring.cli.context import Invocation
from mainspring.domain.states import RunState
from mainspring.store.views import RunHistory


def confirm_despite_forks(invocation: Invocation, history: RunHistory, does: str) -> None:
    """Ask for a confirmation if forks of a run use its results; `does` = what the operation does to these."""
    ended_badly = (RunState.FAILED, RunState.CANCELLED)
    forks = [fork for fork in history.forks if fork.state not in ended_badly]
    if forks:
        named = ", ".join(f"{fork.id} ({fork.state})" for fork in forks[:5])
        invocation.output.hint(f"Forks of {history.run.id} use its results: {named}{', ...' if forks[5:] else ''}")
        invocation.confirm(does)
