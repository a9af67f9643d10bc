"""Reads of the values of a run that name files. The stored form of each begins with the list of its blobs, so no other value is read."""

from typing import Final, NamedTuple

from mainspring.store.base import StoreReader

_LIST_PREFIX: Final = b"\x00@["


class FileValue(NamedTuple):
    """A stored value that names files, and its place: "input", "state", "result", or the identity of a step."""

    place: str
    value: bytes


def list_file_values(reader: StoreReader, run: str) -> list[FileValue]:
    """Return the values of a run that name files, in the order of the run."""
    return [FileValue(place, bytes(value)) for place, value in reader.read("list_file_values", (run, _LIST_PREFIX))]
