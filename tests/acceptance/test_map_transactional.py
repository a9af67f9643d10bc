"""A fan-out of transactional steps: one transaction an item, each effect there once."""

import asyncio
from pathlib import Path

import apsw

import mainspring as ms


@ms.step(delivery="transactional")
def put(tx: ms.Tx, number: int) -> int:
    if number == 3:
        raise ms.Permanent("three is refused")
    tx.execute("insert into numbers values (?)", (number,))
    return number * 2


@ms.workflow(name="put-numbers")
async def put_numbers(run: ms.Run) -> list[int | None]:
    done = await run.map(put, range(6), concurrency=2, on_error="collect")
    return [value if isinstance(value, int) else None for value in done]


def test_map_gives_each_item_a_transaction_of_its_own(tmp_path: Path) -> None:
    """The items are the arguments behind `tx`; one that fails rolls back alone."""
    target = tmp_path / "target.db"
    database = apsw.Connection(str(target))
    database.execute("create table numbers (number integer primary key)")
    app = ms.App(tmp_path / "store.db", databases={"default": target})

    async def work() -> list[int | None]:
        async with app.running():
            result: list[int | None] = await (await app.start(put_numbers)).result(30)
            return result

    assert asyncio.run(work()) == [0, 2, 4, None, 8, 10]
    assert [row[0] for row in database.execute("select number from numbers order by 1")] == [0, 1, 2, 4, 5]
    database.close()
