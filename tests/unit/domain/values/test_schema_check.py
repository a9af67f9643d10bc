"""Which schemas are refused because a part of them would change nothing."""

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from mainspring.domain.definitions.options import DefinitionKind, parse_options
from mainspring.domain.errors import MainspringError, OptionError, UnknownNameError
from mainspring.domain.values.arguments import make_arguments_schema
from mainspring.domain.values.function_signature import read_signature
from mainspring.domain.values.json_schema import find_mismatch
from mainspring.domain.values.schema_check import check_schema

GOOD = {
    "type": "object",
    "properties": {
        "rows": {"type": ["integer", "null"], "minimum": 1, "multipleOf": 0.5},
        "kind": {"enum": ["full", 2]},
        "files": {"type": "array", "items": {"$ref": "#/$defs/file"}, "minItems": 1},
    },
    "required": ["rows"],
    "additionalProperties": False,
    "$defs": {"file": {"anyOf": [{"type": "string", "pattern": "^[a-z]+$"}, {"const": None}]}},
}


def test_schema_that_is_obeyed_is_taken():
    """As the options keep it."""
    check_schema(GOOD)
    assert parse_options(DefinitionKind.TASK, {"expect": GOOD}, "here") == {"expect": GOOD}


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        ({"min": 100}, "unknown keyword of a schema at \\$"),
        ({"properties": {"a": {"maximun": 1}}}, "at \\$.properties.a: 'maximun'"),
        ({"oneOf": [{"type": "null"}]}, "'oneOf'"),
        ({"type": "int"}, "\\$.type must be null, boolean"),
        ({"required": "rows"}, "a list of names"),
        ({"minLength": True}, "whole number"),
        ({"multipleOf": 0}, "above 0"),
        ({"pattern": "("}, "regular expression"),
        ({"pattern": "(a+)+$"}, "regular expression"),
        ({"pattern": "a{99999999999999}"}, "regular expression"),
        ({"pattern": "(" * 3_000 + ")" * 3_000}, "regular expression"),
        ({"anyOf": []}, "list of schemas"),
        ({"items": {"$ref": "#/$defs/none"}}, "leads nowhere"),
        ({"items": 3}, "must be a schema"),
    ],
)
def test_schema_that_would_be_ignored_is_refused(schema, sentence):
    """At the place where it stands, with the definition that states it."""
    with pytest.raises(MainspringError, match=sentence) as caught:
        parse_options(DefinitionKind.TASK, {"expect": schema}, "task 'work' at work.py:7")
    assert isinstance(caught.value, OptionError)
    assert "work.py:7" in caught.value.message


def test_misspelt_keyword_is_reported_with_the_nearest():
    """As of every other name."""
    with pytest.raises(UnknownNameError) as caught:
        check_schema({"requierd": ["a"]})
    assert caught.value.nearest == "required"


def test_deep_schema_is_refused():
    """Not by an error of Python."""
    schema: dict = {}
    for _ in range(200):
        schema = {"items": schema}
    with pytest.raises(OptionError, match="too deep"):
        check_schema(schema)


NAMES = st.sampled_from("ab")
NUMBERS = st.integers() | st.just(10**400) | st.floats(allow_nan=False, allow_infinity=False)  # as JSON may hold them
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=8,
)
LIMITS = st.integers(-2, 5) | st.floats(-2, 5)
SCHEMAS = st.recursive(
    st.booleans(),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["null", "integer", "number", "string", "array", "object", ["boolean", "string"]]),
            "enum": st.lists(VALUES, min_size=1, max_size=2),
            "const": VALUES,
            "minimum": LIMITS,
            "exclusiveMaximum": LIMITS,
            "multipleOf": LIMITS,
            "minLength": st.integers(0, 3),
            "pattern": st.sampled_from(["^a", "b$", ""]),
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "additionalProperties": inner,
            "required": st.lists(NAMES, unique=True),
            "items": inner,
            "maxItems": st.integers(0, 2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
        },
    ),
    max_leaves=6,
)


@given(SCHEMAS, VALUES)
def test_accepted_schema_checks_any_value(schema, value):
    """The check of a result has no error of its own: it names the place of a misfit, or finds none."""
    try:
        check_schema(schema)
    except OptionError:
        reject()
    assume(isinstance(schema, dict))
    found = find_mismatch(schema, value)
    assert found is None or found.path.startswith("$")


def test_schemas_of_annotations_are_taken():
    """So that one can be copied from what `auto show` prints."""

    def work(rows: list[int], name: str | None = None) -> None: ...

    check_schema(make_arguments_schema(read_signature(work)))
