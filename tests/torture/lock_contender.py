"""A program that takes locks on command, and the target that it writes to: a file that remembers the highest token.

Each line of its input is a lock. It prints its token, waits for a line, writes, and prints what became of the write and of the lock.
"""

import fcntl
import sys
from pathlib import Path

import mainspring as ms
from mainspring.resources.locks import LockLostError


def write(target: Path, token: int) -> bool:
    """Write into the target, unless it has seen a higher token."""
    with target.open("a+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if token < max((int(line) for line in file), default=0):
            return False
        file.write(f"{token}\n")
        return True


def main() -> None:
    backend = sys.argv[1] or None
    for line in sys.stdin:
        name = line.strip()
        written = "nothing"
        try:
            with ms.lock(name, "60s", backend=backend) as lock:
                print(lock.token, flush=True)
                sys.stdin.readline()
                written = "written" if write(Path(name), lock.token) else "rejected"
        except LockLostError:
            print(written, "lost", flush=True)
        else:
            print(written, "released", flush=True)


if __name__ == "__main__":
    main()
