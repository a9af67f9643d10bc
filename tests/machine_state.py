"""A machine state folder of the tests' own: root's is /var/lib/mainspring, where no test may leave or find anything."""

import ctypes
import os

from mainspring.config.locations import MACHINE_STATE

_NEW_MOUNTS = 0x00020000
_RECURSIVE_PRIVATE = 0x4000 | 0x40000


def hide_machine_state() -> bool:
    """Put an empty folder in memory over it, for this process and those that it starts from now on; return whether that is possible here.

    Must be called before there is a second thread. A process without root's rights keeps its state in its home.
    """
    if os.geteuid() != 0:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS) != 0 or libc.mount(b"none", b"/", None, _RECURSIVE_PRIVATE, None) != 0:
        return False  # a container may not do that
    MACHINE_STATE.mkdir(parents=True, exist_ok=True)
    return bool(libc.mount(b"mainspring-tests", bytes(MACHINE_STATE), b"tmpfs", 0, b"mode=0755") == 0)
