"""SQL actions as steps: the place of the database is in the environment, as it is for a worker."""

import os
from collections.abc import Iterator
from typing import Annotated, Any

import mainspring as ms
from mainspring.actions import sql

PLACE = "EXAMPLE_DATABASE"
ROWS_OF_LOAD = 7


def place() -> str:
    return os.environ[PLACE]


@ms.step
def insert(number: int) -> bool:
    """One row for each number."""
    row = {"id": number, "state": "open"}
    return sql.insert_once(place(), "orders", row, key="id")


@ms.step
def upsert(number: int) -> None:
    """The same row again."""
    row = {"id": number, "state": "paid"}
    sql.upsert(place(), "orders", row, key="id")


@ms.step
def update(number: int) -> int:
    """A row, if it still has its old state."""
    return sql.update_where(
        place(), "orders", {"state": "paid"}, where={"id": number}, expect={"state": "open"}
    ).changed


def rows_of(number: int) -> Iterator[dict[str, Any]]:
    for index in range(ROWS_OF_LOAD):
        yield {"id": number * 100 + index, "state": "open"}


@ms.step
def load(number: int) -> int:
    """In chunks of two rows."""
    rows = rows_of(number)
    return sql.bulk_load(place(), "orders", rows, key="id", chunk=2).rows


@ms.step(delivery="transactional")
def insert_in_transaction(tx: Annotated[ms.Tx, "shop"], fails: bool) -> list[Any]:
    """All actions in one transaction."""
    first = sql.insert_once(tx, "orders", {"id": 1, "state": "open"}, key="id")
    again = sql.insert_once(tx, "orders", {"id": 1, "state": "open"}, key="id")
    sql.upsert(tx, "orders", {"id": 2, "state": "open"}, key="id")
    update = sql.update_where(tx, "orders", {"state": "paid"}, where={"id": 1}, expect={"state": "open"})
    loaded = sql.bulk_load(tx, "orders", rows_of(1), key="id", chunk=3)
    if fails:
        raise ms.Permanent("as ordered")
    return [first, again, update.changed, loaded.rows, sql.query(tx, "select count(*) as n from orders")[0]["n"]]
