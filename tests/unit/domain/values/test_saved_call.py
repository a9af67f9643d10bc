"""Calls as bytes, drift, and arguments from people."""

import dataclasses
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict, Unpack

import msgspec
import pytest

from mainspring.domain.errors import ArgumentError, ValueRefusedError
from mainspring.domain.values.arguments import bind_json, bind_words, make_arguments_schema, make_example
from mainspring.domain.values.function_signature import read_signature
from mainspring.domain.values.saved_call import (
    compare_calls,
    decode_call,
    encode_call,
    is_same_call,
    roundtrip_call,
    roundtrip_result,
)


@dataclasses.dataclass
class Order:
    id: int
    total: float = 1.0


def charge(order: Order, day: datetime.date = datetime.date(2026, 1, 5), *, note: str | None = None) -> Order:
    return order


def gather(first: int, /, *rest: int, last: int = 3, **extra: Order) -> None:
    return None


def test_calls_return_typed_for_all_kinds_of_parameters() -> None:
    """Positional-only, starred and keyword-only arguments survive the round trip."""
    sig = read_signature(gather)
    data = encode_call(sig, (1, 2, 3), {"last": 4, "other": Order(5)})
    assert decode_call(sig, data) == ((1, 2, 3), {"last": 4, "other": Order(5)})


def test_live_arguments_are_what_a_replay_reads() -> None:
    """A round trip gives a copy of the given type, not the same object."""
    order = Order(1)
    data, args, kwargs = roundtrip_call(read_signature(charge), (order,), {})
    assert (args, kwargs) == decode_call(read_signature(charge), data)
    assert args[0] == order
    assert args[0] is not order
    assert roundtrip_result(read_signature(charge), order)[1] == order


def test_same_call_allows_new_defaults_and_sees_changes() -> None:
    """A new field or parameter with a default is no drift; another value is, with its path."""
    sig = read_signature(charge)
    now = encode_call(sig, (Order(1),), {})
    assert is_same_call(sig, b'{"order":{"id":1}}', now)
    assert not is_same_call(sig, b'{"order":{"id":2}}', now)
    assert compare_calls(sig, b'{"order":{"id":2}}', now) == [("$.order.id", "2", "1")]


def test_bind_words_reads_containers_of_text_as_json() -> None:
    """A list, set, tuple or dict of text is no text; beside a text in a union it is reported by its bracket."""

    def files(
        names: list[str],
        tags: set[str],
        pair: tuple[str, ...],
        by: dict[str, int],
        gap: list[datetime.timedelta],
        either: str | list[str],
        named: Annotated[str, "a name"],
        *rest: str,
    ) -> None: ...

    words = ['names=["a"]', 'tags=["b"]', 'pair=["c","d"]', 'by={"e":1}', 'gap=["PT1S"]', 'rest=["r"]', 'named="q"']
    values = bind_words(read_signature(files), [*words, 'either=["f"]'])
    assert values == {
        "names": ["a"],
        "tags": {"b"},
        "pair": ("c", "d"),
        "by": {"e": 1},
        "gap": [datetime.timedelta(seconds=1)],
        "either": ["f"],
        "named": '"q"',
        "rest": ["r"],
    }
    assert bind_words(read_signature(files), [*words, "either=[draft] x"])["either"] == "[draft] x"
    with pytest.raises(ArgumentError, match="names: expected list"):
        bind_words(read_signature(files), ["names=a", *words[1:], "either=x"])


def test_bind_words_types_the_arguments() -> None:
    """Words are read by the annotations."""
    values = bind_words(read_signature(charge), ['order={"id":7}', "day=2026-02-03", "note=5"])
    assert values == {"order": Order(7), "day": datetime.date(2026, 2, 3), "note": "5"}


def test_bind_reports_all_faults_at_once() -> None:
    """Unknown, missing and ill-typed arguments are named together."""
    with pytest.raises(ArgumentError) as caught:
        bind_words(read_signature(charge), ["ordr=1", "day=tomorrow"])
    message = str(caught.value)
    assert "did you mean 'order'" in message
    assert "missing: order (Order)" in message
    assert "expected date, got 'tomorrow'" in message
    with pytest.raises(ArgumentError, match=r"order\.id"):
        bind_json(read_signature(charge), {"order": {"id": "x"}})


def test_example_is_accepted_by_the_signature_it_is_made_from() -> None:
    """What a form would show first can be sent as it is."""
    sig = read_signature(charge)
    assert bind_json(sig, make_example(sig))["order"] == Order(1)
    assert make_arguments_schema(sig)["required"] == ["order"]


def test_schema_states_which_texts_are_instants_and_times_of_day() -> None:
    """So a form has a picker and an example is accepted; an instant that may have no zone is no "date-time"."""
    bare = Annotated[datetime.datetime, msgspec.Meta(tz=False)]

    def step(at: datetime.datetime, until: datetime.datetime | None, clock: datetime.time, wall: bare) -> None: ...  # type: ignore[valid-type]

    sig = read_signature(step)
    properties = make_arguments_schema(sig)["properties"]
    assert [properties[name].get("format") for name in ("at", "clock", "wall")] == ["date-time", "time", None]
    assert properties["until"] == {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
    example = {**make_example(sig), "wall": "2026-01-05T03:00:00"}
    assert bind_json(sig, example)["clock"] == datetime.time(3)


def test_signature_takes_unresolvable_annotations_as_any() -> None:
    """A name that exists only for type checkers does not spoil the other annotations."""

    def step(a: "Nowhere", b: "int") -> "Nowhere": ...  # type: ignore[name-defined,empty-body]  # noqa: F821

    sig = read_signature(step)
    assert [p.annotation for p in sig.parameters] == [Any, int]


class Options(TypedDict, total=False):
    """Options that msgspec cannot tell apart."""

    data: bytes | str
    check: Callable[[], None]


def test_unpacked_options_are_saved_as_json() -> None:
    """Options of a TypedDict that JSON cannot represent constrain nothing; those that it can are typed."""

    def send(url: str, **options: Unpack[Options]) -> None: ...

    sig = read_signature(send)
    data = encode_call(sig, ("a",), {"data": "b"})
    assert decode_call(sig, data) == (("a",), {"data": "b"})


def test_a_union_that_json_cannot_distinguish_is_read_as_its_first_fitting_member() -> None:
    """`str | Path` is ordinary: it is bound, described and saved, the first member that fits wins."""

    def keep(place: str | Path) -> Path:
        return Path(place)

    sig = read_signature(keep)
    assert bind_words(sig, ["place=/srv"]) == bind_json(sig, {"place": "/srv"}) == {"place": "/srv"}
    assert make_arguments_schema(sig)["properties"]["place"] == {"description": "any JSON"}
    assert roundtrip_result(sig, Path("/srv")) == (b'"/srv"', Path("/srv"))


def test_bytes_that_would_become_text_are_refused() -> None:
    """A step with `str | bytes` would write base64 in place of the bytes; where bytes are annotated they are exact."""

    def write(content: str | bytes) -> None: ...

    def store(content: bytes) -> None: ...

    with pytest.raises(ValueRefusedError, match=r"bytes would become text in base64\nat \$\.content"):
        roundtrip_call(read_signature(write), (b"x",), {})
    assert roundtrip_call(read_signature(write), ("x",), {})[1] == ("x",)
    assert roundtrip_call(read_signature(store), (b"x",), {})[1] == (b"x",)
