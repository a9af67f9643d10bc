"""Form schemas: fields in their order, with labels, help and formats, and what a person may write for them."""

import dataclasses
import shlex
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated, Any, Literal

import attrs
import msgspec
import pydantic
import pytest

from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.domain.values.form_schema import (
    describe_form,
    format_form_options,
    list_form_labels,
    list_form_mismatches,
    make_form_schema,
    read_form_words,
)


@dataclass
class Address:
    """Where it goes.

    city: a city of the country
    """

    city: str
    at: datetime | None = None


@dataclass
class Order:
    """Order something.

    The second paragraph.

    Attributes:
        number: of the order
        to (Address): the receiver
    """

    number: int
    to: Address
    name: str = dataclasses.field(default="", metadata={"label": "Full name", "help": "as on the card"})
    day: date | None = None
    hour: time = time(3)
    more: list[str] = dataclasses.field(default_factory=list)


@dataclass
class Bare:
    """Nothing else."""

    when: datetime


@dataclass
class Branch:
    """A class whose field leads to itself."""

    name: str
    branches: "list[Branch]" = dataclasses.field(default_factory=list)


@dataclass
class Choices:
    """Choices of several kinds."""

    state: Literal["new", "used"]
    size: Literal[1, 2] | None = None
    many: Literal["a", "b", "c", "d", "e", "f", "g"] = "a"


@dataclass
class Empty:
    """No field at all."""


class Renamed(msgspec.Struct, rename="camel"):
    """A class whose fields have other names outside."""

    first_name: Annotated[str, msgspec.Meta(title="First name", description="given")]
    until_at: datetime


@attrs.define
class WithMetadata:
    """A class of attrs."""

    count: int = attrs.field(metadata={"title": "How many"})


class Model(pydantic.BaseModel):
    """A model of pydantic."""

    count: int = pydantic.Field(title="How many", description="whole numbers", ge=1)
    to: Address | None = None


def schema_of(model: Any) -> dict[str, Any]:
    """Return the decoded schema."""
    made: dict[str, Any] = msgspec.json.decode(make_form_schema(model))
    return made


def test_fields_keep_their_order_labels_and_help() -> None:
    """Of the class itself and of the class in it."""
    schema = schema_of(Order)
    fields = schema["properties"]
    assert list(fields) == ["number", "to", "name", "day", "hour", "more"]
    assert fields["number"]["description"] == "of the order"
    assert (fields["name"]["title"], fields["name"]["description"]) == ("Full name", "as on the card")
    assert (fields["to"]["description"], fields["hour"]["format"]) == ("the receiver", "time")
    assert schema["$defs"]["Address"]["properties"]["city"]["description"] == "a city of the country"
    assert {"type": "string", "format": "date-time"} in schema["$defs"]["Address"]["properties"]["at"]["anyOf"]
    assert schema["additionalProperties"] is schema["$defs"]["Address"]["additionalProperties"] is False
    assert "Order" not in schema["$defs"], "the class itself is stored once"
    assert schema["description"] == "Order something.\n\nThe second paragraph."
    assert describe_form(schema) == "Order something."


def test_class_that_contains_itself_is_referred_to() -> None:
    """It stands among the parts as well, because its field leads there."""
    schema = schema_of(Branch)
    assert schema["$defs"]["Branch"]["properties"] == schema["properties"]


@pytest.mark.parametrize(
    ("model", "name", "title"),
    [(Renamed, "firstName", "First name"), (WithMetadata, "count", "How many"), (Model, "count", "How many")],
)
def test_labels_of_each_kind_of_class(model: Any, name: str, title: str) -> None:
    """By the names that a sender writes."""
    assert schema_of(model)["properties"][name]["title"] == title


def test_format_of_a_renamed_field_is_known() -> None:
    """Its annotation belongs to the name in Python."""
    assert schema_of(Renamed)["properties"]["untilAt"]["format"] == "date-time"


@pytest.mark.parametrize(
    "model",
    [int, str, list[int], dict[str, int], Any, None, object, Order | Bare, type, Empty, Empty(), {}, [Order], "Order"],
)
def test_type_without_fields_is_no_form(model: Any) -> None:
    """Neither is a value, with a hash or without. The error says what to write."""
    with pytest.raises(OptionError, match=r"form=.*: (a form needs a class|this type cannot)"):
        make_form_schema(model)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"number": 1, "to": {"city": "Bonn"}}, None),
        ({"number": 1, "to": {"city": "Bonn"}, "day": None, "hour": "03:00:00"}, None),
        ({"to": {"city": "Bonn"}}, "$.number"),
        ({"nummer": 1, "to": {"city": "Bonn"}}, "$.nummer"),
        ({"number": 1, "to": {"city": "Bonn"}, "<b>": 1}, "$['<b>']"),
        ({"number": 1, "to": {}}, "$.to"),
        ({"number": 1, "to": {"city": "Bonn", "at": "noon"}}, "$.to.at"),
        ({"number": 1, "to": {"city": "Bonn"}, "day": "2026-02-30"}, "$.day"),
        ({"number": 1, "to": {"city": "Bonn"}, "more": [1]}, "$.more[0]"),
        ([], "$"),
        (None, "$"),
    ],
)
def test_first_field_that_does_not_fit_is_named(value: Any, path: str | None) -> None:
    """A missing field by its own path."""
    mismatches = list_form_mismatches(schema_of(Order), value)
    assert (mismatches[0].path if mismatches else None) == path


def test_each_field_that_does_not_fit_is_named() -> None:
    """Unknown and missing fields first, then those with a wrong value, in optional classes too."""
    value = {"numbr": 1, "to": {"city": 5, "at": "noon"}, "day": "never", "more": [1, "a", 2]}
    assert [mismatch.path for mismatch in list_form_mismatches(schema_of(Order), value)] == [
        "$.numbr",
        "$.number",
        "$.to.city",
        "$.to.at",
        "$.day",
        "$.more[0]",
        "$.more[2]",
    ]


def test_words_have_the_types_of_their_fields() -> None:
    """Text stays text, the rest is JSON if it can be; a dot leads into a class."""
    words = ["number=5", "name=7", "to.city=5", "day=null", 'more=["a"]']
    assert read_form_words(schema_of(Order), words) == {
        "number": 5,
        "name": "7",
        "to": {"city": "5"},
        "day": None,
        "more": ["a"],
    }


def test_labels_name_the_values_of_a_choice() -> None:
    """If they are few; null is none of them."""
    schema = schema_of(Choices)
    assert list_form_labels(schema) == ["state=new|used", "size=1|2", "many"]


def test_options_lead_to_each_needed_field() -> None:
    """Those of a class inside by their paths, each fit for a shell; the words that come of them can be read."""
    schema = schema_of(Order)
    options = shlex.split(format_form_options(schema))
    assert options == ["--form", "number=VALUE", "--form", "to.city=VALUE"]
    assert read_form_words(schema, [word for word in options if word != "--form"]) == {
        "number": "VALUE",
        "to": {"city": "VALUE"},
    }


@pytest.mark.parametrize("words", [["number"], ["=5"], ["number=1", "number=2"], ["to={}", "to.city=x", "to.city=y"]])
def test_words_that_cannot_be_read_are_refused(words: list[str]) -> None:
    """Without a name or a sign, and twice."""
    with pytest.raises(ArgumentError):
        read_form_words(schema_of(Order), words)
