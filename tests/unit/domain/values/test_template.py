"""Templates: what they reach, and what they can never reach."""

import contextlib
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.errors import MainspringError, OptionError, UnknownNameError
from mainspring.domain.values.arguments import make_arguments_schema
from mainspring.domain.values.file import File
from mainspring.domain.values.function_signature import read_signature
from mainspring.domain.values.template import check_fields, check_template, expand_template

SLOT = datetime(2026, 1, 5, 3, tzinfo=UTC)
VALUES = {"slot": SLOT, "order": {"id": 7, "ok": True, "none": None, "items": [1]}, "day": "2026-01-05", "cost": 1.5}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("/backups/{slot:%F}.gz", "/backups/2026-01-05.gz"),
        ("order {order.id:04}", "order 0007"),
        ("{slot}", "2026-01-05T03:00:00+00:00"),
        ("{day:%d.%m.%Y} {cost:.2f}", "05.01.2026 1.50"),
        ("{{literal}} {order.ok}{order.none}", "{literal} true"),
        ("plain", "plain"),
    ],
)
def test_template_is_filled(template, text):
    """Names, keys and formats are filled in; doubled braces are text."""
    assert expand_template(template, VALUES) == text


@pytest.mark.parametrize(
    "template",
    [
        "{slot.__class__}",
        "{slot.tzinfo}",
        "{order._id}",
        "{_order}",
        "{order[id]}",
        "{0}",
        "{}",
        "{order!r}",
        "{cost:>99999}",
        "{cost:{day}}",
        "{slot",
        "slot}",
        "{missing}",
        "{order.missing}",
        "{order}",
        "{order.items}",
        "{day:%d%d" + "x" * 80 + "}",
        "{order.id:%F}",
        "x" * 5_000,
    ],
)
def test_template_refuses_everything_else(template):
    """No attribute, index, conversion or width leads anywhere."""
    with pytest.raises(OptionError):
        expand_template(template, VALUES)


def test_template_names_are_checked_before_there_are_values():
    """A misspelt argument is found at declaration, with the nearest name."""
    check_template("{order.id} {slot:%F}", ["order", "slot"])
    check_template("{whatever}", None)
    with pytest.raises(UnknownNameError) as refused:
        check_template("{ordr.id}", ["order", "slot"])
    assert refused.value.nearest == "order"


@given(st.text(alphabet="{}[]().:!%_ao0<>9\\ ", max_size=30))
def test_template_never_fails_in_another_way(template):
    """Whatever is written gives text or our own error."""
    with contextlib.suppress(MainspringError):
        assert isinstance(expand_template(template, {"a": {"o": 1.5}, "o": "text"}), str)


ORDER = {
    "properties": {
        "order": {"$ref": "#/$defs/Order"},
        "n": {"type": "integer"},
        "free": {},
        "words": {"type": "object"},
        "maybe": {"anyOf": [{"$ref": "#/$defs/Order"}, {"type": "null"}]},
        "either": {"anyOf": [{"$ref": "#/$defs/Order"}, {"$ref": "#/$defs/Parcel"}]},
    },
    "$defs": {
        "Order": {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "customer": {"$ref": "#/$defs/Customer"},
                "tags": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
        "Customer": {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": False},
        "Parcel": {"type": "object", "properties": {"weight": {"type": "number"}}},
    },
}


@pytest.mark.parametrize(
    "template",
    [
        "{order.id} {order.customer.name:>20} {order.tags.any} {maybe.customer.name}",
        "{free.any.depth} {words.any} {either.id} {either.weight} {n} {slot:%F} {order}",
    ],
)
def test_fields_that_a_value_may_have_are_accepted(template):
    """What the schema of the arguments has, or leaves open."""
    check_fields(template, ORDER)


@pytest.mark.parametrize(
    ("template", "sentence", "nearest"),
    [
        ("{order.idd}", "idd", "id"),
        ("{order.customer.nam}", "nam", "name"),
        ("{maybe.idd}", "idd", "id"),
        ("{either.wieght}", "wieght", "weight"),
        ("{n.x}", "n is a single value", None),
        ("{order.id.x}", r"order\.id is a single value", None),
        ("{slot.year}", "slot is a time", None),
    ],
)
def test_field_that_no_value_has_is_refused_before_there_are_values(template, sentence, nearest):
    """With the nearest one that there is."""
    with pytest.raises(OptionError if nearest is None else UnknownNameError, match=sentence) as refused:
        check_fields(template, ORDER)
    assert nearest is None or refused.value.nearest == nearest


def test_file_has_its_name_and_its_path_in_templates():
    """The fields that a function sees on `ms.File`: the name follows from the path and is not stored."""

    def book(file: File) -> None: ...

    definition = Definition(
        kind=DefinitionKind.TASK,
        name="book",
        options={"title": "Book {file.name}", "item": "{file.path}", "produces": ["out/{file.name}.ok"]},
        parameters=make_arguments_schema(read_signature(book)),
    )
    definition.check_templates()
    file = File.at(b"/inbox/a.csv", size=3, sha256="f" * 64, modified_ns=0)
    arguments = {"file": msgspec.to_builtins(file)}
    expanded = [definition.expand(text, arguments) for text in ("{file.name} {file.path}", "out/{file.name}.ok")]
    assert expanded == ["a.csv /inbox/a.csv", "out/a.csv.ok"]


def test_field_that_no_file_has_is_refused_with_those_there_are():
    """`name` among them, although it is not stored."""
    schema = {"properties": {"file": msgspec.json.schema(File)["$defs"]["File"]}}
    with pytest.raises(UnknownNameError, match="extension") as refused:
        check_fields("{file.extension}", schema)
    assert "modified, name, path" in (refused.value.hint or "")
    with pytest.raises(OptionError, match=r"file\.name is a single value"):
        check_fields("{file.name.x}", schema)
