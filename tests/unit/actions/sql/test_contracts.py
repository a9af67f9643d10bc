"""SQL actions keep the contract of actions, on both databases."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mainspring.actions import sql
from mainspring.testing import ActionContract
from tests.unit.actions.kills import check_contract
from tests.unit.actions.sql import sql_steps
from tests.unit.actions.sql.conftest import Shop

PASSWORD = "canary-51c8-of-the-shop"
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _place(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address of the shop, with a password if it is a server."""
    monkeypatch.setenv(sql_steps.PLACE, shop.url.replace("mainspring@", "mainspring:{secret:SHOP}@"))
    monkeypatch.setenv("MAINSPRING_SECRET_SHOP", PASSWORD)


def count_row(shop: Shop, state: str) -> Callable[[int], int]:
    return lambda number: shop.rows(f"select count(*) from orders where id = {number} and state = '{state}'")[0][0]


def count_load(shop: Shop) -> Callable[[int], int]:
    """One effect if all rows of the load are there."""
    text = "select count(*) from orders where id >= {} and id < {}"
    return lambda number: shop.rows(text.format(number * 100, number * 100 + 100))[0][0] // sql_steps.ROWS_OF_LOAD


@pytest.mark.parametrize(
    ("action", "effects"),
    [
        (sql_steps.insert, lambda shop: count_row(shop, "open")),
        (sql_steps.upsert, lambda shop: count_row(shop, "paid")),
        (sql_steps.load, count_load),
    ],
    ids=["insert_once", "upsert", "bulk_load"],
)
def test_action_keeps_the_contract(
    action: Callable[..., object],
    effects: Callable[[Shop], Callable[[int], int]],
    shop: Shop,
    tmp_path: Path,
) -> None:
    """Killed before and after the commit of each statement, too."""
    (tmp_path / "store").mkdir()
    contract = ActionContract(
        action,
        args=lambda number: [number],
        effects=effects(shop),
        failpoints=("sql.changed", "sql.committed"),
        secrets=[PASSWORD],
    )
    check_contract(contract, tmp_path / "store")


def test_update_keeps_the_contract(shop: Shop, tmp_path: Path) -> None:
    """Killed between its statements; the row that it does not name stays as it was."""

    def args(number: int) -> list[int]:
        for key in (0, number):
            shop.execute(f"insert into orders (id, state) values ({key}, 'open') on conflict do nothing")
        return [number]

    (tmp_path / "store").mkdir()
    contract = ActionContract(
        sql_steps.update,
        args=args,
        effects=count_row(shop, "paid"),
        lines_of=sql.update_where,
        secrets=[PASSWORD],
    )
    check_contract(contract, tmp_path / "store")
    assert count_row(shop, "open")(0) == 1
