"""Run conditions besides the input: the definition, the configuration and the Python of the host. Pure.

A condition is names with short values. If one differs from the recorded one, that is a change, and may be the reason why a run fails.
"""

from enum import StrEnum

import msgspec

from mainspring.domain.text.escaping import escape

_MAX_LISTED = 3
_LONGEST = 60


class ConditionKind(StrEnum):
    """The subject of a condition."""

    DEFINITION = "definition"
    """Version and fingerprint of an automation; its subject is "automation:backup"."""
    CONFIGURATION = "configuration"
    """A mark of each setting of a worker, never its value; its subject is "host:web1"."""
    RUNTIME = "runtime"
    """Versions of Python and packages of a worker; its subject is "host:web1"."""


class ConditionSnapshot(msgspec.Struct, frozen=True):
    """The condition as it was found."""

    kind: ConditionKind
    subject: str
    values: dict[str, str]


class ConditionChange(msgspec.Struct, frozen=True):
    """A change of a condition at `at` (ms UTC)."""

    at: int
    kind: ConditionKind
    subject: str
    was: dict[str, str]
    now: dict[str, str]

    @property
    def text(self) -> str:
        """The change in words; the first few of many."""
        changed = sorted(name for name in self.was.keys() | self.now.keys() if self.was.get(name) != self.now.get(name))
        name_of_subject = escape(self.subject.partition(":")[2], _LONGEST)
        match self.kind:
            case ConditionKind.DEFINITION:
                versions = self.was.get("version"), self.now.get("version")
                return (
                    f"it went from version {versions[0]} to {versions[1]}"
                    if "version" in changed
                    else "its definition changed"
                )
            case ConditionKind.CONFIGURATION:
                return f"the configuration of {name_of_subject} changed ({_join_texts(changed)})"
            case ConditionKind.RUNTIME:
                return f"on {name_of_subject} {_join_texts([self._move_of(name) for name in changed])}"

    def _move_of(self, name: str) -> str:
        was, now = self.was.get(name), self.now.get(name)
        if was is None:
            return f"{name} {now} added"
        return f"{name} {was} removed" if now is None else f"{name} changed from {was} to {now}"


def _join_texts(texts: list[str]) -> str:
    listed = [escape(text, _LONGEST) for text in texts[:_MAX_LISTED]]
    more = len(texts) - len(listed)
    return ", ".join(listed) + (f" and {more} more" if more else "")
