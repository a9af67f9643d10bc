"""Texts of differences: what differs, at which line, and what to do. The command and the tests of a project print the same."""

import os
from collections.abc import Iterator, Sequence

from mainspring.app.replay.journal_replayer import JournalResult
from mainspring.domain.runs.step_identity import read_step_name
from mainspring.engine.driver.journal_replay import JournalDifference, ReplayOutcome

_MOST_CHANGES, _MOST_DIFFERENCES, _MOST_CHARACTERS = 20, 10, 500
_AGAIN = "If you mean it and no old run is unfinished, export the journal again."
_VERSION = 'it behind run.version("CHANGE", 2): old runs keep the old side'
_FIXES = {
    ReplayOutcome.CHANGED_INPUT: f"Undo the edit. Or keep both sides with run.version. {_AGAIN}",
    ReplayOutcome.MOVED_STEP: f"Undo the edit, or deploy it as version=2 of the workflow. {_AGAIN}",
    ReplayOutcome.UNREADABLE_VALUE: "Accept the saved form: give a new field or parameter a default, keep an old handler.",
    ReplayOutcome.DIFFERENT_RESULT: f"Undo the edit. {_AGAIN}",
    ReplayOutcome.OLDER_CODE: "Use the code that has this version of the change.",
    ReplayOutcome.NOT_DETERMINISTIC: "Sort a set before you iterate over it. Use run.now(), run.random() and run.uuid(). Put "
    "any other source into run.step(function, ...).",
    ReplayOutcome.BLOCKED: "Use `await asyncio.sleep(...)` for a wait, and run.step(function, ...) for a call that blocks.",
}


def describe_fix(difference: JournalDifference) -> str:
    """Return what to do about a difference, "" if nothing is known."""
    old, new = difference.names if len(difference.names) == 2 else ("", "")
    if difference.outcome is ReplayOutcome.NEW_STEP:
        start = f'Renamed: was="{old}" on the step {new}. Added: put' if old else "Put"
        return f"{start} {_VERSION}, without {new or 'this step'}. {_AGAIN}"
    if difference.outcome is not ReplayOutcome.MISSING_STEP:
        return _FIXES.get(difference.outcome, "")
    name = old or read_step_name(difference.step or "")
    if new:
        return f'Renamed: was="{name}" on the step {new}. Removed on purpose: gone=["{name}"] on the workflow.'
    return f'Removed on purpose: gone=["{name}"] on the workflow. Renamed: was="{name}" on the new step. Otherwise undo the edit.'


def describe_difference(difference: JournalDifference) -> list[str]:
    """Return a difference in lines: the sentence with the place, then each part of a value that differs."""
    place = shorten_place(difference.place)
    is_named = place.rpartition("/")[2].partition(" ")[0] in difference.text
    lines = [_cut(difference.text) + (f" ({place})" if place and not is_named else "")]
    changes = difference.changes[:_MOST_CHANGES]
    lines += [
        f"{change.get('path', '$')}: {_cut(change.get('was', ''))} -> {_cut(change.get('now', ''))}"
        for change in changes
    ]
    if len(difference.changes) > len(changes):
        lines.append(f"and {len(difference.changes) - len(changes)} more")
    return lines


def describe_histories(histories: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of both histories of code that is not deterministic."""
    for number, history in enumerate(histories, 1):
        yield f"replay {number}:"
        yield from (f"  {_cut(line)}" for line in history)


def describe_result(result: JournalResult) -> str:
    """Return all differences of one journal as a text, for the message of a failed test."""
    lines = [f"{result.automation}: {result.outcome} (run {result.run})"]
    for difference in result.differences[:_MOST_DIFFERENCES]:
        lines += [f"  {line}" for line in describe_difference(difference)]
    if len(result.differences) > _MOST_DIFFERENCES:
        lines.append(f"  and {len(result.differences) - _MOST_DIFFERENCES} more differences")
    lines += [f"  {line}" for line in describe_histories(result.histories)]
    fixes = dict.fromkeys(filter(None, (result.hint or "", *map(describe_fix, result.differences[:1]))))
    return "\n".join([*lines, *(f"  Fix: {fix}" for fix in fixes)])


def shorten_place(place: str) -> str:
    """Return a line of code with its file relative to the working directory, if it is there."""
    if not place.startswith("/"):
        return place
    relative = os.path.relpath(place)
    return place if relative.startswith("..") else relative


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
