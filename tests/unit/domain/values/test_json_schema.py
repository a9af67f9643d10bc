"""What fits a schema, judged beside msgspec, which made the schema and reads the value."""

import enum
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from mainspring.domain.values.json_schema import find_mismatch


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Line(msgspec.Struct):
    sku: str
    qty: Annotated[int, Meta(ge=1, le=99)]
    tags: set[str] = set()


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    a: int
    b: float | None = None


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    name: str
    puppies: list["Dog"] = []


class Pair(msgspec.Struct, array_like=True):
    left: int
    right: str = ""


@dataclass
class Order:
    id: str
    lines: list[Line]
    colour: Colour = Colour.RED
    note: str | None = None


ANNOTATIONS: list[Any] = [
    None, bool, int, float, str, list, dict, Any, list[int], dict[str, int], tuple[int, str], tuple[int, ...], int | str | None,
    Literal["a", "b"], Literal[1, 2], Colour, Line, Strict, Cat | Dog, Dog, Pair, Order, list[Order], dict[str, Line | None],
    Annotated[int, Meta(gt=0, lt=10, multiple_of=2)], Annotated[str, Meta(min_length=1, max_length=3, pattern="^[a-z]*$")],
    Annotated[list[bool], Meta(min_length=1, max_length=2)], Annotated[dict[str, int], Meta(max_length=1)], Annotated[float, Meta(ge=0.5)],
]  # fmt: skip
TEXTS = st.sampled_from(["", "a", "b", "ab", "red", "Cat", "Dog", "x" * 5])
LEAVES = st.none() | st.booleans() | st.integers(-3, 12) | st.sampled_from([0.5, 1.0, -2.5, 1e300]) | TEXTS
NAMES = st.sampled_from(
    ["id", "lines", "sku", "qty", "tags", "a", "b", "type", "lives", "name", "puppies", "colour", "note", "odd key"]
)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


