"""Built-in automations of Mainspring: declared only if the configuration asks for them; their runs are like all others."""

from datetime import timedelta
from pathlib import Path

from mainspring.app.stores.backups import back_up
from mainspring.domain.clock import Clock
from mainspring.domain.duration import format_duration
from mainspring.domain.text.docs_command import format_docs_command
from mainspring.engine.definitions.decorators import task
from mainspring.engine.definitions.registry import Registry

BACKUP_AUTOMATION = "mainspring-backup"
_RUNBOOK = format_docs_command("backups")
_BACKUP_TIMEOUT = "1d"


def declare_backup(registry: Registry, url: str, clock: Clock, *, to: Path, every: timedelta, keep: int) -> None:
    """Declare the scheduled backup of the store; each backup is verified after it was written."""

    def backup() -> dict[str, object]:
        """Copy the store to a verified file and keep the newest ones."""
        done = back_up(url, to, clock=clock, keep=keep)
        return {
            "file": str(done.path),
            "bytes": done.size,
            "rows": done.rows,
            "removed": [str(p) for p in done.removed],
        }

    declare = task(
        name=BACKUP_AUTOMATION,
        every=format_duration(every),
        isolate="thread",
        owner="mainspring",
        title="backup of the store",
        runbook=_RUNBOOK,
        deadline=_BACKUP_TIMEOUT,
    )
    with registry:
        declare(backup)
