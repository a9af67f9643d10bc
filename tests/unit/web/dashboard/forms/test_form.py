"""The form of an automation's parameters: what it shows, read back, is what it was made of."""

import datetime
import enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.domain.values.arguments import make_arguments_schema
from mainspring.domain.values.function_signature import read_signature
from mainspring.web.dashboard.forms.field import add_faults, build_sent_form, iterate_fields, refill_fields
from mainspring.web.dashboard.forms.field_type import MOST_LEAVES, InputKind
from mainspring.web.dashboard.forms.form import build_fields
from mainspring.web.dashboard.forms.typed_values import parse_form


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Address(msgspec.Struct):
    street: str
    number: int | None
    note: str | None = None


class Order(msgspec.Struct):
    id: str
    total: float
    to: Address
    also: Address | None = None
    colour: Colour = Colour.RED
    lines: list[str] = []


def schema_for(function):
    return make_arguments_schema(read_signature(function))


def sent(fields):
    """Return what a browser sends of these fields: it ends the lines of a text area in its own way."""
    areas = {field.name for field in iterate_fields(fields) if field.kind in (InputKind.LINES, InputKind.JSON)}
    return {
        name: text.replace("\n", "\r\n") if name in areas else text for name, text in build_sent_form(fields).items()
    }


def by_label(fields):
    return {field.label: field for field in fields}


