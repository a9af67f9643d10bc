"""Files of a run: the references to files in its input, its result, its published state and the values of its steps."""

from collections.abc import Iterable
from typing import NamedTuple

from mainspring.domain.runs.run_file import RunFile, choose_file
from mainspring.domain.values.sealing import Sealing
from mainspring.domain.values.stored_file import StoredFile, list_sealed_files
from mainspring.store.read.runs.file_values import FileValue


class PlacedFile(NamedTuple):
    """A file, and the first value of the run that names it."""

    file: StoredFile
    place: str
    number: int

    def describe(self) -> RunFile:
        """Return it without the keys of its chunks."""
        file = self.file
        return RunFile(
            number=self.number,
            name=file.name,
            size=file.size,
            sha256=file.sha256,
            content_type=file.content_type,
            place=self.place,
        )


def list_run_files(values: Iterable[FileValue], sealing: Sealing) -> list[PlacedFile]:
    """Return the files in the stored values of a run, each once, in the order of the values.

    Raises:
        SealedError: a codec sealed a value, and this program does not have it.
        BlobMissingError: a value was stored by reference, and its blob is absent or damaged.
        CodecUnavailableError: the place of large values, or the store, cannot be read now.
    """
    found: dict[tuple[str, str], PlacedFile] = {}
    for place, value in values:
        data = sealing.open(value)
        key = b"" if sealing.large is None else sealing.large.read_file_key()
        for file in list_sealed_files(data, key):
            found.setdefault((file.name, file.sha256), PlacedFile(file, place, len(found) + 1))
    return list(found.values())


def choose_run_file(files: list[PlacedFile], run: str, name: str | int) -> PlacedFile:
    """Return the file that a person means. Raises NotFoundError, ArgumentError: as `choose_file`."""
    return files[choose_file([placed.describe() for placed in files], run, name).number - 1]
