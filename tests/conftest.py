"""Settings that every suite shares."""

import signal
import threading

import pytest
from hypothesis import HealthCheck, settings

# Two loaded cores make single examples slow by chance: a deadline would report the machine, not the code.
settings.register_profile("mainspring", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mainspring")


@pytest.fixture(autouse=True)
def _ctrl_c_reaches_children() -> None:
    """Let SIGINT end children: runners, shells and other tests may leave it ignored, and an ignored signal is inherited."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
