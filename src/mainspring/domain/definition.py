"""A definition: what an automation is, as data."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self

import msgspec

from mainspring.domain.options import Kind
from mainspring.domain.schedule import Schedule

__all__ = ["Definition", "Kind"]


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    kind: Kind
    name: str
    module: str = ""
    qualname: str = ""
    version: int = 1
    options: dict[str, Any] = {}
    schedules: tuple[Schedule, ...] = ()
    parameters: dict[str, Any] = {}
    fingerprint: str = ""
    command: list[str] = []
    cwd: str | None = None
    env: dict[str, str] = {}
    doc: str = ""
    file: str = ""
    line: int = 0

    def option(self, name: str) -> Any: ...  # canonical value or the default of the table
    def span(self, name: str) -> timedelta | None: ...
    def title_for(self, arguments: Mapping[str, Any], slot: int | None = None) -> str: ...
    def expand(self, template: str, arguments: Mapping[str, Any], slot: int | None = None) -> str: ...
    def to_data(self) -> dict[str, Any]: ...
    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self: ...
