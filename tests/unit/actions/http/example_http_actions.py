"""Requests to the target of the tests: one for each way in which an unknown outcome is settled."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mainspring as ms
from mainspring.actions import http
from mainspring.actions.http import transport

WARM = transport
"""Imported here, because each case of the contract is forked from a process that has imported this file."""
BASE = "EXAMPLE_HTTP_TARGET"
FOLDER = "EXAMPLE_HTTP_FOLDER"
SECRET = "tok_9f3b61c7aa52d0e4"
ENVIRONMENT = {"MAINSPRING_SECRET_ORDERS": SECRET}
ALLOW = ["127.0.0.1"]


def base() -> str:
    """The address of the target."""
    return os.environ[BASE]


def find(number: int) -> Any:
    """Ask the target."""
    reply = http.get(f"{base()}/orders/{number}", expect=(200, 404), allow=ALLOW)
    return reply if reply.status == 200 else None


def keyed(number: int) -> http.HttpReply:
    """The target removes duplicates."""
    body = {"number": number}
    return http.post(
        f"{base()}/orders?dedupes=1", json=body, once=f"k:{number}", keyed=True, allow=ALLOW, bearer="secret:ORDERS"
    )


async def keyed_async(number: int) -> http.HttpReply:
    """The same, async, and in a step without a key of its own."""
    body = {"number": number}
    return await http.request_async("POST", f"{base()}/orders?dedupes=1", json=body, keyed=True, allow=ALLOW)


def checked(number: int) -> http.HttpReply:
    """The target can be asked."""
    body = {"number": number}
    return http.post(
        f"{base()}/orders", json=body, once=f"c:{number}", check=lambda: find(number), allow=ALLOW, auth="secret:ORDERS"
    )


def unchecked(number: int) -> http.HttpReply:
    """A person decides."""
    body = {"number": number}
    return http.post(f"{base()}/orders", json=body, once=f"u:{number}", allow=ALLOW)


def ensured(number: int) -> http.HttpReply:
    """Created if GET does not find it."""
    order = {"number": number}
    return http.ensure(
        get=f"{base()}/orders/{number}", create=("POST", f"{base()}/orders?of={number}", order), allow=ALLOW
    )


def downloaded(number: int) -> str:
    """A file at a path."""
    path = Path(os.environ[FOLDER]) / f"{number}.bin"
    http.download(f"{base()}/file?{number}", path, allow=ALLOW, bearer="secret:ORDERS")
    return str(path)


def fetch_allowed(url: str) -> int:
    """A call that only the configuration of the project allows."""
    return http.get(f"{url}/echo").status


def order_in_threads(base: str) -> list[int]:
    """Order from several threads, each attempt in another order, as fast threads may."""
    numbers = [1, 2, 3, 4] if ms.attempt() == 1 else [4, 3, 2, 1]

    def order(number: int) -> int:
        body = {"number": number}
        return int(http.post(f"{base}/orders", json=body, allow=["127.0.0.1"]).json()["number"])

    with ThreadPoolExecutor(1) as pool:
        orders = [pool.submit(order, number) for number in numbers]
    return [future.result() for future in orders]


def download_big() -> None:
    """For a process that is killed: `python -m` this module."""
    http.download(f"{base()}/file", Path(os.environ[FOLDER]) / "big.bin", allow=ALLOW, timeout="60s")


if __name__ == "__main__":
    download_big()
