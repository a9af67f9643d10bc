"""The normal form of what errors say."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainspring.domain.failures.error_normalizer import MAX_NORMALIZED_LENGTH, normalize_error

_PARTS = st.sampled_from(
    [
        "'",
        '"',
        "`",
        "…",
        " ",
        "\n",
        "/",
        "//",
        "://",
        "a",
        "ab",
        "1",
        "22",
        ".",
        ":",
        "::",
        "-",
        "@",
        "=(",
        ")",
        "x y",
        "s",
        "0x1f",
        "Jan ",
        "2026-01-05",
        "T03:00",
        "http",
        "\\x1b[",
        "m",
        "b'",
        "DETAIL:",
        "input_value=",
        ", input_type=",
        "…[+",
        " characters]",
        "\\\\",
        "~/",
        "%",
    ]
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("took 3.2 s, then 15 ms, of 2 minutes", "took …, then …, of …"),
        ("1 retry left", "… retry left"),
        ("2 retries left", "… retry left"),
        ("run r_01h9z3abcdq7 of 7f9c24e8-3b12-4fef-91d0-1d2b3c4d5e6f at 0x7f3a9c", "run … of … at …"),
        ("cannot read /srv/data/2026/x.csv: gone", "cannot read …: gone"),
        (r"cannot read C:\Users\ana\x.csv, gone", "cannot read …, gone"),
        ("cannot read data/2026/x.csv and/or application/json", "cannot read … and/or application/json"),
        (
            "for url 'https://ana:pw@api.shop.org:8443/v1/customers/812?page=3#x'",
            "for url https://api.shop.org/…/customers/…",
        ),
        ("host db-3.internal:5432 from 10.0.0.12:51022 or fe80::1%eth0", "host db-….internal:… from … or …"),
        ("2026-01-05T03:00:00.123+00:00 or Mon, 05 Jan 2026 03:00:00 GMT or 2026-01-05", "… or … or …"),
        ("mail to ana.b@shop.example refused", "mail to … refused"),
        ("key 'a' \"b\" `c d` b'd' don't", "key … don't"),
        ("Expected `int`, got `str` - at `$.rows[3].age`", "Expected `int`, got `str` - at `$.rows[…].age`"),
        (r"\x1b[31mERROR\x1b[0m: no", "ERROR: no"),
        ("expected [1, 2, 3], got ['a', 'b']", "expected […], got […]"),
        ("duplicate key\nDETAIL:  Key (id)=(3) exists.\nagain", "duplicate key again"),
        ("it's what Ana's script doesn't", "it's what Ana's script doesn't"),
        ("a\n\n  b\t c ", "a b c"),
    ],
)
def test_normal_text_takes_out_what_differs_each_time(text, expected):
    """Each kind of varying part becomes a gap, and the words around it stay."""
    assert normalize_error(text) == expected


def test_normal_text_keeps_names_where_they_are_the_cause():
    """A column or module in quotes stays if asked for; data in quotes does not."""
    text = "column \"email\" of 'shop.users' has 'ana b' in it"
    assert normalize_error(text, names=True) == "column \"email\" of 'shop.users' has … in it"
    assert normalize_error(text) == "column … of … has … in it"


@given(st.one_of(st.text(max_size=200), st.lists(_PARTS, max_size=40).map("".join)), st.booleans())
@example("'x'y 'z' 5'x'", False)
@example("'a' b' c 'd", True)
def test_normal_text_is_its_own_normal_form(text, names):
    """Doing it twice changes nothing; the result is one bounded line."""
    once = normalize_error(text, names=names)
    assert normalize_error(once, names=names) == once
    assert len(once) <= MAX_NORMALIZED_LENGTH
    assert "\n" not in once


@pytest.mark.parametrize(
    "part",
    [
        "'",
        "a/",
        "1.",
        "1,",
        ":",
        "a@",
        "Jan 1 ",
        "input_value=",
        "=(",
        "x://",
        "0-",
        "…",
        "' ",
        "ab1",
        "\\x1b[",
        "\nDETAIL:",
        "1 aaas-",
    ],
)
def test_normal_text_takes_linear_time(part):
    """Text made to be slow to read is not: five times as much takes not much more than five times as long."""

    def measure(length: int) -> float:
        text = (part * length)[:length]
        return min(_timed(text) for _ in range(3))

    assert measure(15_000) < 14 * measure(3_000) + 0.01


def _timed(text: str) -> float:
    started = time.thread_time()
    normalize_error(text)
    return time.thread_time() - started
