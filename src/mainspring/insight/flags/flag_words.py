"""Words for flags: the rules of one, and what a change of it changed. Pure."""

from collections.abc import Iterator, Mapping

import msgspec

from mainspring.domain.flags.flag import SHARE_UNITS, Flag
from mainspring.domain.flags.flag_text import format_share
from mainspring.insight.text.formatting import escape_line, format_instant

NO_VALUE = "the default of the code"
_NONE = "-"
_MIDNIGHT = " 00:00:00"
_MOST_LISTED = 5
_LONGEST = 200


class FlagFieldChange(msgspec.Struct, frozen=True):
    """A field that a change changed, by the name of its option; `before` and `after` are text for people."""

    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.field}: {self.after if self.before == _NONE else f'{self.before} -> {self.after}'}"


def describe_rules(flag: Flag) -> str:
    """Return who gets the side `on`: "5 % of keys, 2 allowed, country=DE|AT", "all keys"."""
    rules = flag.rules
    parts = []
    if rules.share == SHARE_UNITS:
        parts.append("all keys")
    elif rules.share or not (rules.allow or rules.attributes):
        parts.append(f"{format_share(rules.share)} of keys" if rules.share else "no key")
    if rules.allow and rules.share != SHARE_UNITS:
        parts.append(f"{len(rules.allow):,} allowed")
    if rules.attributes and rules.share != SHARE_UNITS:
        parts.append(describe_attributes(rules.attributes))
    if rules.deny:
        parts.append(f"{len(rules.deny):,} denied")
    return ", ".join(parts)


def describe_attributes(attributes: Mapping[str, tuple[str, ...]]) -> str:
    """Return the attributes that get the side `on`: "country=DE|AT, plan=pro"."""
    return ", ".join(f"{escape_line(name, _LONGEST)}={_join(values, '|')}" for name, values in attributes.items())


def list_field_changes(before: Flag | None, after: Flag, zone: str) -> list[FlagFieldChange]:
    """Return the fields that differ; of a new flag, those that were stated. Instants are on the clock of `zone`."""
    old = {} if before is None else dict(_describe_fields(before, zone))
    new = dict(_describe_fields(after, zone))
    if before is None:
        return [FlagFieldChange(name, _NONE, text) for name, text in new.items() if text not in (_NONE, "no")]
    return [FlagFieldChange(name, old[name], text) for name, text in new.items() if old[name] != text]


def _describe_fields(flag: Flag, zone: str) -> Iterator[tuple[str, str]]:
    rules = flag.rules
    yield "type", flag.kind
    yield "value", escape_line(flag.on_value, _LONGEST)
    yield "otherwise", NO_VALUE if flag.off_value is None else escape_line(flag.off_value, _LONGEST)
    yield "share", format_share(rules.share)
    yield "allow", _join(rules.allow, ", ")
    yield "deny", _join(rules.deny, ", ")
    yield "when", describe_attributes(rules.attributes) or _NONE
    yield "owner", escape_line(flag.owner or _NONE, _LONGEST)
    yield "about", escape_line(flag.about or _NONE, _LONGEST)
    yield "expires", format_instant(flag.expires_at, zone).removesuffix(_MIDNIGHT)
    yield "killed", "no" if flag.killed_at is None else format_instant(flag.killed_at, zone)


def _join(values: tuple[str, ...], mark: str) -> str:
    """Return the first values and how many more there are; `_NONE` for none."""
    more = f"{mark}{len(values) - _MOST_LISTED:,} more" if len(values) > _MOST_LISTED else ""
    return mark.join(escape_line(value, _LONGEST) for value in values[:_MOST_LISTED]) + more or _NONE
