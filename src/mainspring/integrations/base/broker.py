"""The protocol of brokers: how a kind of broker reads the address of a queue and opens a connection to it."""

from collections.abc import Sequence
from typing import Protocol

from mainspring.domain.triggers.queues.queue_address import BrokerServer, QueueAddress
from mainspring.domain.triggers.queues.queue_message import QueueMessage
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.integrations.base.queue_address import QueueAddressParts, append_parameter


class QueueSource(Protocol):
    """One connection to one queue. After any exception the connection is not used again: `close` it and open another one.

    This reader owns a message until it is acknowledged, given back or set aside, or until `ack_wait` is over since it was fetched or
    kept; then the broker delivers it again.
    """

    async def connect(self) -> None:
        """Connect, and join the group if there is one. Raises ConfigError for errors that only a person can fix."""
        ...

    async def fetch(self, limit: int) -> list[QueueMessage]:
        """Return up to `limit` messages, oldest first; wait some seconds for the first one."""
        ...

    async def keep(self, messages: Sequence[QueueMessage]) -> None:
        """Hold messages for another `ack_wait`."""
        ...

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        """Acknowledge messages: the broker never delivers them again."""
        ...

    async def give_back(self, message: QueueMessage, after_s: float) -> None:
        """Let the broker deliver a message again, after a delay if it supports one."""
        ...

    async def dead_letter(self, message: QueueMessage, reason: str) -> None:
        """Remove a message that was not accepted from the queue: to the broker's dead letter queue, if it has one."""
        ...

    async def publish(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        """Send a message, and return when the broker has stored it. Two messages with one key count once, if the broker supports that.

        Raises:
            ValueRefusedError: this broker does not accept such a message; a retry cannot help.
            Exception: it is unknown whether the broker has it: send it again under the same key.
        """
        ...

    async def close(self) -> None:
        """Close the connection; an unreachable broker is no error."""
        ...


class BrokerClient(Protocol):
    """One kind of broker.

    `name` = what stored queues and people call it. `form` = an example of an address, for hints. `extra` = the extra with its library.
    `queue_parameter` = the parameter of an address that names the queue ("" = none), `example` = a queue that every broker of this kind may
    have. `accepts_token` = its addresses may have a secret as the whole user information.
    """

    name: str
    form: str
    extra: str
    queue_parameter: str
    example: str = "x"
    accepts_token: bool = False

    def read_address(self, parts: QueueAddressParts) -> QueueAddress:
        """Return the address. Raises OptionError or UnknownNameError by the methods of `parts`."""
        ...

    def join_address(self, url: str, queue: str) -> str:
        """Return the address of a queue on a broker of `[brokers]`."""
        return append_parameter(url, self.queue_parameter, queue)

    def check_target(self, address: QueueAddress) -> None:
        """Do nothing if messages can be sent to this queue. Raises OptionError."""
        del address  # whatever can be named can be sent to

    def open_source(self, queue: BrokerQueue, server: BrokerServer, group: str | None) -> QueueSource:
        """Return the source of this queue, not yet connected. `group` = the reading group, None to publish only.

        Raises:
            ModuleNotFoundError: the library for this broker is not installed.
        """
        ...
