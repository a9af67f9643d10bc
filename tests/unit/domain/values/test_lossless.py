"""No field of a value is left out, whatever stands in its place on the class."""

import dataclasses
from typing import Any, NamedTuple

import msgspec
import pytest

from mainspring.domain.values.codec import decode, encode
from mainspring.domain.values.function_signature import read_signature
from mainspring.domain.values.saved_call import decode_result, encode_result


@dataclasses.dataclass
class Order:
    id: int
    name: str = "x"
    lines: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Fixed:
    id: int
    kind: str = dataclasses.field(init=False, default="fixed")


@dataclasses.dataclass(slots=True)
class Slotted:
    id: int
    name: str = "x"


@dataclasses.dataclass
class Doubled:
    id: int
    both: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.both = 2 * self.id


class Sparse(msgspec.Struct, omit_defaults=True):
    name: str = "x"
    id: int = 0


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclasses.dataclass
class Holder:
    order: Order
    more: Any = None


def _read() -> Order:
    return decode(b'{"id":1}', Order)


WHOLE = b'{"id":1,"name":"x","lines":[]}'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (_read(), WHOLE),
        ([1, _read()], b"[1," + WHOLE + b"]"),
        ({"b": 1, "a": {"deep": [_read()]}}, b'{"a":{"deep":[' + WHOLE + b']},"b":1}'),
        (Pair(1, _read()), b"[1," + WHOLE + b"]"),
        (Holder(_read()), b'{"order":' + WHOLE + b',"more":null}'),
        (Holder(Order(1), (_read(),)), b'{"order":' + WHOLE + b',"more":[' + WHOLE + b"]}"),
        (Fixed(1), b'{"id":1,"kind":"fixed"}'),
        ({Fixed(1)}, b'[{"id":1,"kind":"fixed"}]'),
        (decode(b'{"id":1}', Slotted), b'{"id":1,"name":"x"}'),
        (Doubled(2), b'{"id":2,"both":4}'),
        (Sparse(), b'{"name":"x","id":0}'),
        ([Sparse(id=3)], b'[{"name":"x","id":3}]'),
    ],
)
def test_encode_writes_every_field(value: Any, written: bytes) -> None:
    """A field whose value is only its class's default is written like any other, in the order of the class."""
    assert encode(value) == written


def test_encode_writes_the_same_bytes_whether_a_field_was_given_or_defaulted() -> None:
    """One value has one form, so a run key finds its run again."""
    assert encode(_read()) == encode(Order(1)) == encode(Order(1, "x", []))


def test_a_saved_result_does_not_change_with_the_code() -> None:
    """What was committed is read back as it was, though the default is another one by now."""

    @dataclasses.dataclass
    class Before:
        id: int
        name: str = "was"

    @dataclasses.dataclass
    class After:
        id: int
        name: str = "is"

    def before() -> Before:
        return decode(b'{"id":1}', Before)

    def after() -> After:
        raise NotImplementedError

    saved = encode_result(read_signature(before), before())
    assert decode_result(read_signature(after), saved) == After(1, "was")
