"""Children that act on a store, for tests that need real processes."""

import os
import signal
import traceback
from collections.abc import Callable


def in_child(act: Callable[[], None]) -> int:
    """Run `act` in a forked child that must not have opened the store before; return its pid."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)  # no child outlives a failed test
        try:
            act()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
