"""File actions: write, copy, move, archive, extract, remove and prune files, so that a second call changes nothing.

Each name appears at once and whole: the content is written under a temporary name, flushed to the disk, and renamed. With `root=` nothing
outside of this folder is reached, and no link below it is followed.
"""

from mainspring.actions.files.content import checksum, checksum_async, copy, copy_async, write, write_async
from mainspring.actions.files.entries import (
    ensure_folder,
    ensure_folder_async,
    move,
    move_async,
    remove,
    remove_async,
    rename,
    rename_async,
)
from mainspring.actions.files.extraction import Extraction, extract, extract_async
from mainspring.actions.files.file_errors import FileActionError, FileUnavailableError, PathOutsideRootError
from mainspring.actions.files.packing import archive, archive_async
from mainspring.actions.files.place import FilePath, Root
from mainspring.actions.files.retention import Pruning, prune, prune_async

__all__ = [
    "Extraction",
    "FileActionError",
    "FilePath",
    "FileUnavailableError",
    "PathOutsideRootError",
    "Pruning",
    "Root",
    "archive",
    "archive_async",
    "checksum",
    "checksum_async",
    "copy",
    "copy_async",
    "ensure_folder",
    "ensure_folder_async",
    "extract",
    "extract_async",
    "move",
    "move_async",
    "prune",
    "prune_async",
    "remove",
    "remove_async",
    "rename",
    "rename_async",
    "write",
    "write_async",
]
