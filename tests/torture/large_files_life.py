"""A program that passes one file through a run: `python -m tests.torture.large_files_life STORE MEBIBYTES ISOLATION`.

It prints by how many bytes its largest memory grew from the start of the run to its end.
"""

import hashlib
import json
import sys
from datetime import timedelta
from typing import BinaryIO, Literal, cast

import mainspring as ms
from tests.torture.large_values_life import read_largest_memory

_MIB = 1024 * 1024


class Source:
    """A binary file of this size, made as it is read."""

    def __init__(self, mebibytes: int) -> None:
        self._rest = mebibytes * _MIB
        self._number = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes: no two chunks are equal."""
        size = min(size, self._rest, _MIB)
        self._rest -= size
        self._number += 1
        return hashlib.sha256(str(self._number).encode()).digest() * (size // 32)


def make(mebibytes: int) -> ms.FileRef:
    """Put the file."""
    return ms.FileRef.put(cast("BinaryIO", Source(mebibytes)), name="large.bin")


def digest(file: ms.FileRef) -> str:
    """Read all of the file."""
    with file.open() as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@ms.workflow
async def passes_file(run: ms.Run, mebibytes: int, isolate: Literal["thread", "process"]) -> bool:
    """Put a file in one step and read it in the next one."""
    step = run.options(isolate=isolate, timeout=timedelta(minutes=10))
    file = await step.step(make, mebibytes)
    return await step.step(digest, file) == file.sha256 and file.size == mebibytes * _MIB


def main() -> None:
    """Make a run with a small file first: it imports what every run needs."""
    app, mebibytes = ms.App(sys.argv[1]), int(sys.argv[2])
    isolate: Literal["thread", "process"] = "thread" if sys.argv[3] == "thread" else "process"
    assert app.run(passes_file, 1, isolate)
    before = read_largest_memory()
    assert app.run(passes_file, mebibytes, isolate)
    print(json.dumps({"grown": read_largest_memory() - before}))


if __name__ == "__main__":
    main()
