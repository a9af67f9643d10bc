"""Members of an incident: its failed runs. When one counts as healthy again, and what settles it."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class HealthRule(StrEnum):
    """When a failed run counts as healthy again although no one has resumed it; `healthy=` of a definition."""

    ITEM = "item"
    """Each run is about another thing: a later run of the same item has to succeed."""
    AUTOMATION = "automation"
    """Each run is about the same thing: the next success of the automation is enough."""
    RATE = "rate"
    """The caller of each run waits for its result: the next success is enough, and the share of failures is watched."""


class Settlement(StrEnum):
    """The reason why a member is no longer open."""

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


class SettledCount(NamedTuple):
    """A number of members with one settlement (None = they are open), by whom and why; `incident` = that of their later failure."""

    settlement: str | None
    by: str | None
    number: int
    reason: str | None = None
    incident: str | None = None


FIXED_SETTLEMENTS = frozenset(
    {
        Settlement.SUCCEEDED,
        Settlement.ITEM_SUCCEEDED,
        Settlement.AUTOMATION_SUCCEEDED,
        Settlement.CONTINUED,
    }
)
"""Settled by the work itself. All other settlements are the decision of a person."""

WHOLE_AUTOMATION = ""
"""The item of runs that are all about the same thing."""

_SEVERAL = 2


def describe_members(failed: int, open_: int, fixed: int, *, halted: bool = False) -> str | None:
    """Return the state of an incident's members: "3 runs failed, 1 fixed, 2 open"; None if there is at most one.

    `halted` = they stopped and need a person.
    """
    if failed < _SEVERAL:
        return None
    failed_verb, fixed_verb = ("stopped", "continued") if halted else ("failed", "fixed")
    decided = failed - fixed - open_
    parts = [
        f"{failed:,} runs {failed_verb}",
        f"{fixed:,} {fixed_verb}" if fixed else "",
        f"{decided:,} discarded" if decided > 0 else "",
        f"{open_:,} open" if open_ else "",
    ]
    return ", ".join(part for part in parts if part)


_ENDED = {
    Settlement.DISCARDED: "discarded",
    Settlement.RESOLVED: "resolved by hand",
    Settlement.CANCELLED: "cancelled",
}


def describe_decisions(settled: Sequence[SettledCount]) -> str | None:
    """Return how an incident ended if not all of its runs are fixed: "2 fixed, 1 discarded", or for a single run by whom and why.

    None = all of them are fixed, or there is none.
    """
    members = [group for group in settled if group.settlement != Settlement.FAILED_AGAIN]
    if not members:
        where = next((group.incident for group in settled if group.incident is not None), None)
        return None if where is None else f"failed again with another error: see {where}"
    counted = Counter[str]()
    for group in members:
        settlement = None if group.settlement is None else Settlement(group.settlement)
        counted[
            "open"
            if settlement is None
            else "fixed"
            if settlement in FIXED_SETTLEMENTS
            else _ENDED.get(settlement, "settled")
        ] += group.number
    if counted.keys() <= {"fixed"}:
        return None
    if counted.total() > 1:
        return ", ".join(
            f"{number:,} {word}" for word, number in sorted(counted.items(), key=lambda item: item[0] != "fixed")
        )
    (word,), (only,) = counted, members
    return f"{word}{f' by {only.by}' if only.by else ''}{f': {only.reason}' if only.reason else ''}"
