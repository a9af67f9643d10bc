"""Project source: from where a process has its configuration, so that its child processes find the same. One for a whole process.

A child has the folder and the variables of its worker, but neither its flags nor the address of the store.
"""

from typing import Any

import msgspec


class ProjectSource(msgspec.Struct, frozen=True):
    """The configuration file of a project (None without one), and the settings that count instead of those of the file."""

    file: str | None
    flags: dict[str, Any]


class CurrentProjectSource:
    """The source of the newest project of this process, or of its worker; None if no project was opened."""

    def __init__(self) -> None:
        self.source: ProjectSource | None = None


PROJECT_SOURCE = CurrentProjectSource()
"""The source of this process."""
