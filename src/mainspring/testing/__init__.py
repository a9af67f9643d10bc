"""Testing of programs that use Mainspring: a clock that a test sets, and an event loop that does not wait for it."""

from mainspring.testing.action_contract import ActionContract, ContractError
from mainspring.testing.clock import FakeClock
from mainspring.testing.virtual_loop import DeadlockError, VirtualLoop

__all__ = ["ActionContract", "ContractError", "DeadlockError", "FakeClock", "VirtualLoop"]
