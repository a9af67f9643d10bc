"""All brokers by the scheme of their addresses, one line for each, and queues by name.

A step names a queue as "BROKER/QUEUE", with BROKER from the configuration, or by a whole address. Invariant: an accepted name holds no
password, so it may be stored and shown as it is.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from mainspring.domain.errors import ArgumentError, ConfigError, MainspringError, OptionError, UnknownNameError
from mainspring.domain.extras import install_command
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.text.printable_key import MAX_KEY_LENGTH
from mainspring.domain.triggers.queues.queue_address import BrokerServer, QueueAddress
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.integrations.base.broker import BrokerClient, QueueSource
from mainspring.integrations.base.queue_address import QueueAddressParts, quote_part

BROKERS = {
    **dict.fromkeys(("nats", "tls"), "nats"),
    **dict.fromkeys(("amqp", "amqps"), "amqp"),
    **dict.fromkeys(("redis", "rediss", "valkey", "valkeys"), "redis"),
    "sqs": "sqs",
    **dict.fromkeys(("postgresql", "postgres"), "postgres"),
}
"""The module of each scheme: its `BROKER` is imported when an address names it."""
_BROKER_NAME = lazy_pattern(r"[a-z][a-z0-9_-]{0,39}")
_HINT = 'Write "NAME/QUEUE", with NAME = "nats://..." under [brokers] in mainspring.toml, or a whole address.'
_LONGEST = 2_000


def find_broker(scheme: str) -> BrokerClient:
    """Return the broker of a scheme. Raises KeyError if there is none."""
    broker: BrokerClient = import_module(f"mainspring.integrations.{BROKERS[scheme]}").BROKER
    return broker


def read_queue_address(url: object) -> QueueAddress:
    """Parse the address of a queue.

    Raises:
        OptionError: it is invalid, or has a password in it, which is not repeated.
        UnknownNameError: it has a parameter that this broker does not know.
    """
    if not isinstance(url, str) or len(url) > _LONGEST or not is_plain_line(url):
        raise OptionError("the address of a queue is one line of text", hint=_list_forms())
    broker = _find_broker_of(url)
    return broker.read_address(QueueAddressParts.of(url, broker.form, accepts_token=broker.accepts_token))


def parse_broker_queue(url: str, **options: Any) -> BrokerQueue:
    """Return a queue with the options of `BrokerQueue.of`. Raises as it does, and as `read_queue_address`."""
    return BrokerQueue.of(read_queue_address(url), **options)


def open_source(queue: BrokerQueue, server: BrokerServer, group: str | None) -> QueueSource:
    """Return the source of this queue, not yet connected. `group` = the reading group, None to publish only.

    Raises:
        ConfigError: the library for this broker is not installed.
    """
    broker = find_broker(server.scheme)
    try:
        return broker.open_source(queue, server, group)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("mainspring"):
            raise
        raise ConfigError(
            f"the queue {queue.name!r} on {queue.broker} needs {missing.name}, which is not installed",
            hint=install_command(broker.extra),
        ) from missing


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
            _find_broker_of(queue).check_target(read_queue_address(queue))
        except MainspringError as error:
            raise ArgumentError(f"no message can be sent there: {error.message}", hint=error.hint) from None
        return
    name, _, rest = queue.partition("/")
    if not rest or not _BROKER_NAME.fullmatch(name):
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
    if not _BROKER_NAME.fullmatch(name):
        raise OptionError(
            f"{escape(name, 60)!r} cannot name a broker", hint="Use lower-case letters, digits, _ and -, at most 40."
        )


def check_broker_url(url: str) -> None:
    """Do nothing if this may be the address of a broker. Raises OptionError, UnknownNameError."""
    broker = _find_broker_of(url)
    if broker.queue_parameter and f"{broker.queue_parameter}=" in url.partition("?")[2]:
        raise OptionError("the address of a broker names no queue", hint="Leave it out: each message has its own.")
    broker.check_target(read_queue_address(broker.join_address(url, broker.example)))


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
    return _find_broker_of(brokers[name]).join_address(brokers[name], rest)


def _find_broker_of(url: str) -> BrokerClient:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in BROKERS:
        start = f"{scheme}://" if separator else "://"
        raise OptionError(f"no broker is spoken to by {quote_part(start, 23)}", hint=_list_forms())
    return find_broker(scheme)


def _list_forms() -> str:
    forms = dict.fromkeys(find_broker(scheme).form for scheme in BROKERS)
    return "Write one of\n" + "\n".join(f"  {form}" for form in forms)
