"""Backup actions: back up a SQLite file or a PostgreSQL database, verify each backup by restoring it, and remove old backups.

A backup gets its name only when it was restored into a scratch place, and each table had as many rows as in the database. Next to it is
its record, `NAME.backup.json`: checksum, size, source and the rows of each table.
"""

from mainspring.actions.backup.backup_errors import BackupError, BackupUnavailableError
from mainspring.actions.backup.backup_record import DatabaseBackup
from mainspring.actions.backup.postgres_backup import postgres, postgres_async
from mainspring.actions.backup.retention import BackupPruning, prune, prune_async
from mainspring.actions.backup.sqlite_backup import sqlite, sqlite_async

__all__ = [
    "BackupError",
    "BackupPruning",
    "BackupUnavailableError",
    "DatabaseBackup",
    "postgres",
    "postgres_async",
    "prune",
    "prune_async",
    "sqlite",
    "sqlite_async",
]
