"""Backup errors: each names the database, what is wrong with it or its backup, and the fix."""

from mainspring.domain.errors import MainspringError, Transient


class BackupError(MainspringError):
    """A backup cannot be made or is damaged, and trying again cannot help."""

    code = "backup"


class BackupUnavailableError(Transient):
    """A backup cannot be made now: the database is busy or unreachable, or there is no time left."""

    code = "backup_unavailable"

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint
