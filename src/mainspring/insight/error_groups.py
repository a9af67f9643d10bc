"""What failed, grouped by error: one line for each cause, from what watchers grouped and what is too new for that."""

from collections.abc import Callable, Iterator

import msgspec

from mainspring.domain.states import RunState
from mainspring.operations.failures import failures_of
from mainspring.resources.hidden import HIDDEN
from mainspring.store.base import Reader
from mainspring.store.reads.incidents import errors, untold_faults

_MOST = 1_000
Sees = Callable[[str], bool]


def _all(_: str) -> bool:
    return True


class Group(msgspec.Struct, kw_only=True):
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

    def add(self, other: "Group") -> None:
        """Count others of the same error."""
        if other.last_at >= self.last_at:
            self.text, self.example = other.text, other.example
        self.number += other.number
        self.first_at, self.last_at = min(self.first_at, other.first_at), max(self.last_at, other.last_at)
        self.automations = list(dict.fromkeys([*self.automations, *other.automations]))


def grouped(
    reader: Reader,
    states: tuple[RunState, ...],
    name: str | None,
    since_at: int | None,
    error: str | None,
    sees: Sees = _all,
) -> list[Group]:
    """Return what failed by error, the one that was seen last first: what watchers grouped, and what is too new for that.

    Of automations that whoever asks does not see nothing is counted.
    """
    state = states[0] if len(states) == 1 else None
    stored = errors(reader, name, error=error, since_at=since_at, state=state, limit=_MOST)
    found = [
        Group(
            fingerprint=one.fingerprint,
            text=_text(one.type, one.code, one.message),
            type=one.type,
            code=one.code,
            place=one.place,
            number=one.number,
            first_at=one.first_at,
            last_at=one.last_at,
            automations=[one.automation],
            example=one.last_run,
        )
        for one in stored
        if sees(one.automation)
    ]
    groups: dict[str, Group] = {}
    for one in (*found, *_ungrouped(reader, states, name, since_at, error, sees)):
        known = groups.setdefault(one.fingerprint, one)
        if known is not one:
            known.add(one)
    return sorted(groups.values(), key=lambda group: (-group.last_at, group.fingerprint))


def _ungrouped(
    reader: Reader, states: tuple[RunState, ...], name: str | None, since_at: int | None, error: str | None, sees: Sees
) -> Iterator[Group]:
    """Yield failures that no watcher has grouped yet."""
    untold = [
        one
        for one in untold_faults(reader)
        if one.state in states and name in (None, one.automation) and sees(one.automation)
    ]
    for one in failures_of(untold, HIDDEN.redact).groups:
        first, last = one.told[0], one.told[-1]
        if last.at >= (since_at or 0) and one.fingerprint.startswith(error or ""):
            yield Group(
                fingerprint=one.fingerprint,
                text=_text(one.type, one.code, one.message),
                type=one.type,
                code=one.code,
                place=one.place,
                number=len(one.told),
                first_at=first.at,
                last_at=last.at,
                automations=[one.automation],
                example=last.run,
            )


def _text(type: str, code: str, message: str) -> str:
    name = type.rpartition(".")[2]
    return f"{name}: {message}" if message else f"{name} ({code})"
