"""The sender: puts one file a day into the inbox, in the order of their names, and three broken ones."""

import threading
import time
from pathlib import Path

from demo import source
from demo.intake import COMPLETE

BROKEN = ("2013-03-15-b.csv", "2013-06-30-b.csv", "2013-09-02-b.csv")
"""Wrong column, cut off, not UTF-8."""


def files() -> dict[str, bytes]:
    """Return every file by name, in the order in which they are sent."""
    header, days = source.days()
    found = {f"{day}.csv": (header + "".join(rows)).encode() for day, rows in days.items()}
    renamed, cut, latin = BROKEN
    found[renamed] = found["2013-03-15.csv"].replace(b"tailnum", b"tail_number", 1)
    found[cut] = found["2013-06-30.csv"][: len(found["2013-06-30.csv"]) * 2 // 3]
    found[latin] = found["2013-09-02.csv"].replace(b"JFK", "JFK Köln".encode("latin-1"), 1)
    return dict(sorted(found.items()))


class Sender(threading.Thread):
    """Sends in its own thread, over about `seconds`."""

    def __init__(self, inbox: Path, seconds: float) -> None:
        super().__init__(daemon=True, name="sender")
        self._inbox = inbox
        self._seconds = seconds
        self.sent = 0

    def run(self) -> None:
        """Put each file under another name and move it, so that no reader sees half of one."""
        all_files = files()
        for name, data in all_files.items():
            draft = self._inbox / f".{name}"
            draft.write_bytes(data)
            draft.rename(self._inbox / name)
            self.sent += 1
            time.sleep(self._seconds / len(all_files))
        (self._inbox / COMPLETE).touch()
