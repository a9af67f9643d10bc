"""`python -m mainspring` and the commands `mainspring` and `ms`.

The version is answered before anything heavy is imported; all else is the command line's.
"""

import gc
import os
import sys
from importlib import import_module

from mainspring.version import __version__

_COLLECT_AFTER = 100_000
"""New objects between two searches for cycles. Loading the code of a command starts forty of them otherwise, which find nothing."""


def main() -> None:
    """Run the command line on this process's arguments; ends by `SystemExit`."""
    if sys.argv[1:] in (["version"], ["--version"]) and sys.stdout is not None:  # None: it was closed before the start
        try:
            sys.stdout.write(f"mainspring {__version__}\n")
            sys.stdout.flush()
        except OSError:
            pass  # the command line tells what is wrong with the output
        else:
            return
    arguments = sys.argv[1:]
    is_own_process = sys.orig_argv[-len(arguments) :] == arguments
    if "run" in arguments and is_own_process and "PYTHONHASHSEED" not in os.environ:
        # This process may drive the body of a workflow, and a running Python cannot be given another seed.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves
    gc.set_threshold(_COLLECT_AFTER, 10, 10)  # workers and the web process, which stay, set a threshold of their own
    import_module("mainspring.cli.main").main()


if __name__ == "__main__":
    main()
