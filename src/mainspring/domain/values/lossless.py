"""Lossless encoding: whether msgspec writes all of a value. It leaves out a field of a data class that has only the class's default.

Role: the codec checks this before it trusts the fast encoder. A field that is not written is read back as the default of the later code,
so a committed value would change with the code. A Struct with `omit_defaults` does the same on purpose. Invariant: called for values that
were encoded already, so there are no cycles.
"""

import dataclasses
import decimal
import types
import uuid
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec

_LEAVES = frozenset(
    {
        *(type(None), bool, int, str, float, bytes, bytearray, decimal.Decimal, uuid.UUID),
        *(datetime, date, time, timedelta),
    }
)
_SLOT = types.MemberDescriptorType
_MOST_KINDS = 4096
_LosslessCheck = Callable[[Any], bool]


def is_lossless(value: Any) -> bool:
    """Return whether each field of each object inside `value` would be written."""
    kind = type(value)
    check = _checks.get(kind)
    return (_get_check(kind) if check is None else check)(value)


def _get_check(kind: type) -> _LosslessCheck:
    """Make the check of a type, once."""
    if len(_checks) >= _MOST_KINDS:
        _checks.clear()  # a program that makes classes without end
        _checks.update(dict.fromkeys(_LEAVES, _always))
    check = _checks[kind] = _make_check(kind)
    return check


def _make_check(kind: type) -> _LosslessCheck:
    if issubclass(kind, dict):
        return _is_mapping_lossless
    if issubclass(kind, list | tuple | set | frozenset):
        return _are_lossless
    if issubclass(kind, msgspec.Struct):
        return _never if kind.__struct_config__.omit_defaults else _is_struct_lossless
    if dataclasses.is_dataclass(kind):
        return _make_data_class_check(kind)
    if hasattr(kind, "__attrs_attrs__"):
        return _make_attribute_check([field.name for field in kind.__attrs_attrs__])
    return _always


def _are_lossless(items: Iterable[Any]) -> bool:
    # Most containers hold nothing but leaves: this needs no call for each item.
    if _LEAVES.issuperset(map(type, items)):
        return True
    for item in items:
        kind = type(item)
        if kind not in _LEAVES and not (_checks.get(kind) or _get_check(kind))(item):
            return False
    return True


def _is_mapping_lossless(value: dict[Any, Any]) -> bool:
    return _are_lossless(value.values())


def _is_struct_lossless(value: msgspec.Struct) -> bool:
    return _are_lossless(msgspec.structs.astuple(value))


def _make_data_class_check(kind: type) -> _LosslessCheck:
    names = [field.name for field in dataclasses.fields(kind)]
    if not kind.__dictoffset__:
        return _make_attribute_check(names)
    # A slot, or an attribute that only the instance has, is always written.
    on_class = frozenset(name for name in names if hasattr(kind, name) and not isinstance(getattr(kind, name), _SLOT))
    check_attributes = _make_attribute_check(names)

    def check(value: Any) -> bool:
        own = value.__dict__
        if not on_class <= own.keys():
            return False
        return check_attributes(value) if len(own) < len(names) else _are_lossless(own.values())

    return check


def _make_attribute_check(names: list[str]) -> _LosslessCheck:
    def check(value: Any) -> bool:
        return _are_lossless([getattr(value, name, None) for name in names])

    return check


def _always(value: Any) -> bool:
    return True


def _never(value: Any) -> bool:
    return False


_checks: dict[type, _LosslessCheck] = dict.fromkeys(_LEAVES, _always)
