"""Forks of a run: a confirmation before an operation that changes what they use."""

from mainspring.cli.context import Invocation
from mainspring.domain.states import RunState


def confirm_despite_forks(invocation: Invocation, run_id: str, does: str) -> None:
    """Ask for a confirmation if forks of a run use its results; `does` = what the operation does to these."""
    ended_badly = (RunState.FAILED, RunState.CANCELLED)
    forks = [fork for fork in invocation.reads.run_history(run_id).forks if fork.state not in ended_badly]
    if forks:
        named = ", ".join(f"{fork.id} ({fork.state})" for fork in forks[:5])
        invocation.output.hint(f"Forks of {run_id} use its results: {named}{', ...' if forks[5:] else ''}")
        invocation.confirm(does)
