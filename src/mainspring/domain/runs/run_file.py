"""A file of a run: what a person or program may know about it without its bytes; `ms.RunFile`."""

from collections.abc import Sequence
from typing import Final

import msgspec

from mainspring.domain.errors import ArgumentError, NotFoundError

_MIN_DIGITS: Final = 8


class RunFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file (`ms.FileRef`) in the stored values of a run, without its bytes.

    `number` = its place in the list, from 1. `size` in bytes; `sha256` of all bytes, in hex; `content_type` = its media type if known.
    `place` = the first value of the run that has it: "input", "result", "state" (`run.publish_state`), or the identity of a step.
    """

    number: int
    name: str
    size: int
    sha256: str
    content_type: str | None
    place: str


def choose_file(files: Sequence[RunFile], run: str, name: str | int) -> RunFile:
    """Return the file that a person means: by its number, its name, or the first digits of its SHA-256, at least eight.

    Raises:
        NotFoundError: the run has no such file; it lists those that it has.
        ArgumentError: several files have this name.
    """
    if isinstance(name, int):
        matches = [file for file in files if file.number == name]
    else:
        matches = [file for file in files if file.name == name]
        if not matches and len(name) >= _MIN_DIGITS:
            matches = [file for file in files if file.sha256.startswith(name.lower())]
    if len({file.sha256 for file in matches}) == 1:
        return matches[0]
    if matches:
        digests = ", ".join(file.sha256[:12] for file in matches)
        raise ArgumentError(f"run {run} has {len(matches)} files {name!r}", hint=f"Name one by its SHA-256: {digests}")
    names = ", ".join(dict.fromkeys(file.name for file in files))
    raise NotFoundError(f"run {run} has no file {name!r}", hint=f"Its files: {names}." if names else "It has no files.")
