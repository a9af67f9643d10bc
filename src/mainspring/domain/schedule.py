"""Schedules as pure functions of time."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Self

import msgspec


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    cron: str | None = None
    every: int | None = None  # milliseconds
    offset: int = 0  # milliseconds
    tz: str = "UTC"

    @classmethod
    def parse(
        cls,
        *,
        cron: str | None = None,
        every: str | int | float | timedelta | None = None,
        tz: str | None = None,
        offset: str | int | float | timedelta | None = None,
        name: str = "",
    ) -> Self: ...

    @property
    def key(self) -> str: ...
    def next_after(self, at: int) -> int | None: ...
    def slots_between(self, after: int, until: int, limit: int = 1000) -> list[int]: ...
    def describe(self) -> str: ...
    def to_data(self) -> dict[str, Any]: ...
    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Self: ...
