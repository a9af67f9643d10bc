"""Flags as text: what people type for a share, an attribute or a value, read and checked. Pure."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.flags.flag import SHARE_UNITS, FlagKind
from mainspring.domain.text.escaping import escape

_PER_PERCENT = SHARE_UNITS // 100
_SHARE_HINT = "Write a share of all keys from 0% to 100%, for example 5% or 0.01%."
_LONGEST_DIGITS = 20
_EXAMPLES = {FlagKind.BOOLEAN: "true or false", FlagKind.NUMBER: "10", FlagKind.JSON: "'{\"limit\": 10}'"}


def parse_share(text: str) -> int:
    """Return the millionths of a share in percent: "5%", "0.01 %".

    Raises:
        OptionError: it is no percentage from 0% to 100%, or finer than a millionth of all keys.
    """
    number = text.strip().removesuffix("%").strip()
    if not text.strip().endswith("%") or len(number) > _LONGEST_DIGITS:
        hint = f"Write the percent sign: {number}%" if _read_decimal(number) is not None else _SHARE_HINT
        raise OptionError(f"{escape(repr(text), 60)} is not a share", hint=hint)
    percent = _read_decimal(number)
    if percent is None:
        raise OptionError(f"{escape(repr(text), 60)} is not a share", hint=_SHARE_HINT)
    return to_millionths(percent)


def to_millionths(percent: Decimal | float) -> int:
    """Return the millionths of a number of percent. Raises OptionError as `parse_share`."""
    exact = Decimal(str(percent))
    if not exact.is_finite() or not 0 <= exact <= 100:
        raise OptionError(f"a share of {float(exact):.10g} % is not possible", hint=_SHARE_HINT)
    share = exact * _PER_PERCENT
    if share != int(share):
        raise OptionError(
            f"a share of {exact:g} % is too fine", hint="The finest step is 0.0001%, one key in a million."
        )
    return int(share)


def to_percent(share: int) -> float:
    """Return the percentage of millionths as a number."""
    return share / int(_PER_PERCENT)


def format_share(share: int) -> str:
    """Return the percentage of millionths: "5 %", "0.01 %"."""
    return f"{Decimal(share) / _PER_PERCENT:f} %"


def parse_attributes(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the values by attribute of texts such as "country=DE,AT". The same attribute again adds values.

    Raises:
        OptionError: an attribute or its values are missing.
    """
    attributes: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, _, listed = text.partition("=")
        values = tuple(value.strip() for value in listed.split(",") if value.strip())
        if not name.strip() or not values:
            raise OptionError(
                f"{escape(repr(text), 60)} is not an attribute with values", hint="Write for example country=DE,AT"
            )
        attributes[name.strip()] = (*attributes.get(name.strip(), ()), *values)
    return attributes


def encode_value(name: str, kind: FlagKind, text: str) -> str:
    """Return the JSON of a value that a person typed for a flag: text of a string flag needs no quotes.

    Raises:
        OptionError: it is not JSON. `flag_change.merge` checks whether it fits the type.
    """
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        if kind is FlagKind.STRING:
            return msgspec.json.encode(text).decode()
        other = "" if kind is FlagKind.JSON else " A flag with text as value has another type: --type string"
        raise OptionError(
            f"the value {escape(repr(text), 60)} of flag {name!r} is not of its type, {kind}",
            hint=f"Write for example {_EXAMPLES[kind]}.{other}",
        ) from None
    if kind is FlagKind.STRING and not isinstance(value, str):
        return msgspec.json.encode(text).decode()
    return msgspec.json.encode(value).decode()


def _read_decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
