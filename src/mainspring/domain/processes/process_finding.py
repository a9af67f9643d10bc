"""Process findings: problems that a process reports about itself. They are stored with its session, and monitors read them."""

from enum import StrEnum

import msgspec


class ProcessFindingKind(StrEnum):
    """The kind of problem."""

    ADDRESS = "address"
    """An address that it should listen on is taken."""
    SECRET = "secret"
    """No secret of a webhook is set, or none can be used."""
    CODEC = "codec"
    """The codec of values does not answer."""
    WAL = "wal"
    """The write-ahead log of the store's file is large, or a process keeps it from being emptied."""
    UPKEEP = "upkeep"
    """A part of its upkeep fails."""
    LOAD = "load"
    """A file or module that it cannot load, wholly or in part."""


class ProcessFinding(msgspec.Struct, frozen=True):
    """`why` names the cause for people, a second line of it the fix; `since_at` in ms UTC.

    `name` = the setting of an address, the trigger of a secret, the id of a codec, "size" or "process PID" of a write-ahead log, the
    part of upkeep, or the file or module.
    """

    kind: ProcessFindingKind
    name: str
    why: str
    since_at: int
