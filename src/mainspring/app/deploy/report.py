"""The report of a deploy check: findings, and how much of the stored runs the replays covered."""

from enum import StrEnum

import msgspec


class DeployFindingKind(StrEnum):
    """The kind of a finding; a word that `--allow` takes."""

    NOT_LOADED = "not-loaded"
    """A file or an automation of the new code does not load."""
    DRIFT = "drift"
    """Runs would stop for a person: the code requests their saved steps in another way."""
    HALTS = "halts"
    """Runs would stop for a person: the code cannot load or continue them."""
    OTHER_END = "other-end"
    """Runs end with another result or error than the stored one."""
    CONTINUES = "continues"
    """Runs that ended would continue: the code requests more."""
    NOT_REPLAYED = "not-replayed"
    """Runs cannot be replayed."""
    REMOVED = "removed"
    """An automation, or a version of it, that has runs or schedules is not in the code."""
    DEFINITION = "definition"
    """A definition differs from the stored one."""
    OLD_SIDE = "old-side"
    """Runs take an old version of a change, and the code does not ask for its version any more."""
    UNKNOWN_FLAG = "unknown-flag"
    """The code asks for a flag that the store does not have."""


class DeployChange(msgspec.Struct, frozen=True):
    """One difference."""

    path: str
    was: str
    now: str


class DeployFinding(msgspec.Struct, frozen=True):
    """One finding. `runs` = ids of the first replayed runs that show it, `number` = how many do; `step` = identity of the step."""

    kind: DeployFindingKind
    automation: str | None
    text: str
    version: int | None = None
    step: str | None = None
    changes: list[DeployChange] = []
    runs: list[str] = []
    number: int = 0
    hint: str | None = None


class ReplayCoverage(msgspec.Struct, frozen=True):
    """How much was replayed. Groups have runs of one automation and version with the same saved names, unfinished or finished.

    `has_more` = older runs were not grouped.
    """

    runs: int
    replayed: int
    groups: int
    replayed_groups: int
    has_more: bool
    seconds: float


class OldSide(msgspec.Struct, frozen=True):
    """Unfinished runs that take the version `chosen` of a change (`run.version`), which is not that of the code.

    `newest` = that of the code; None = it does not ask for this change. `runs` = the first ids, `number` = how many there are.
    """

    automation: str
    version: int
    change: str
    chosen: int
    newest: int | None
    runs: list[str]
    number: int


class DeployReport(msgspec.Struct, frozen=True):
    """The whole report; `notices` = what was not compared, and why."""

    findings: list[DeployFinding]
    coverage: ReplayCoverage
    notices: list[str]
    old_sides: list[OldSide] = []
