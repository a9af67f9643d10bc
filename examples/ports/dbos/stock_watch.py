"""DBOS's "cron starter": a scheduled workflow watches a price, and sends one alert for each day.

Try it:

    mainspring auto next stock-watch -m examples/ports/dbos/stock_watch.py
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def fetch_price(symbol: str) -> int:
    """Represents a stock exchange."""
    return 100 + len(symbol)


def alert(symbol: str, day: str, cents: int) -> None:
    """Send the alert. `ms.once` sends it once for each symbol and day, whatever run wants it."""
    ms.once(f"alert:{symbol}:{day}", post, f"alert {symbol} at {cents}", keyed=True)


@ms.workflow(name="stock-watch", cron="*/15 9-17 * * mon-fri", tz="America/New_York", misfire="none")
async def stock_watch(run: ms.Run, symbol: str = "ACME", limit: int = 100) -> int:
    """Check the price. `run.slot` is the scheduled time that DBOS passes to the function."""
    cents = await run.step(fetch_price, symbol)
    if cents > limit:
        due = run.slot or run.now()
        await run.step(alert, symbol, due.date().isoformat(), cents)
    return cents
