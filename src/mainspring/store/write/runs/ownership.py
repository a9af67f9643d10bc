"""Ownership of runs: the answer of a handler whose statement changed nothing.

Each statement of an owner's command checks claim and session itself. Only if it changed nothing is the reason read:
after a commit of unknown outcome (`tx.again`) the repeated group itself may have released the run.
"""

from mainspring.store.commands.results import CLAIM_LOST, DONE, CommandDone, Refused
from mainspring.store.schema.runs.runs import RECEIVING_RUN, ReceivingRun
from mainspring.store.transaction import Transaction


def is_run_owner(tx: Transaction, run: str, claim: int) -> bool:
    """Tell whether this session owns the run under this claim now."""
    return tx.first("is_run_owner", (run, claim, tx.session)) is not None


def read_receiving_run(tx: Transaction, run: str) -> ReceivingRun | None:
    """Return the part of a run that decides whether it accepts a fact; None = there is no such run."""
    return RECEIVING_RUN.read_first(tx.all("read_receiving_state", (run,)))


def answer_lost_claim(tx: Transaction, run: str, claim: int) -> CommandDone | Refused:
    """Answer a command that found no run of its claim: Done if its own first sending released the run, else claim_lost."""
    if tx.again and tx.first("is_claim_released", (run, claim)) is not None:
        return DONE
    return CLAIM_LOST
