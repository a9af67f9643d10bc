"""Standard streams of a command that wraps another one."""

import os
import sys


def fill_standard_streams() -> None:
    """Open streams that the caller closed (>&-), before a file of Mainspring gets such a number and the command's output with it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