def fitting(schema: dict[str, Any], parts: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Return values of about the right shape."""
    if "$ref" in schema:
        return fitting(parts[schema["$ref"].rpartition("/")[2]], parts, depth)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([fitting(option, parts, depth + 1) for option in schema["anyOf"]])
    kind = schema.get("type")
    if kind == "object" and "properties" in schema and depth < 4:
        fields = {name: fitting(part, parts, depth + 1) for name, part in schema["properties"].items()}
        needed = {name: fields[name] for name in schema.get("required", ())}
        return st.fixed_dictionaries(
            needed, optional={name: part for name, part in fields.items() if name not in needed}
        )
    if kind == "array" and depth < 4:
        if "prefixItems" in schema:
            return st.tuples(*[fitting(item, parts, depth + 1) for item in schema["prefixItems"]]).map(list)
        if isinstance(schema.get("items"), dict):
            return st.lists(fitting(schema["items"], parts, depth + 1), max_size=3)
    return {
        "integer": st.integers(-3, 12),
        "string": st.sampled_from(["a", "ab", "red"]),
        "boolean": st.booleans(),
    }.get(str(kind), ANYTHING)


@settings(max_examples=300)
@given(data=st.data(), annotation=st.sampled_from(ANNOTATIONS))
def test_value_fits_a_schema_exactly_if_the_annotation_reads_it(data, annotation):
    """msgspec is the oracle: same values in, same verdict out; and about the same place."""
    schema = msgspec.json.schema(annotation)
    value = data.draw(ANYTHING | fitting(schema, schema.get("$defs", {})))
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=annotation)
        reads = True
    except msgspec.ValidationError:
        reads = False
    found = find_mismatch(schema, value)
    assert (found is None) == reads, found


@settings(max_examples=200)
@given(data=st.data())
def test_place_is_the_one_that_the_reader_would_name(data):
    """Where there is one fault, both find it at the same path."""
    order = {
        "id": "o",
        "lines": [{"sku": "s", "qty": 1}, {"sku": "t", "qty": 2, "tags": ["x"]}],
        "colour": "blue",
        "note": "n",
    }
    where = data.draw(st.sampled_from(["id", "qty", "sku", "tags", "colour", "note", "lines"]))
    bad = data.draw(ANYTHING)
    target = order["lines"][1] if where in ("qty", "sku", "tags") else order
    target[where] = bad
    try:
        msgspec.convert(order, Order)
        assume(False)
    except msgspec.ValidationError as error:
        path = str(error).partition(" - at `")[2].rstrip("`")
    found = find_mismatch(msgspec.json.schema(Order), order)
    assert found is not None
    # msgspec tells a missing field of the object by the object, as we do.
    assert found.path.startswith(path.replace("[...]", "[")[:3])
    assert where in found.path


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (
            Order,
            {"id": "o", "lines": [{"sku": "a", "qty": 1}] * 3 + [{"sku": "a", "qty": "x"}]},
            '$.lines[3].qty: expected integer, got "x"',
        ),
        (Order, {"id": "o", "lines": [{"sku": "a", "qty": 100}]}, "$.lines[0].qty: expected at most 99, got 100"),
        (Order, {"lines": []}, "$: 'id' is missing"),
        (
            dict[str, Line | None],
            {"x": {"sku": "a", "qtty": 1}},
            "$.x: 'qty' is missing (got 'qtty': is it a misspelling?)",
        ),
        (Order, {"id": "o", "lines": [], "colour": "green"}, '$.colour: expected "blue" or "red", got "green"'),
        (Order, {"id": "o", "lines": [], "note": 7}, "$.note: expected string or null, got 7"),
        (Order, [], "$: expected object, got an array"),
        (Strict, {"a": 1, "odd key": 2}, "$['odd key']: no field of this name is known"),
        (Cat | Dog, {"type": "Cow"}, '$.type: expected "Cat" or "Dog", got "Cow"'),
        (Cat | Dog, {"type": "Cat", "lives": "nine"}, '$.lives: expected integer, got "nine"'),
        (Cat | Dog, {}, "$: 'type' is missing"),
        (dict[str, Line | None], {"x": {"sku": "a"}}, "$.x: 'qty' is missing"),
        (tuple[int, str], [1, 2], "$[1]: expected string, got 2"),
        (tuple[int, str], [1], "$: expected at least 2 items, got 1"),
        (bool, 1, "$: expected boolean (true or false), got 1"),
        (int, True, "$: expected integer, got true"),
        (str, "x", None),
        (int, "y" * 100, f'$: expected integer, got "{"y" * 56}...'),
        (Annotated[str, Meta(pattern="^[a-z]+$")], "A", "$: expected text that matches '^[a-z]+$', got \"A\""),
        (Annotated[int, Meta(gt=1)], 1, "$: expected more than 1, got 1"),
    ],
)
def test_mismatch_names_the_place_and_what_was_expected(annotation, value, message):
    """For anyone who has to fix the request."""
    found = find_mismatch(msgspec.json.schema(annotation), value)
    assert (None if found is None else str(found)) == message


def test_choice_that_nothing_fits_is_reported():
    """A schema may be just false; it stands in a list of choices like any other."""
    assert str(find_mismatch({"anyOf": [False, {"type": "integer"}]}, "x")) == '$: expected nothing or integer, got "x"'
    assert find_mismatch({"anyOf": [False, {"type": "integer"}]}, 1) is None


def test_multiple_is_exact_as_far_as_a_float_goes():
    """A whole number with more digits than a float holds is left to everyone who reads it."""
    assert find_mismatch({"multipleOf": 0.5}, 1.5) is None
    assert find_mismatch({"multipleOf": 0.5}, 1.25).why == "expected a multiple of 0.5, got 1.25"
    assert find_mismatch({"multipleOf": 0.5}, 10**400) is None
    assert find_mismatch({"multipleOf": 3}, 10**400).why.startswith("expected a multiple of 3")


def test_unknown_keyword_refuses_nothing():
    """Keywords and references of other tools, and a reference that leads to itself."""
    for schema in (
        {"not": {}, "format": "email", "type": "wonder"},
        {"$ref": "#/$defs/None"},
        True,
        {"$ref": "elsewhere#/x"},
    ):
        assert find_mismatch(schema if isinstance(schema, dict) else {"items": schema}, [1]) is None
    round_and_round = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert find_mismatch(round_and_round, 1) is None
    assert find_mismatch({"items": False}, [1]).path == "$[0]"


def test_value_that_is_nested_deeply_is_checked_to_its_end():
    """As deep as a body may be."""
    value: Any = {"type": "Dog", "name": 7}
    for _ in range(30):
        value = {"type": "Dog", "name": "d", "puppies": [value]}
    found = find_mismatch(msgspec.json.schema(Dog), value)
    assert found is not None
    assert found.path == "$" + ".puppies[0]" * 30 + ".name"
