"""Views as plain JSON data."""

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.states import RunState
from mainspring.domain.values.plain_json import LATEST_INSTANT, format_iso, to_plain_json
from mainspring.domain.values.sealing import Sealing

START = 1_767_582_900_000  # 2026-01-05 03:15:00 UTC


class Row(msgspec.Struct):
    """A view."""

    made_at: int | None
    paused_until: int
    fires_at: int
    byte_count: int = msgspec.field(name="size")
    value: bytes | None
    state: RunState
    parts: list["Row"] = []


class MixedForms:
    """A codec that keeps values the other way round."""

    id = "turned"

    def encode(self, data: bytes) -> bytes:
        return data[::-1]

    def decode(self, data: bytes) -> bytes:
        return data[::-1]


def test_iso_has_milliseconds():
    """JSON's instants are exact."""
    assert format_iso(START + 120) == "2026-01-05T03:15:00.120Z"


def test_view_is_reported_by_the_names_and_kinds_of_its_fields():
    """Instants as text, values as what they are, states as their word, parts like the whole."""
    inner = Row(None, START, START, 2, None, RunState.FAILED)
    plain = to_plain_json(Row(START, START, START, 1, b'{"a":[1]}', RunState.QUEUED, [inner]))
    when = "2026-01-05T03:15:00.000Z"
    assert plain["made_at"] == plain["paused_until"] == plain["fires_at"] == when
    assert (plain["size"], plain["value"], plain["state"]) == (1, {"a": [1]}, "queued")
    assert plain["parts"] == [
        {
            "made_at": None,
            "paused_until": when,
            "fires_at": when,
            "size": 2,
            "value": None,
            "state": "failed",
            "parts": [],
        }
    ]


def test_values_that_are_no_json_are_reported_as_they_can_be():
    """Spans and paths as text, sealed values by their codec, other bytes as base64."""
    assert to_plain_json({"for": timedelta(minutes=5), "file": Path("/a"), "x": b"\xff"}) == {
        "for": "5m", "file": "/a", "x": {"base64": "/w=="},
    }  # fmt: skip
    assert to_plain_json(Sealing(MixedForms()).seal(b"12")) == {"sealed": "turned", "base64": "MjE="}


@given(st.integers(-62_135_596_800_000, LATEST_INSTANT - 1))
def test_iso_matches_the_calendar(at):
    """Of the first year as of the last, before 1970 as after."""
    plain = datetime(1970, 1, 1) + timedelta(milliseconds=at)  # noqa: DTZ001 - it is reported without a zone
    assert format_iso(at) == f"{plain.isoformat(timespec='milliseconds')}Z"


@given(st.integers(LATEST_INSTANT, 2**63 - 1))
def test_instant_that_no_calendar_reaches_is_reported_all_the_same(at):
    """A run may sleep so long, and stands in lists with others."""
    assert format_iso(at) == "9999-01-01T00:00:00.000Z"
    assert to_plain_json({"due_at": at, "x": 1}) == {"due_at": "9999-01-01T00:00:00.000Z", "x": 1}
