"""Files of a run: the references to files in its input, its result and the values of its steps."""

from collections.abc import Iterator
from typing import NamedTuple

from mainspring.domain.errors import ArgumentError, NotFoundError
from mainspring.domain.values.sealing import FILE_MARK
from mainspring.domain.values.stored_file import StoredFile, list_sealed_files
from mainspring.store.views import RunHistory

_MIN_DIGITS = 8


class PlacedFile(NamedTuple):
    """A file and the first value of the run that names it: "input", "result", "state", or a step."""

    place: str
    file: StoredFile


def list_run_files(history: RunHistory, key: bytes) -> list[PlacedFile]:
    """Return the files of a run, each once, in the order of its values. `key` = that of the store: it knows its files by it.

    `history` has unsealed values.
    """
    found: dict[tuple[str, str], PlacedFile] = {}
    for place, data in _list_values(history):
        for file in list_sealed_files(data, key) if data is not None and FILE_MARK in data else ():
            found.setdefault((file.name, file.sha256), PlacedFile(place, file))
    return list(found.values())


def _list_values(history: RunHistory) -> Iterator[tuple[str, bytes | None]]:
    yield "input", history.run.input
    for outcome in history.outcomes:
        yield outcome.ident, outcome.output
    for ident, checkpoint in history.checkpoints.items():
        yield ident, checkpoint.value
    for fact in history.facts:
        yield fact.name or str(fact.kind), fact.payload
    yield "state", history.run.published
    yield "result", history.run.result


def choose_run_file(files: list[PlacedFile], run: str, text: str) -> StoredFile:
    """Return the file that a person means: by its name, or by the first digits of its SHA-256, at least eight.

    Raises:
        NotFoundError: the run has no such file; it lists those that it has.
        ArgumentError: several files have this name.
    """
    matches = [placed.file for placed in files if placed.file.name == text]
    if not matches and len(text) >= _MIN_DIGITS:
        matches = [placed.file for placed in files if placed.file.sha256.startswith(text.lower())]
    if len({file.sha256 for file in matches}) == 1:
        return matches[0]
    if matches:
        digests = ", ".join(file.sha256[:12] for file in matches)
        raise ArgumentError(f"run {run} has {len(matches)} files {text!r}", hint=f"Name one by its SHA-256: {digests}")
    names = ", ".join(dict.fromkeys(placed.file.name for placed in files))
    raise NotFoundError(f"run {run} has no file {text!r}", hint=f"Its files: {names}." if names else "It has no files.")
