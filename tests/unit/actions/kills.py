"""How the contract of an action is checked: a few places in `make test`, each line and many repetitions in `make torture`."""

import os
from pathlib import Path

from mainspring.testing import ActionContract

LONG = os.environ.get("TESTS_LONG") == "1"
TIMEOUT_S = 0 if LONG else 300
_PLACES = 5
_LONG_REPEATS = 50


def check_contract(contract: ActionContract, folder: Path, *, repeats: int = 1) -> None:
    """Kill the action at five places, `repeats` times at each; in `make torture` 50 times, and at each of its lines once."""
    contract.check(folder, kills=_PLACES, repeats=_LONG_REPEATS if LONG else repeats)
    if LONG:
        contract.check(folder)
