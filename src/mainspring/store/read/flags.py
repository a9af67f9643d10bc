"""Reads of flags: for programs that answer by themselves, and for people."""

import msgspec

from mainspring.domain.flags.flag import Flag, FlagSide
from mainspring.store.base import StoreReader
from mainspring.store.schema.flags.flag_uses import FLAG_USE_COUNT, FlagUseCount
from mainspring.store.schema.flags.flags import FLAG, FLAGS_REVISION
from mainspring.store.schema.row import first_value

MOST_USES = 10_000
"""Most rows of a list of uses."""


class RunOfFlag(msgspec.Struct, frozen=True):
    """An unfinished run that holds a side."""

    run: str
    automation: str


def read_revision(reader: StoreReader) -> int:
    """Return the number of the last change of any flag; 0 = there was none."""
    return int(first_value(reader.read("read_meta", (FLAGS_REVISION,)), str) or 0)


def list_flags(reader: StoreReader) -> list[Flag]:
    """Return all flags, by name."""
    return FLAG.read_all(reader.read("list_flags"))


def find_flag(reader: StoreReader, name: str) -> Flag | None:
    """Return a flag; None = there is none of this name."""
    return FLAG.read_first(reader.read("find_flag", (name,)))


def count_runs_of_flag(reader: StoreReader, name: str, side: FlagSide) -> int:
    """Return how many unfinished runs hold a side."""
    return first_value(reader.read("count_runs_of_flag", (name, side.value)), int) or 0


def list_runs_of_flag(reader: StoreReader, name: str, side: FlagSide, limit: int) -> list[RunOfFlag]:
    """Return unfinished runs that hold a side, by id."""
    return [
        RunOfFlag(str(run), str(automation))
        for run, automation in reader.read("list_runs_of_flag", (name, side.value, limit))
    ]


def read_last_uses(reader: StoreReader) -> dict[str, int]:
    """Return when code asked for each flag last (ms UTC); one that is missing was never asked for."""
    rows = reader.read("list_last_flag_uses")
    return {str(name): int(last_at) for name, last_at in rows if last_at is not None}


def list_flag_uses(reader: StoreReader, name: str | None, since: int) -> list[FlagUseCount]:
    """Return the questions since an instant (ms UTC), of one flag or of all."""
    return FLAG_USE_COUNT.read_all(reader.read("list_flag_uses", (name, since, MOST_USES)))
