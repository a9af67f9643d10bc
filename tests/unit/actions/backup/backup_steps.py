"""Backups as actions of the contract."""

import mainspring as ms
from mainspring.actions import backup


@ms.step
def back_up_sqlite(database: str, to: str) -> bool:
    return backup.sqlite(database, to=to).is_new


@ms.step
def prune_backups(folder: str) -> list[str]:
    return backup.prune(folder, daily=1, weekly=0, monthly=0).removed


@ms.step
def back_up_postgres(database: str, to: str, programs: str) -> bool:
    return backup.postgres(database, to=to, programs=programs).is_new
