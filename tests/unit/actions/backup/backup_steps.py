"""Backups as actions of the contract."""

import mainspring as ms
from mainspring.actions import backup


@ms.step
def back_up_sqlite(database: str, to: str) -> bool:
    return backup.sqlite(database, to=to).is_new
