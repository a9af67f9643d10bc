"""The exit of a process: seen before the process is reaped, and the signal that caused it by name."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator


@contextlib.contextmanager
def open_exit_descriptor(process: subprocess.Popen[bytes]) -> Iterator[int | None]:
    """Give a descriptor that is readable when the process has ended; None where the system has none."""
    descriptor = None
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(process.pid)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Return whether it has ended, without reaping it: its number stays ours until then."""
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def signal_name(number: int) -> str:
    """Return "SIGSEGV", or "signal 40" where a number has no name of its own (real-time signals)."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
