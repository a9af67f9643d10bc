"""Project source: from where a process has its configuration, so that its child processes find the same. One for a whole process.

A child has the folder and the variables of its worker, but neither its flags nor the address of the store.
"""

from typing import Any

import msgspec


class ProjectSource(msgspec.Struct, frozen=True):
    """The configuration file of a project (None without one), and the settings that count instead of those of the file."""

    file: str | None
    flags: dict[str, Any]


class ProjectSources:
    """The source of the newest project of this process (`own`), and in a child process that of its worker (`worker`)."""

    def __init__(self) -> None:
        self.own: ProjectSource | None = None
        self.worker: ProjectSource | None = None


PROJECT_SOURCES = ProjectSources()
"""The sources of this process."""
