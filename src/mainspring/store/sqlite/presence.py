"""Whether the files that a connection has open still stand under their names: what is committed into a removed file is lost in silence.

By names and numbers only. Nothing is opened here: closing a descriptor of a file that SQLite uses would drop its locks.
"""

import os
from pathlib import Path

from mainspring.store.base import StoreGoneError

_WHAT = {"": "file", "-wal": "write-ahead log", "-shm": "shared index"}
BESIDE = ("-wal", "-shm")
_PUT_BACK = "Put it back, or a backup: mainspring db restore FILE."


class Presence:
    """The files as they are now, for a connection that has just opened them. `beside` = also those that SQLite keeps beside the store."""

    def __init__(self, store: Path, *, beside: bool = True) -> None:
        names = {end: f"{store}{end}" for end in ("", *(BESIDE if beside else ()))}
        self._seen = [(end, name, seen) for end, name in names.items() if (seen := identity_of(name)) is not None]

    def check(self) -> None:
        """Do nothing if all of them are the same files still. Costs a microsecond or two for each; any thread.

        Raises:
            StoreGoneError: one was removed, or another file stands in its place.
        """
        for end, name, seen in self._seen:
            found = identity_of(name)
            if found != seen:
                how = "removed" if found is None else "replaced by another one"
                raise StoreGoneError(
                    f"the store's {_WHAT[end]} was {how} while it was in use\nat {name}",
                    hint=f"Whatever uses the store ends, for nothing can be saved there any more. {_PUT_BACK}",
                )


def refuse_gone(store: Path) -> None:
    """Do nothing if there is a store, or never was one.

    Raises:
        StoreGoneError: processes worked on it, as what lies beside it tells, and now the file is missing or empty.
    """
    try:
        is_there = store.stat().st_size > 0
    except FileNotFoundError:
        is_there = False
    except OSError:
        return  # opening it tells what it is
    if not is_there and store.with_name(f"{store.name}.sessions").is_dir():
        raise StoreGoneError(
            f"the store's file is gone: there was one\nat {store}",
            hint=f"{_PUT_BACK} To begin with an empty one: mainspring db migrate --create",
        )


def identity_of(name: str) -> tuple[int, int] | None:
    """Return device and number of the file of this name; None where there is none."""
    try:
        found = os.stat(name)  # noqa: PTH116 - a Path would cost more than the call
    except OSError:
        return None
    return found.st_dev, found.st_ino
