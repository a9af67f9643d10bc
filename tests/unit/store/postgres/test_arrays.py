"""Lists as parameters: what is sent is what the server has."""

import struct

import pytest

from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.arrays import blobs, columns, numbers, texts
from mainspring.store.postgres.connection import connect

_ASK = "select value from unnest(cast($1 as {kind}[])) as requested(value)"


@pytest.fixture(scope="module")
def connection(postgres):
    with connect(read_address(postgres.new_store())) as opened:
        yield opened


@pytest.mark.parametrize(
    ("kind", "make", "values"),
    [
        ("text", texts, ["", "a", None, 'née "{,}" \\', "NULL", "x" * 70_000]),
        ("text", texts, []),
        ("bigint", numbers, [0, -1, None, 2**63 - 1, -(2**63), True]),
        ("bigint", numbers, []),
        ("bytea", blobs, [b"", b"\0\xff", None, bytes(range(256))]),
        ("bytea", blobs, [None]),
    ],
)
def test_array_reaches_the_server_as_it_is(connection, kind, make, values):
    """Each value comes back, in its place."""
    rows = connection.execute(_ASK.format(kind=kind), (make(values),)).fetchall()
    assert [row[0] for row in rows] == values


def test_columns_are_transposed_rows(connection):
    """A letter for each column says what it holds."""
    rows = [("a", 1, b"x"), ("b", None, None)]
    text = "select * from unnest(cast($1 as text[]), cast($2 as bigint[]), cast($3 as bytea[]))"
    assert connection.execute(text, columns("tnb", rows)).fetchall() == rows
    with pytest.raises(ValueError, match="zip"):
        columns("tn", rows)


def test_value_that_no_row_can_hold_is_refused_before_it_is_sent():
    """Half a character, a number that is too large."""
    with pytest.raises(UnicodeEncodeError):
        texts(["\ud800"])
    with pytest.raises(struct.error):
        numbers([2**63])
