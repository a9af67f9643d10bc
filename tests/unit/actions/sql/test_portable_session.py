"""Databases through SQLAlchemy: the same results with statements that each of them has, on SQLite and PostgreSQL."""

import threading
from pathlib import Path

import pytest

from mainspring.actions import sql
from mainspring.domain.errors import ArgumentError, ConfigError
from tests.unit.actions.sql.conftest import Shop

pytest.importorskip("sqlalchemy")
VALUE = "value_that_no_error_shows"


@pytest.fixture
def url(shop: Shop) -> str:
    """The address of the shop as SQLAlchemy writes it."""
    if not shop.is_server:
        return shop.url.replace("sqlite:", "sqlite+pysqlite:")
    address, _, schema = shop.url.partition("?schema=")
    return f"{address.replace('postgresql:', 'postgresql+psycopg:')}?options=-csearch_path%3D{schema}"


def test_actions_do_the_same(url: str, shop: Shop) -> None:
    """Each of them, twice."""
    assert sql.insert_once(url, "orders", {"id": 7, "state": "open", "note": "keep"}, key="id")
    assert not sql.insert_once(url, "orders", {"id": 7, "state": "other"}, key="id")
    for _ in range(2):
        sql.upsert(url, "orders", {"id": 8, "state": "new"}, key="id")
        sql.upsert(url, "Odd Names", {"a b": 1}, key="a b")
    paid = [
        sql.update_where(url, "orders", {"state": "paid"}, where={"id": 7}, expect={"state": "open"}) for _ in range(2)
    ]
    assert paid == [sql.RowUpdate(1, 0), sql.RowUpdate(0, 1)]
    rows = [{"id": number, "state": "loaded"} for number in range(8, 13)]
    for _ in range(2):
        assert sql.bulk_load(url, "orders", rows, key="id", chunk=2).rows == 5
    assert sql.query(url, "select state, note from orders where id = :id", {"id": 7}) == [
        {"state": "paid", "note": "keep"}
    ]
    assert shop.rows("select count(*) from orders where state = 'loaded'") == [(5,)]


def test_insert_once_of_many_calls_at_once_is_one(url: str) -> None:
    """Exactly one of them returns True."""
    results: list[bool] = []

    def insert() -> None:
        results.append(sql.insert_once(url, "orders", {"id": 1, "state": "x"}, key="id"))

    threads = [threading.Thread(target=insert) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 5 + [True]


def test_query_changes_nothing(url: str, shop: Shop) -> None:
    """It is rolled back; parameters need names."""
    sql.query(url, "insert into orders (id, state) values (1, 'x')")
    assert shop.rows("select count(*) from orders") == [(0,)]
    with pytest.raises(ArgumentError, match="need names"):
        sql.query(url, "select 1", [1])


@pytest.mark.parametrize(
    ("table", "values", "message"),
    [
        ("no_table", {"id": 1, "state": VALUE}, "no_table"),
        ("orders", {"id": 1, "nope": VALUE}, "nope"),
        ("orders", {"id": 1, "state": VALUE, "total": -1}, "(?i)check"),
        ("orders", {"id": 1, "note": VALUE}, "(?i)not null"),
    ],
)
def test_error_names_table_and_no_value(table: str, values: dict[str, object], message: str, url: str) -> None:
    """As with the native libraries."""
    with pytest.raises(sql.SqlActionError, match=message) as caught:
        sql.insert_once(url, table, values, key="id")
    assert table in str(caught.value)
    assert VALUE not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mysql+pymysql://ann:secret_password@host/db", "needs pymysql"),
        ("nosuch://ann:secret_password@host/db", "cannot be read"),
        ("mysql+nosuch://ann:secret_password@host:x/db", "cannot be read"),
    ],
)
def test_address_that_cannot_be_used(address: str, message: str, tmp_path: Path) -> None:
    """The fix is there, the password is not."""
    with pytest.raises(ConfigError, match=message) as caught:
        sql.query(address, "select 1")
    assert "secret_password" not in str(caught.value)
    assert caught.value.hint
