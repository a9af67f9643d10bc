"""Members of an incident: its failed runs. When one counts as healthy again, and what settles it."""

from enum import StrEnum


class HealthRule(StrEnum):
    """When a failed run counts as healthy again although no one has continued it; `healthy=` of a definition."""

    ITEM = "item"
    """Each run is about another thing: a later run of the same item has to succeed."""
    AUTOMATION = "automation"
    """Each run is about the same thing: the next success of the automation is enough."""
    RATE = "rate"
    """The caller of each run waits for its result: the next success is enough, and the share of failures is watched."""


class Settlement(StrEnum):
    """Why a member is open no more."""

    SUCCEEDED = "succeeded"
    """That run succeeded in the end, or a person declared it done."""
    ITEM_SUCCEEDED = "item_succeeded"
    """A later run of the same item succeeded."""
    AUTOMATION_SUCCEEDED = "automation_succeeded"
    """A later run of the automation succeeded, where its runs are about the same thing or their callers wait."""
    CONTINUED = "continued"
    """It needed a person, and a person continued it."""
    CANCELLED = "cancelled"
    """That run was cancelled."""
    DISCARDED = "discarded"
    """A person discarded it."""
    RESOLVED = "resolved"
    """A person resolved the incident."""
    FAILED_AGAIN = "failed_again"
    """That run failed once more: its later failure is the member now."""
    BEFORE = "before"
    """It failed before members were kept."""


FIXED = frozenset(
    {
        Settlement.SUCCEEDED,
        Settlement.ITEM_SUCCEEDED,
        Settlement.AUTOMATION_SUCCEEDED,
        Settlement.CONTINUED,
    }
)
"""Settled by the work itself. All other settlements are a person's word."""

WHOLE_AUTOMATION = ""
"""The item of runs that are all about the same thing."""

_SEVERAL = 2


def members_text(failed: int, open_: int, fixed: int, *, halted: bool = False) -> str | None:
    """Return what became of the members of an incident: "3 runs failed, 1 fixed, 2 open"; None where there is one at most.

    `halted` = they stopped and need a person.
    """
    if failed < _SEVERAL:
        return None
    stopped, mended = ("stopped", "continued") if halted else ("failed", "fixed")
    decided = failed - fixed - open_
    parts = [
        f"{failed:,} runs {stopped}",
        f"{fixed:,} {mended}" if fixed else "",
        f"{decided:,} discarded" if decided > 0 else "",
        f"{open_:,} open" if open_ else "",
    ]
    return ", ".join(part for part in parts if part)
