"""Queue names of steps: "BROKER/NAME", with BROKER from the configuration, or a whole address.

Invariant: an accepted name holds no password, so it may be stored and shown as it is.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

from mainspring.domain.errors import ArgumentError, ConfigError, MainspringError, OptionError, UnknownNameError
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.domain.text.printable_key import MAX_KEY_LENGTH
from mainspring.domain.triggers.queues.queue_address import (
    Broker,
    QueueAddress,
    is_single_subject,
    quote_part,
    read_queue_address,
)

_BROKER = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_HINT = 'Write "NAME/QUEUE", with NAME = "nats://..." under [brokers] in mainspring.toml, or a whole address.'
_QUEUE_PARAMETERS = {Broker.AMQP: "queue", Broker.REDIS: "stream", Broker.POSTGRESQL: "table", Broker.NATS: "subject"}
"""The parameter of an address that names the queue."""


def check_queue_name(queue: str) -> None:
    """Do nothing if a message can be sent there.

    Raises:
        ArgumentError: it is no name of a queue; it names several; it contains a password.
    """
    if not isinstance(queue, str) or not (0 < len(queue) <= MAX_KEY_LENGTH and is_plain_line(queue)):
        quoted = quote_part(queue) if isinstance(queue, str) else escape(repr(queue), 80)
        raise ArgumentError(f"{quoted} is not a queue", hint=_HINT)
    if "://" in queue:
        try:
            _check_single_queue(read_queue_address(queue))
        except MainspringError as error:
            raise ArgumentError(f"no message can be sent there: {error.message}", hint=error.hint) from None
        return
    name, _, rest = queue.partition("/")
    if not rest or not _BROKER.fullmatch(name):
        raise ArgumentError(f"{quote_part(queue)} is not a queue", hint=_HINT)


def check_broker(name: str, url: str) -> None:
    """Do nothing if a broker can have this name and address.

    Raises:
        OptionError, UnknownNameError: it cannot.
    """
    check_broker_name(name)
    check_broker_url(url)


def check_broker_name(name: str) -> None:
    """Do nothing if this may be the name of a broker. Raises OptionError."""
    if not _BROKER.fullmatch(name):
        raise OptionError(
            f"{escape(name, 60)!r} cannot name a broker", hint="Use small letters, digits, _ and -, at most 40."
        )


def check_broker_url(url: str) -> None:
    """Do nothing if this may be the address of a broker. Raises OptionError, UnknownNameError."""
    if any(f"{parameter}=" in url.partition("?")[2] for parameter in _QUEUE_PARAMETERS.values()):
        raise OptionError("the address of a broker names no queue", hint="Leave it out: each message has its own.")
    _check_single_queue(read_queue_address(join_queue_address(url, "x/x" if _has_no_stream(url) else "x")))


def resolve_queue_address(queue: str, brokers: Mapping[str, str]) -> str:
    """Return the whole address of a queue.

    Raises:
        ConfigError: its broker is not configured here.
    """
    if "://" in queue:
        return queue
    name, _, rest = queue.partition("/")
    if name not in brokers:
        unknown = UnknownNameError("broker", name, brokers)
        raise ConfigError(
            unknown.message,
            hint=unknown.hint or f'Name it in mainspring.toml: [brokers], then {name} = "nats://HOST:4222/STREAM".',
        )
    return join_queue_address(brokers[name], rest)


def join_queue_address(broker: str, rest: str) -> str:
    """Return the address of the queue `rest` on a broker. On NATS without a stream `rest` is STREAM/SUBJECT."""
    server, separator, query = broker.partition("?")
    server = server.rstrip("/")
    kind = server.partition("://")[0]
    if kind == "sqs":
        return f"{server}/{rest}{separator}{query}"
    parameter = {"amqp": "queue", "amqps": "queue", "postgresql": "table", "postgres": "table"}.get(kind, "stream")
    if kind in ("nats", "tls"):
        parameter = "subject"
        if _has_no_stream(broker):
            stream, _, rest = rest.partition("/")
            server = f"{server}/{stream}"
    return f"{server}?{query}{'&' if query else ''}{parameter}={quote(rest, safe='')}"


def _has_no_stream(broker: str) -> bool:
    kind, _, rest = broker.partition("?")[0].rstrip("/").partition("://")
    return kind in ("nats", "tls") and "/" not in rest


def _check_single_queue(address: QueueAddress) -> None:
    if address.broker is Broker.NATS and not (address.detail and is_single_subject(address.detail)):
        raise OptionError(
            f"the address lacks the one subject of the messages for the stream {address.name!r}",
            hint="Write nats://HOST:4222/STREAM?subject=SUBJECT",
        )
