"""DBOS's Debouncer: many requests of one key in a short time are one run, with the newest input.

Try it:

    mainspring run index-page -m examples/ports/dbos/debouncer.py page=home text=new
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


@ms.task(name="index-page", debounce="1s", debounce_within="10s", per="{page}")
def index_page(page: str, text: str) -> str:
    """Wait for a second without a request; at most ten seconds."""
    post(f"index {page}: {text}")
    return text
