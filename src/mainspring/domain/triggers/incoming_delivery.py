"""An incoming delivery: an external fact, before any decision on it."""

import msgspec

from mainspring.domain.ids import hash_parts


class IncomingDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message, request or file.

    `key` = the id under which it counts once for its trigger (1 to 1,000 printable characters). `body` = the received bytes.
    `data` = the JSON that a run gets, if that is not the body itself. `headers` have lower-case names. `name` = the kind
    of event that its sender states ("push"), "" if there is none. `partition` = deliveries of one partition start runs that go one
    after the other. `redelivered` = how often its broker delivered it before. `was_stored` = it was stored elsewhere before, as files and
    messages are, and not sent just now; `stays` = it is still stored there, as files are. `happened_at` = since when (ms), None if
    unknown.
    """

    key: str
    body: bytes
    data: bytes | None = None
    headers: dict[str, str] = {}
    name: str = ""
    partition: str | None = None
    redelivered: int = 0
    was_stored: bool = False
    stays: bool = False
    happened_at: int | None = None

    @property
    def body_hash(self) -> str:
        """The hash that two deliveries of one key must share."""
        return hash_parts(self.body)

    @property
    def json(self) -> bytes:
        """The JSON that a run gets."""
        return self.body if self.data is None else self.data
