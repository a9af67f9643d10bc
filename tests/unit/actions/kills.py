"""How the contract of an action is checked: a few places in `make test`, each line and many repetitions in `make torture`."""

from pathlib import Path

from mainspring.testing import ActionContract
from tests.sampling import ALL, seed

TIMEOUT_S = 0 if ALL else 300
_PLACES = 2
_LONG_PLACES = 5
_LONG_REPEATS = 50


def check_contract(contract: ActionContract, folder: Path, *, repeats: int = 1) -> None:
    """Kill the action `repeats` times at two places that the commit chooses; in `make torture` 50 times at five, and at each line once."""
    if ALL:
        contract.check(folder, kills=_LONG_PLACES, repeats=_LONG_REPEATS)
        contract.check(folder)
    else:
        contract.check(folder, kills=_PLACES, repeats=repeats, seed=seed())