def with_defaults(schema, value, parts):
    """Return a value with what its schema fills in."""
    if "$ref" in schema:
        schema = parts[schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", ()):
        if choice != {"type": "null"} and value is not None:
            return with_defaults(choice, value, parts)
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    found = dict(value)
    for name, part in schema["properties"].items():
        if name not in found and "default" in part:
            found[name] = part["default"]
        if name in found:
            found[name] = with_defaults(part, found[name], parts)
    return found


def lacks_something(schema, value):
    """Tell whether a required part is not there, at any depth."""
    inner = next((option for option in schema.get("anyOf", ()) if option != {"type": "null"}), schema)
    if not isinstance(value, dict) or "properties" not in inner:
        return False
    return not value.keys() >= set(inner["required"]) or any(
        lacks_something(inner["properties"].get(name, {}), part) for name, part in value.items()
    )


TEXT = st.text(max_size=12) | st.sampled_from(["", "null", '""', " ", "a\nb", "a\r\nb", "\x00", "<script>", "7"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
LEAVES: Any = (
    ({"type": "string"}, TEXT),
    ({"type": "string", "maxLength": 4000}, TEXT),
    ({"type": "string", "format": "date"}, st.dates().map(str)),
    ({"type": "string", "format": "time"}, st.times().map(str)),
    ({"type": "string", "format": "date-time"}, st.datetimes(timezones=st.just(datetime.UTC)).map(msgspec.to_builtins)),
    ({"type": "string", "format": "duration"}, st.timedeltas().map(msgspec.to_builtins)),
    ({"type": "integer"}, st.integers()),
    ({"type": "number"}, st.floats(allow_nan=False, allow_infinity=False) | st.integers()),
    ({"type": "boolean"}, st.booleans()),
    ({"enum": ["a", 1, "null", ""]}, st.sampled_from(["a", 1, "null", ""])),
    ({"type": "array", "items": {"type": "integer"}}, st.lists(st.integers(), max_size=3)),
    ({}, JSON),
    ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, st.integers() | TEXT),
)


@st.composite
def parts_of(draw, depth=0):
    """Draw a schema and a value; now and then the value is of another shape, as an older version's."""
    if depth < 3 and draw(st.integers(0, 3)) == 0:
        schema, value = draw(groups(depth=depth + 1))
    else:
        schema, values = draw(st.sampled_from(LEAVES))
        value = draw(values)
    if draw(st.integers(0, 12)) == 0:
        value = draw(JSON)
    if draw(st.booleans()):
        schema = {"anyOf": [schema, {"type": "null"}]}
        value = draw(st.none() | st.just(value))
    return schema, value


@st.composite
def groups(draw, depth=0):
    """Draw an object with its schema."""
    properties, value, required = {}, {}, []
    for name in draw(st.lists(st.sampled_from(["a", "b.c", "d~e", "<i>", "f"]), unique=True, max_size=4)):
        schema, inner = draw(parts_of(depth=depth))
        if draw(st.booleans()):
            required.append(name)
            value[name] = inner
        else:
            if draw(st.booleans()):
                schema = {**schema, "default": draw(st.just(inner) | st.none() | JSON)}
            if draw(st.booleans()):
                value[name] = inner
        properties[name] = schema
    return {"type": "object", "properties": properties, "required": required}, value


@settings(max_examples=50)
@given(groups())
def test_form_read_back_is_the_value_it_was_made_of(value_of_schema):
    """But for defaults, which are filled in, and what it lacks that has to be there."""
    schema, value = value_of_schema
    found = parse_form(schema, sent(build_fields(schema, value)))
    if lacks_something(schema, with_defaults(schema, value, {})):
        return
    assert found.faults == {}
    assert with_defaults(schema, found.value, {}) == with_defaults(schema, value, {})
    # As JSON too: true is no 1.
    assert msgspec.json.encode(with_defaults(schema, found.value, {}), order="sorted") == msgspec.json.encode(
        with_defaults(schema, value, {}), order="sorted"
    )


@settings(max_examples=50)
@given(groups(), st.dictionaries(st.text(max_size=5), TEXT, max_size=4))
def test_any_form_is_read_or_reported(value_of_schema, form):
    """Whatever is sent ends in a value or in faults, and fields show what was typed."""
    schema, _ = value_of_schema
    form = form | {field: text for field in sent(build_fields(schema, {})) for text in form.values()}
    found = parse_form(schema, form)
    assert isinstance(found.value, dict)
    refilled = add_faults(refill_fields(build_fields(schema, {}), form), found.faults)
    assert all(field.text == form[field.name] for field in refilled if field.name in form)


def test_controls_fit_what_annotations_ask_for():
    """A choice is a select, an instant has its zone beside it, a struct is several fields; what none fits is JSON."""

    def order(
        order: Order,
        day: datetime.date,
        at: Annotated[datetime.datetime, msgspec.Meta(tz=True)],
        begin: datetime.datetime | None = None,
        clock: datetime.time = datetime.time(3),
        wait: datetime.timedelta = datetime.timedelta(seconds=30),
        mode: Literal["fast", "safe"] = "safe",
        dry: bool = False,
        text: Annotated[str, msgspec.Meta(max_length=5_000, description="What to say.")] = "a\nb",
        either: int | str = 1,
        anything: Any = None,
        limit: Annotated[int, msgspec.Meta(ge=1, le=9)] | None = None,
    ): ...

    schema = schema_for(order)
    fields = by_label(build_fields(schema, {}, "Europe/Berlin"))
    kinds = {name: field.kind for name, field in fields.items()}
    assert kinds == {
        "order": InputKind.GROUP,
        "day": InputKind.DATE,
        "at": InputKind.INSTANT,
        "begin": InputKind.INSTANT,
        "clock": InputKind.CLOCK,
        "wait": InputKind.SPAN,
        "mode": InputKind.CHOICE,
        "dry": InputKind.CHOICE,
        "text": InputKind.LINES,
        "either": InputKind.JSON,
        "anything": InputKind.JSON,
        "limit": InputKind.INTEGER,
    }
    assert fields["at"].zone == "Europe/Berlin"
    assert fields["text"].about == "What to say."
    assert fields["limit"].hint == "a whole number, from 1 to 9, empty = left out (null)"
    assert [choice.text for choice in fields["mode"].choices] == ['left out ("safe")', "fast", "safe"]
    assert fields["wait"].text == "PT30S"
    inner = by_label(fields["order"].fields)
    assert (inner["to"].kind, inner["lines"].kind, inner["colour"].text) == (InputKind.GROUP, InputKind.JSON, '"red"')
    assert inner["to"].fields[0].name == "i.order.to.street"
    form = sent(build_fields(schema, {})) | {
        "i.order.id": "o1",
        "i.order.total": "1.50",
        "i.order.to.street": '""',
        "i.order.also.street": "null",
        "i.order.also.number": "null",
        "i.day": "2026-01-05",
        "i.at": "2026-10-25T02:30",
        "z.at": "+02:00",
        "i.begin": "2026-10-25T02:30",
        "z.begin": "",
        "i.clock": "04:30",
        "i.wait": "1h30m",
    }
    found = parse_form(schema, form)
    assert found.faults == {}
    assert found.value["order"] == {
        "id": "o1",
        "total": 1.5,
        "to": {"street": "", "number": None},
        "also": {"street": "null", "number": None},
        "colour": "red",
        "lines": [],
    }
    assert (found.value["at"], found.value["wait"]) == ("2026-10-25T02:30:00+02:00", "PT5400S")
    assert (found.value["begin"], found.value["clock"]) == ("2026-10-25T02:30:00", "04:30:00")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("i.n", "1.5", "not a whole number"),
        ("i.n", "9" * 500, "not a number"),
        ("i.x", "1e999", "too large"),
        ("i.x", "nan", "not a number"),
        ("i.when", "soon", "not a span"),
        ("j.any", "{", "not JSON"),
        ("i.at", "2026-13-01T00:00", "not a date"),
        ("z.at", "Mars/Base", "time zone"),
    ],
)
def test_unreadable_input_is_reported_at_its_field(name, text, message):
    """By its path."""
    kinds = {"n": "integer", "x": "number"}
    formats = {"when": "duration", "at": "date-time"}
    properties = {name: {"type": kind} for name, kind in kinds.items()} | {
        name: {"type": "string", "format": form} for name, form in formats.items()
    }
    schema = {"type": "object", "properties": {**properties, "any": {}}, "required": []}
    form = {"i.at": "2026-01-05T03:00", "z.at": "Europe/Berlin", name: text}
    found = parse_form(schema, form)
    (path,) = found.faults
    assert path == f"$.{name[2:]}"
    assert message in found.faults[path]
    refilled = by_label(add_faults(refill_fields(build_fields(schema, {}), form), found.faults))
    assert message in refilled[name[2:]].fault


