"""What failed, grouped by error: one line for each cause, from what watchers grouped and what is too new for that."""

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
Sees = Callable[[str], bool]


def _may_see_all(_: str) -> bool:
    return True


class FailureGroup(msgspec.Struct, kw_only=True):
    """Failures of one error, of whichever automation; `text` and `example` are those of the newest. Instants are ms UTC."""

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
        """Count others of the same error."""
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
    sees: Sees = _may_see_all,
) -> list[FailureGroup]:
    """Return what failed by error, the one that was seen last first: what watchers grouped, and what is too new for that.

    Of automations that whoever asks does not see nothing is counted.
    """
    return group_by_error_with_new(reader, states, name, since_at, error, sees)[0]


def group_by_error_with_new(
    reader: StoreReader,
    states: tuple[RunState, ...],
    name: str | None,
    since_at: int | None,
    error: str | None,
    sees: Sees = _may_see_all,
) -> tuple[list[FailureGroup], dict[str, list[str]]]:
    """Return the same as `grouped`, and by fingerprint the runs that failed since then and whose failure no watcher has grouped yet."""
    state = states[0] if len(states) == 1 else None
    stored = errors(reader, name, error=error, since_at=since_at, state=state, limit=_MOST)
    found = [
        _build_group(one, one.number, one.first_at, one.last_at, one.last_run) for one in stored if sees(one.automation)
    ]
    untold = [
        one
        for one in ungrouped_failures(reader)
        if one.state in states and name in (None, one.automation) and sees(one.automation)
    ]
    new: dict[str, list[str]] = {}
    for one in group_failures(untold, KNOWN_SECRETS.redact).groups:
        first, last = one.told[0], one.told[-1]
        if last.at >= (since_at or 0) and one.fingerprint.startswith(error or ""):
            found.append(_build_group(one, len(one.told), first.at, last.at, last.run))
            new.setdefault(one.fingerprint, []).extend(each.run for each in one.told if each.at >= (since_at or 0))
    groups: dict[str, FailureGroup] = {}
    for each in found:
        known = groups.setdefault(each.fingerprint, each)
        if known is not each:
            known.add(each)
    return sorted(groups.values(), key=lambda group: (-group.last_at, group.fingerprint)), new


def _build_group(one: ErrorView | ErrorGroup, number: int, first_at: int, last_at: int, example: str) -> FailureGroup:
    return FailureGroup(
        fingerprint=one.fingerprint,
        text=one.message or f"{short_type_name(one.type)} ({one.code})",
        type=one.type,
        code=one.code,
        place=one.place,
        number=number,
        first_at=first_at,
        last_at=last_at,
        automations=[one.automation],
        example=example,
    )
