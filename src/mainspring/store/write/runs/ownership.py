"""Ownership of runs: what a handler answers when its statement changed nothing.

Every statement of an owner's command checks claim and session by itself. Only when it changed nothing is it asked why: after a
commit of unknown outcome (`tx.again`) the run may have been let go by the very group that is sent again.
"""

from mainspring.store.commands.results import CLAIM_LOST, DONE, CommandDone, Refused
from mainspring.store.transaction import Transaction


def is_run_owner(tx: Transaction, run: str, claim: int) -> bool:
    """Tell whether this session owns the run under this claim now."""
    return tx.one("is_run_owner", (run, claim, tx.session)) is not None


def is_claim_released(tx: Transaction, run: str, claim: int) -> CommandDone | Refused:
    """Answer a command that found no run of its claim: Done if its own first sending let the run go, else claim_lost."""
    if tx.again and tx.one("is_claim_released", (run, claim)) is not None:
        return DONE
    return CLAIM_LOST
