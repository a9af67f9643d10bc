"""Error groups: failures by error, one line for each cause, from groups of watchers and from failures too new for them."""

from collections.abc import Callable

import msgspec

from mainspring.alerting.inputs.failure_groups import group_failures
from mainspring.domain.failures.failure import short_type_name
from mainspring.domain.states import RunState
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.base import StoreReader
from mainspring.store.commands.incidents import ErrorGroup
from mainspring.store.read.incidents import ErrorView, errors, ungrouped_failures

_MOST = 1_000
ViewFilter = Callable[[str], bool]


def _view_all(_: str) -> bool:
    return True


class FailureGroup(msgspec.Struct, kw_only=True):
    """Failures of one error, of any automation; `text` and `example` are those of the newest. Instants are ms UTC."""

    fingerprint: str
    text: str
    type: str
    code: str
    place: str
    number: int
    first_at: int
    last_at: int
    automations: list[str]
    example: str

    def add(self, other: "FailureGroup") -> None:
        """Add another group of the same error."""
        if other.last_at >= self.last_at:
            self.text, self.example = other.text, other.example
        self.number += other.number
        self.first_at, self.last_at = min(self.first_at, other.first_at), max(self.last_at, other.last_at)
        self.automations = list(dict.fromkeys([*self.automations, *other.automations]))


def group_by_error(
    reader: StoreReader,
    states: tuple[RunState, ...],
    name: str | None,
    since_at: int | None,
    error: str | None,
    may_view: ViewFilter = _view_all,
) -> list[FailureGroup]:
    """Return the failures by error, the last seen first.

    It counts no automation that the caller may not see.
    """
    return group_by_error_with_new(reader, states, name, since_at, error, may_view)[0]


def group_by_error_with_new(
    reader: StoreReader,
    states: tuple[RunState, ...],
    name: str | None,
    since_at: int | None,
    error: str | None,
    may_view: ViewFilter = _view_all,
) -> tuple[list[FailureGroup], dict[str, list[str]]]:
    """Return the same as `group_by_error`, and by fingerprint the runs with failures that no watcher has grouped yet."""
    state = states[0] if len(states) == 1 else None
    stored = errors(reader, name, error=error, since_at=since_at, state=state, limit=_MOST)
    found = [
        _build_group(error, error.number, error.first_at, error.last_at, error.last_run)
        for error in stored
        if may_view(error.automation)
    ]
    ungrouped = [
        failure
        for failure in ungrouped_failures(reader)
        if failure.state in states and name in (None, failure.automation) and may_view(failure.automation)
    ]
    new: dict[str, list[str]] = {}
    for group in group_failures(ungrouped, KNOWN_SECRETS.redact).groups:
        first, last = group.added[0], group.added[-1]
        if last.at >= (since_at or 0) and group.fingerprint.startswith(error or ""):
            found.append(_build_group(group, len(group.added), first.at, last.at, last.run))
            new.setdefault(group.fingerprint, []).extend(
                failure.run for failure in group.added if failure.at >= (since_at or 0)
            )
    groups: dict[str, FailureGroup] = {}
    for failure_group in found:
        known = groups.setdefault(failure_group.fingerprint, failure_group)
        if known is not failure_group:
            known.add(failure_group)
    return sorted(groups.values(), key=lambda group: (-group.last_at, group.fingerprint)), new


def _build_group(group: ErrorView | ErrorGroup, number: int, first_at: int, last_at: int, example: str) -> FailureGroup:
    return FailureGroup(
        fingerprint=group.fingerprint,
        text=group.message or f"{short_type_name(group.type)} ({group.code})",
        type=group.type,
        code=group.code,
        place=group.place,
        number=number,
        first_at=first_at,
        last_at=last_at,
        automations=[group.automation],
        example=example,
    )
