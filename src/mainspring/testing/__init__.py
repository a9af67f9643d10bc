"""Testing of programs that use Mainspring: a lab, a clock that a test sets, an event loop that does not wait, the contract of actions.

Each name is imported when it is first used: the contract needs the whole of Mainspring, a clock nearly nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mainspring.testing.action_contract import ActionContract, ContractError
    from mainspring.testing.clock import FakeClock
    from mainspring.testing.crash.crash_everywhere import CrashOptions
    from mainspring.testing.crash.crash_point import CrashPoint
    from mainspring.testing.crash.crash_report import CrashCase, CrashReport, CrashVerdict
    from mainspring.testing.crash.host_session import CrashTestError
    from mainspring.testing.lab.fakes import Fake
    from mainspring.testing.lab.lab import Lab
    from mainspring.testing.lab.lab_loop import LabError
    from mainspring.testing.lab.lab_runs import LabRun
    from mainspring.testing.lab.real_time import RealTimeWarning
    from mainspring.testing.lab.sync_lab import SyncLab, SyncRun
    from mainspring.testing.replay.replay_cases import ReplayCase, ReplayError, replay_cases
    from mainspring.testing.virtual_loop import DeadlockError, VirtualLoop

_MODULES = {
    "ActionContract": "action_contract",
    "ContractError": "action_contract",
    "CrashCase": "crash.crash_report",
    "CrashOptions": "crash.crash_everywhere",
    "CrashPoint": "crash.crash_point",
    "CrashReport": "crash.crash_report",
    "CrashTestError": "crash.host_session",
    "CrashVerdict": "crash.crash_report",
    "DeadlockError": "virtual_loop",
    "Fake": "lab.fakes",
    "FakeClock": "clock",
    "Lab": "lab.lab",
    "LabError": "lab.lab_loop",
    "LabRun": "lab.lab_runs",
    "RealTimeWarning": "lab.real_time",
    "SyncLab": "lab.sync_lab",
    "SyncRun": "lab.sync_lab",
    "ReplayCase": "replay.replay_cases",
    "ReplayError": "replay.replay_cases",
    "VirtualLoop": "virtual_loop",
    "replay_cases": "replay.replay_cases",
}

__all__ = [
    "ActionContract",
    "ContractError",
    "CrashCase",
    "CrashOptions",
    "CrashPoint",
    "CrashReport",
    "CrashTestError",
    "CrashVerdict",
    "DeadlockError",
    "Fake",
    "FakeClock",
    "Lab",
    "LabError",
    "LabRun",
    "RealTimeWarning",
    "ReplayCase",
    "ReplayError",
    "SyncLab",
    "SyncRun",
    "VirtualLoop",
    "replay_cases",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, and keep it."""
    if name not in _MODULES:
        raise AttributeError(f"module 'mainspring.testing' has no attribute {name!r}")
    value = getattr(import_module(f"mainspring.testing.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Offer the names to completion."""
    return sorted({*globals(), *__all__})
