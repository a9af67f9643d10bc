"""THE one table of options of every definition."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec



class Kind(StrEnum):
    SCRIPT = "script"
    TASK = "task"
    WORKFLOW = "workflow"
    EXEC = "exec"
    STEP = "step"


class Group(StrEnum):
    WHO = "who"
    WHEN = "when"
    WHERE = "where"
    HOW = "how"
    SUCCESS = "success"
    WATCH = "watch"


class Option(msgspec.Struct, frozen=True):
    name: str
    group: Group
    parse: Callable[[Any], Any]
    default: Any
    help: str
    kinds: frozenset[Kind]


OPTIONS: dict[str, Option] = {}


def options_of(kind: Kind) -> tuple[Option, ...]: ...
def parse_options(kind: Kind, values: Mapping[str, Any], where: str) -> dict[str, Any]: ...
