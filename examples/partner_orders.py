"""A file of a partner, fetched by SFTP and loaded into a database; each order counts once, also if the file comes again.

    export MAINSPRING_SECRET_PARTNER=...        # the password
    mainspring run partner-orders -m examples/partner_orders.py source=sftp://ann@files.example.com/out/orders.csv

Teaches: a download that is complete or absent; a server whose key is checked; a load in chunks by a unique key.
"""

import csv
import os
from pathlib import Path

import mainspring as ms
from mainspring.actions import sftp, sql

DATABASE = os.environ.get("ORDERS_DATABASE", "sqlite:///orders.db")
HOST_KEY = os.environ.get("PARTNER_HOST_KEY")


def fetch(source: str) -> str:
    """Get the file; return its path."""
    known = {} if HOST_KEY is None else {"host_key": HOST_KEY}
    return sftp.get(source, Path("incoming", "orders.csv"), make_folders=True, password="secret:PARTNER", **known).path


def load(path: str) -> int:
    """Load the orders; return how many the file has."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return sql.bulk_load(DATABASE, "orders", csv.DictReader(file), key="number").rows


@ms.workflow(name="partner-orders", owner="you")
async def partner_orders(run: ms.Run, source: str) -> int:
    """Fetch the file of the partner and load it."""
    path = await run.step(fetch, source)
    return await run.step(load, path)