def test_open_schema_is_a_json_field():
    """Further arguments, an input of another shape, a schema without end, one with too many fields."""

    def any_of_them(a: int, **more: Any): ...

    schema = schema_for(any_of_them)
    fields = build_fields(schema, {"a": 1, "b": [2]})
    assert [field.kind for field in fields] == [InputKind.INTEGER, InputKind.JSON]
    assert parse_form(schema, sent(fields)).value == {"a": 1, "b": [2]}
    assert parse_form(schema, {"i.a": "1", "x": "[]"}).faults == {"$": "the further arguments are not a JSON object"}

    parts = {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}, "required": []}}
    endless = {"type": "object", "properties": {"node": {"$ref": "#/$defs/Node"}}, "required": [], "$defs": parts}
    deep = build_fields(endless, {"node": {"next": {"next": {"next": {"next": {"next": {}}}}}}})
    assert parse_form(endless, sent(deep)).value == {"node": {"next": {"next": {"next": {"next": {"next": {}}}}}}}
    many = {"type": "object", "properties": {f"a{n}": {"type": "integer"} for n in range(MOST_LEAVES + 1)}}
    (whole,) = build_fields(many, {"a1": 1})
    assert (whole.kind, parse_form(many, sent((whole,))).value) == (InputKind.JSON, {"a1": 1})
    assert (
        len(build_sent_form(build_fields({**many, "properties": dict(list(many["properties"].items())[:-1])}, {})))
        == MOST_LEAVES
    )
    assert parse_form(many, {"j": "[1]"}).faults == {"$": "the arguments are not a JSON object"}
