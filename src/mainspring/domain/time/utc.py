"""Instants for code of users: stored instants are milliseconds since 1970, programs get datetimes in UTC."""

from datetime import UTC, datetime
from typing import overload


@overload
def to_datetime(at: int) -> datetime: ...
@overload
def to_datetime(at: int | None) -> datetime | None: ...
def to_datetime(at: int | None) -> datetime | None:
    """Return a stored instant as a datetime in UTC, None for none."""
    return None if at is None else datetime.fromtimestamp(at / 1_000, UTC)
