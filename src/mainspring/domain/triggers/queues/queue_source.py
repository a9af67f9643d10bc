"""The queue of a broker as a source of runs: its address and how it is read, as data that workers announce and consumers use."""

import re
from datetime import timedelta
from typing import Any, ClassVar

from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import OptionError
from mainspring.domain.ids import hash_parts
from mainspring.domain.redaction.secret_name import list_references
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.triggers.header_template import normalize_template
from mainspring.domain.triggers.queues.queue_address import QueueAddress
from mainspring.domain.triggers.trigger_source import TriggerSource
from mainspring.domain.values.option_readers import choice_reader, integer_reader

QUEUE_TEMPLATE_FIELDS = ("id", "subject", "group", "headers", "body")
"""Fields that templates of a queue may use."""
BODY_FORMATS = ("json", "text", "bytes")
_GROUP = lazy_pattern(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
_NON_GROUP_CHARACTER = lazy_pattern(r"[^A-Za-z0-9_-]+", re.ASCII)
_LONGEST_GROUP = 60
_SHORTEST_WAIT, _LONGEST_WAIT = timedelta(seconds=1), timedelta(hours=12)


class BrokerQueue(TriggerSource, frozen=True, kw_only=True, tag="queue"):
    """One queue, stream or table.

    `server` may name secrets, never hold them. `detail` = the subject (NATS), endpoint (SQS) or channel (PostgreSQL). `group` = the name
    under which the broker stores the read position, "" for `mainspring-AUTOMATION`. At most `prefetch` messages are held at once, each for
    `ack_wait` before the broker redelivers it. A message that was refused `max_deliveries` times is set aside. `key` and
    `partition` are templates over FIELDS; without `key` the message's own id is the key. `body` = how bytes become the input of a run.
    """

    required_options: ClassVar[tuple[str, ...]] = ("url",)
    further_options: ClassVar[tuple[str, ...]] = (
        *("group", "prefetch", "ack_wait", "max_deliveries", "key", "body", "partition"),
    )
    is_fetched: ClassVar[bool] = True

    broker: str
    server: str
    name: str
    detail: str = ""
    group: str = ""
    prefetch: int = 100
    ack_wait: timedelta = timedelta(seconds=30)
    max_deliveries: int = 5
    partition: str | None = None
    key: str | None = None
    body: str = "json"

    @classmethod
    def of(
        cls,
        address: QueueAddress,
        *,
        group: str = "",
        prefetch: int = 100,
        ack_wait: Any = "30s",
        max_deliveries: int = 5,
        partition: str | None = None,
        key: str | None = None,
        body: str = "json",
    ) -> "BrokerQueue":
        """Return the queue at an address.

        Raises:
            OptionError: a value cannot be used.
            UnknownNameError: a template has an unknown name.
        """
        if group != "" and not (isinstance(group, str) and _GROUP.fullmatch(group)):
            raise OptionError(
                f"{repr(group)[:90]} cannot name a group of consumers", hint="Use letters, digits, _ and -, at most 80."
            )
        return cls(
            broker=address.broker,
            server=address.server,
            name=address.name,
            detail=address.detail,
            group=group,
            prefetch=integer_reader(1, 10_000)(prefetch),
            ack_wait=_read_ack_wait(ack_wait),
            max_deliveries=integer_reader(1, 1_000)(max_deliveries),
            partition=None
            if partition is None
            else normalize_template(partition, QUEUE_TEMPLATE_FIELDS, option="partition"),
            key=None if key is None else normalize_template(key, QUEUE_TEMPLATE_FIELDS, option="key"),
            body=choice_reader(*BODY_FORMATS)(body),
        )

    def group_of(self, automation: str) -> str:
        """Return the name by which the broker knows the consumers of this automation."""
        if self.group:
            return self.group
        plain = _NON_GROUP_CHARACTER.sub("_", automation)
        if plain != automation or len(plain) > _LONGEST_GROUP:
            plain = f"{plain[:_LONGEST_GROUP]}-{hash_parts(automation.encode())[:8]}"
        return f"mainspring-{plain}"

    def describe(self) -> str:
        return f"queue {self.label}"

    def secret_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(list_references(self.server)))

    @property
    def secrets(self) -> list[str]:
        """The names of the secrets that its address needs."""
        return list_references(self.server)

    @property
    def label(self) -> str:
        """The queue in one line; it contains only names of secrets."""
        at = " ".join(part for part in (self.name, self.detail) if part)
        return f"{at} at {self.server}"


def _read_ack_wait(value: Any) -> timedelta:
    """Read how long a message is held: within the bounds of every broker."""
    span = parse_duration(value)
    if not _SHORTEST_WAIT <= span <= _LONGEST_WAIT or span % timedelta(seconds=1):
        raise OptionError(f"ack_wait of {value!r} is not possible", hint="Write whole seconds, from 1s to 12h.")
    return span
