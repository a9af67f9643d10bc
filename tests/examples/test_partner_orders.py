"""The orders of a partner: fetched from a real SSH server, loaded once for each number."""

import contextlib

import apsw

from tests.examples.lab import Lab
from tests.unit.actions.sftp.sftp_server import PASSWORD, serving_sftp


def test_orders_that_come_again_count_once(lab: Lab) -> None:
    """The second file has a new order and an old one with another sum."""
    database = lab.folder / "orders.db"
    with contextlib.closing(apsw.Connection(str(database))) as raw:
        raw.execute("create table orders (number text primary key, cents text)")
    with serving_sftp(lab.folder / "server") as server:
        lab.env |= {
            "PARTNER_HOST_KEY": server.known_key,
            "MAINSPRING_SECRET_PARTNER": PASSWORD,
            "ORDERS_DATABASE": f"sqlite:///{database}",
        }
        counts = []
        for rows in ("7,100", "7,120\n8,300"):
            (server.folder / "orders.csv").write_text(f"number,cents\n{rows}\n")
            counts.append(lab.run("partner_orders.py", "partner-orders", f"source={server.address('orders.csv')}"))
    with contextlib.closing(apsw.Connection(str(database))) as raw:
        found = raw.execute("select number, cents from orders order by number").fetchall()
    assert (counts, found) == ([1, 2], [("7", "120"), ("8", "300")])
