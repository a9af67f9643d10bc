"""File actions: write, copy, move, archive, extract, remove and prune files, so that a second call changes nothing.

Each name appears at once and whole: the content is written under a temporary name, flushed to the disk, and renamed. With `root=` nothing
outside of this folder is reached, and no link below it is followed.
"""

from mainspring.actions.files.content import checksum, copy, write
from mainspring.actions.files.entries import ensure_folder, move, remove, rename
from mainspring.actions.files.extraction import Extraction, extract
from mainspring.actions.files.file_errors import FileActionError, FileUnavailableError, PathOutsideRootError
from mainspring.actions.files.packing import archive
from mainspring.actions.files.place import FilePath, Root
from mainspring.actions.files.retention import Pruning, prune

__all__ = [
    "Extraction",
    "FileActionError",
    "FilePath",
    "FileUnavailableError",
    "PathOutsideRootError",
    "Pruning",
    "Root",
    "archive",
    "checksum",
    "copy",
    "ensure_folder",
    "extract",
    "move",
    "prune",
    "remove",
    "rename",
    "write",
]
