"""What a door took in: a fact from outside, before anybody decides what follows from it."""

import msgspec

from mainspring.domain.ids import hash_parts


class IncomingDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message, request or file.

    `key` = the id under which it counts once for its trigger (1 to 1,000 printable characters). `body` = the bytes as they came.
    `data` = JSON of what a run is given of it, where that is not the body itself. `headers` have lower-case names. `name` = the kind
    of event that its sender states ("push"), "" where there is none. `partition` = arrivals of one partition start runs that go one
    after the other. `redelivered` = how often its broker says that it gave it out before. `was_kept` = it was kept somewhere until it was
    taken in, as files and messages are, and not sent to us just now; `stays` = it is still kept there, as files are. `happened_at` = since
    when (ms), None where that is not known.
    """

    key: str
    body: bytes
    data: bytes | None = None
    headers: dict[str, str] = {}
    name: str = ""
    partition: str | None = None
    redelivered: int = 0
    was_kept: bool = False
    stays: bool = False
    happened_at: int | None = None

    @property
    def body_hash(self) -> str:
        """What two arrivals of one key must share."""
        return hash_parts(self.body)

    @property
    def json(self) -> bytes:
        """The JSON of what a run is given."""
        return self.body if self.data is None else self.data
