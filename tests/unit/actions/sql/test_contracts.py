"""SQL actions keep the contract of actions, on both databases."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mainspring.testing import ActionContract
from tests.unit.actions.kills import check_contract
from tests.unit.actions.sql import sql_steps
from tests.unit.actions.sql.conftest import Shop

pytestmark = pytest.mark.slow


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
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed before and after the commit of each statement, too."""
    monkeypatch.setenv(sql_steps.PLACE, shop.url)
    (tmp_path / "store").mkdir()
    contract = ActionContract(
        action,
        args=lambda number: [number],
        effects=effects(shop),
        failpoints=("sql.changed", "sql.committed"),
    )
    check_contract(contract, tmp_path / "store", repeats=2)
    assert contract.kills >= 5
