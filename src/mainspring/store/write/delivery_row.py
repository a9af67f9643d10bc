"""The row of a delivery, as insert_delivery takes it."""

from typing import NamedTuple


class InsertedDelivery(NamedTuple):
    """A delivery in the order of the statement's parameters; `at` = when it was received (ms). Body, data and headers
    are sealed.

    `variant` = '' if the delivery holds its key, else the hash of its body: another body may still be accepted under
    the key.
    """

    id: str
    trigger: str
    key: str
    state: str
    note: str | None = None
    filtered: int = 0
    name: str = ""
    body_hash: str | None = None
    body: bytes | None = None
    data: bytes | None = None
    headers: bytes | None = None
    source: str | None = None
    by_key: str = ""
    verified: str | None = None
    run: str | None = None
    due_at: int | None = None
    replay_of: str | None = None
    redelivered: int = 0
    variant: str = ""
    at: int = 0
