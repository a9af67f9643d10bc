"""A change of a flag: what a person stated, checked and merged with what the flag has."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from mainspring.domain.errors import OptionError
from mainspring.domain.flags.flag import SHARE_UNITS, Flag, FlagKind, FlagRules, kind_of
from mainspring.domain.text.escaping import MAX_NAME_LENGTH, escape, is_valid_name

Value = TypeVar("Value")
_ON = {FlagKind.BOOLEAN: "true"}
_OFF = {FlagKind.BOOLEAN: "false"}
MAX_LISTED = 1_000
"""Most keys of a list, and most values of an attribute: each question reads them."""


class FlagChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of a flag that change, and no other. Values are JSON, `share` counts in millionths."""

    kind: FlagKind | UnsetType = UNSET
    on_value: str | UnsetType = UNSET
    off_value: str | UnsetType | None = UNSET
    share: int | UnsetType = UNSET
    allow: tuple[str, ...] | UnsetType = UNSET
    deny: tuple[str, ...] | UnsetType = UNSET
    attributes: Mapping[str, tuple[str, ...]] | UnsetType = UNSET
    owner: str | UnsetType | None = UNSET
    about: str | UnsetType | None = UNSET
    expires_at: int | UnsetType | None = UNSET
    is_killed: bool | UnsetType = UNSET


def check_flag_name(name: str) -> str:
    """Return the name of a flag if it is valid. Raises OptionError."""
    if not is_valid_name(name):
        raise OptionError(
            f"{escape(repr(name), 60)} is not a valid name of a flag",
            hint=f"Use 1 to {MAX_NAME_LENGTH} printable characters in one line, not all of them blank.",
        )
    return name


def merge(name: str, flag: Flag | None, change: FlagChange, now: int) -> Flag:
    """Return the flag after a change at `now` (ms UTC); None = it is new. The revision stays.

    Raises:
        OptionError: a value does not fit the kind, the kind of an existing flag changes, or the share or a list is out of bounds.
    """
    kind = _kind(name, flag, change)
    rules = FlagRules() if flag is None else flag.rules
    on_value = _given(change.on_value, _ON.get(kind) if flag is None else flag.on_value)
    if on_value is None:
        raise OptionError(
            f"flag {name!r} has no value for the keys that are on", hint=f"State one: --value {_EXAMPLES[kind]}"
        )
    off_value = _given(change.off_value, _OFF.get(kind) if flag is None else flag.off_value)
    for value in (on_value, off_value):
        if value is not None:
            _check_value(name, kind, value)
    changed = Flag(
        name=name,
        kind=kind,
        on_value=on_value,
        off_value=off_value,
        rules=FlagRules(
            _listed(name, "deny", _given(change.deny, rules.deny)),
            _listed(name, "allow", _given(change.allow, rules.allow)),
            {key: _listed(name, key, values) for key, values in _given(change.attributes, rules.attributes).items()},
            _share(name, _given(change.share, rules.share)),
        ),
        owner=_given(change.owner, None if flag is None else flag.owner),
        about=_given(change.about, None if flag is None else flag.about),
        expires_at=_given(change.expires_at, None if flag is None else flag.expires_at),
        killed_at=_killed_at(flag, change, now),
        created_at=now if flag is None else flag.created_at,
        changed_at=now,
        revision=0 if flag is None else flag.revision,
    )
    if flag is not None and changed.answering == flag.answering:
        return msgspec.structs.replace(changed, changed_at=flag.changed_at)
    return changed


_EXAMPLES = {
    FlagKind.BOOLEAN: "true",
    FlagKind.STRING: "'\"v2\"'",
    FlagKind.NUMBER: "10",
    FlagKind.JSON: "'{\"limit\": 10}'",
}


def _given(value: Value | UnsetType, otherwise: Value) -> Value:
    return otherwise if isinstance(value, UnsetType) else value


def _kind(name: str, flag: Flag | None, change: FlagChange) -> FlagKind:
    if flag is None:
        return _given(change.kind, FlagKind.BOOLEAN)
    if not isinstance(change.kind, UnsetType) and change.kind is not flag.kind:
        raise OptionError(
            f"flag {name!r} is of type {flag.kind}, and cannot become {change.kind}: runs may hold its answers",
            hint="Use another name for the new flag, or delete this one first: mainspring flags delete NAME",
        )
    return flag.kind


def _check_value(name: str, kind: FlagKind, text: str) -> None:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise OptionError(
            f"the value {escape(repr(text), 60)} of flag {name!r} is not JSON: {error}",
            hint=f"Write it as JSON, for example {_EXAMPLES[kind]}",
        ) from None
    if value is None or (kind is not FlagKind.JSON and kind_of(value) is not kind):
        raise OptionError(
            f"the value {escape(text, 60)} of flag {name!r} is not of its type, {kind}",
            hint=f"Write for example {_EXAMPLES[kind]}, or create a flag of another type.",
        )


def _share(name: str, share: int) -> int:
    if not 0 <= share <= SHARE_UNITS:
        raise OptionError(
            f"the share of flag {name!r} is {share / (SHARE_UNITS / 100):g} %", hint="Use a share from 0% to 100%."
        )
    return share


def _listed(name: str, part: str, values: tuple[str, ...]) -> tuple[str, ...]:
    if len(values) > MAX_LISTED:
        raise OptionError(
            f"flag {name!r} lists {len(values):,} values of {escape(part, 60)}: at most {MAX_LISTED:,} are possible",
            hint="Pass an attribute that all of these have in common.",
        )
    return tuple(dict.fromkeys(values))


def _killed_at(flag: Flag | None, change: FlagChange, now: int) -> int | None:
    before = None if flag is None else flag.killed_at
    if isinstance(change.is_killed, UnsetType):
        return before
    return (before or now) if change.is_killed else None
