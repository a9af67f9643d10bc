"""The address of a queue, one URL for each broker, as text: parsed, checked, and never with a password in it.

    nats://HOST:4222/STREAM?subject=orders.created
    amqp://USER:{secret:RABBIT}@HOST:5672/VHOST?queue=orders
    redis://HOST:6379/0?stream=orders
    sqs://eu-west-1/orders.fifo?endpoint=http://127.0.0.1:5000
    postgresql://USER:{secret:SHOP_DB}@HOST:5432/DATABASE?table=outbox&channel=outbox

Invariant: an accepted address holds only names of secrets, so it may be stored and shown as it is.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.redaction.secret_name import SECRET_NAME
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.text.server_url import explain_unreadable_url


class Broker(StrEnum):
    """The broker that stores the messages."""

    NATS = "nats"
    """A stream of NATS JetStream."""
    AMQP = "amqp"
    """A queue of RabbitMQ, or of another broker that speaks AMQP 0-9-1."""
    REDIS = "redis"
    """A stream of Redis or Valkey."""
    SQS = "sqs"
    """A queue of Amazon SQS."""
    POSTGRESQL = "postgresql"
    """A table of the user's, with notifications as a hint."""


QUEUE_ADDRESS_FORMS = {
    Broker.NATS: "nats://HOST:4222/STREAM?subject=SUBJECT",
    Broker.AMQP: "amqp://USER:{secret:NAME}@HOST:5672/VHOST?queue=QUEUE",
    Broker.REDIS: "redis://HOST:6379/0?stream=STREAM",
    Broker.SQS: "sqs://REGION/QUEUE",
    Broker.POSTGRESQL: "postgresql://USER:{secret:NAME}@HOST:5432/DATABASE?table=TABLE",
}
_SCHEMES = {
    "nats": Broker.NATS,
    "tls": Broker.NATS,
    "amqp": Broker.AMQP,
    "amqps": Broker.AMQP,
    **dict.fromkeys(("redis", "rediss", "valkey", "valkeys"), Broker.REDIS),
    "sqs": Broker.SQS,
    "postgresql": Broker.POSTGRESQL,
    "postgres": Broker.POSTGRESQL,
}
_PARAMETERS = {
    Broker.NATS: {"subject"},
    Broker.AMQP: {"queue"},
    Broker.REDIS: {"stream"},
    Broker.SQS: {"endpoint"},
    Broker.POSTGRESQL: {"table", "channel"},
}
_LIBPQ_PARAMETERS = {
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "connect_timeout",
    "target_session_attrs",
    "passfile",
}
_SECRET = lazy_pattern(rf"\{{secret:({SECRET_NAME.pattern})\}}", re.ASCII)
_USERINFO = lazy_pattern(rf"(?P<user>{_SECRET.pattern}|[^:{{}}]*)(?::(?P<password>{_SECRET.pattern})?)?", re.ASCII)
_URL = lazy_pattern(
    r"(?P<scheme>[a-z]+)://(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]*)(?:/(?P<path>[^?#]*))?(?:\?(?P<query>[^#]*))?"
)
_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_$]{0,62}"
_NAMES = {
    Broker.NATS: lazy_pattern(r"[^\s.*>/\\]{1,255}"),
    Broker.AMQP: lazy_pattern(r".{1,255}"),
    Broker.REDIS: lazy_pattern(r".{1,500}"),
    Broker.SQS: lazy_pattern(r"(?:[0-9]{12}/)?[A-Za-z0-9_-]{1,80}(?:\.fifo)?", re.ASCII),
    Broker.POSTGRESQL: lazy_pattern(rf"(?:{_IDENTIFIER}\.)?{_IDENTIFIER}", re.ASCII),
}
_PATHS = {
    Broker.AMQP: lazy_pattern(r"[^/]*"),
    Broker.REDIS: lazy_pattern(r"[0-9]{0,4}", re.ASCII),
    Broker.POSTGRESQL: lazy_pattern(r"[^/]+"),
}
_CHANNEL = lazy_pattern(_IDENTIFIER, re.ASCII)
_SUBJECT = lazy_pattern(r"[^\s.]+(?:\.[^\s.]+)*")
_ENDPOINT = lazy_pattern(r"https?://[^\s/?#@%]+/?")
_REGION = lazy_pattern(r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}", re.ASCII)
_LONGEST = 2_000


class QueueAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed URL: `server` = the address of the broker, `name` = stream, queue or table there, `detail` = the other details."""

    broker: Broker
    server: str
    name: str
    detail: str = ""


def read_queue_address(url: object) -> QueueAddress:
    """Parse the address of a queue.

    Raises:
        OptionError: it is invalid, or has a password in it, which is not repeated.
        UnknownNameError: it has a parameter that this broker does not know.
    """
    if not isinstance(url, str) or len(url) > _LONGEST or not is_plain_line(url):
        raise OptionError("the address of a queue is one line of text", hint=_list_forms())
    broker = _SCHEMES.get(url.partition("://")[0])
    if broker is None or "://" not in url:
        start = f"{url.partition('://')[0]}://" if "://" in url else "://"
        raise OptionError(f"no broker is spoken to by {quote_part(start, 23)}", hint=_list_forms())
    _reject_password(url, broker)
    parts = _URL.fullmatch(url)
    problem = explain_unreadable_url(url)
    if parts is None or problem is not None:
        raise _invalid_address(
            broker, f"the address of the queue cannot be read: {problem or 'there is text after it'}"
        )
    parameters = _read_parameters(broker, parts["query"] or "")
    path = parts["path"] or ""
    name = {
        Broker.NATS: unquote(path),
        Broker.SQS: unquote(path),
        Broker.AMQP: parameters.get("queue", ""),
        Broker.REDIS: parameters.get("stream", ""),
        Broker.POSTGRESQL: parameters.get("table", ""),
    }[broker]
    _check_parts(broker, parts["hosts"], path, name)
    server = url.partition("?")[0]
    if broker in (Broker.NATS, Broker.SQS):
        server = server.removesuffix("/" + path)
    libpq_query = "&".join(f"{key}={quote(value)}" for key, value in parameters.items() if key in _LIBPQ_PARAMETERS)
    return QueueAddress(
        broker=broker,
        server=f"{server}?{libpq_query}" if libpq_query else server,
        name=name,
        detail=_read_detail(broker, parameters, name),
    )


class BrokerServer(msgspec.Struct, frozen=True, kw_only=True):
    """The connection to a broker, with its secrets: never stored and never shown. `hosts` = (host, port), 0 for the usual port."""

    scheme: str
    user: str
    password: str
    hosts: list[tuple[str, int]]
    path: str
    url: str

    def __repr__(self) -> str:
        return f"<Server {self.hosts}>"


def resolve_server(server: str, secret: Callable[[str], str]) -> BrokerServer:
    """Return the address with the values of its secrets, parsed and as a whole, encoded as a URL.

    Raises:
        ConfigError: `secret` does not know one of them.
    """
    values = {name: secret(name) for name in list_secrets(server)}
    parts = _URL.fullmatch(server)
    userinfo = _USERINFO.fullmatch((parts["user"] if parts else None) or "")
    assert parts is not None and userinfo is not None, "the address was read before"

    def resolve(text: str | None) -> str:
        match = _SECRET.fullmatch(text or "")
        return values[match[1]] if match else unquote(text or "")

    return BrokerServer(
        scheme=parts["scheme"],
        user=resolve(userinfo["user"]),
        password=resolve(userinfo["password"]),
        hosts=[_read_host(host) for host in parts["hosts"].split(",")],
        path=unquote(parts["path"] or ""),
        url=_SECRET.sub(lambda match: quote(values[match[1]], safe=""), server),
    )


def _read_host(text: str) -> tuple[str, int]:
    """Return a host, without the brackets of IPv6, and its port."""
    bracketed = text.endswith("]") or ":" not in text
    host, _, port = (text, "", "") if bracketed else text.rpartition(":")
    return host.strip("[]"), int(port or 0)


def list_secrets(server: str) -> list[str]:
    """Return the names of the secrets in an address."""
    return [match[1] for match in _SECRET.finditer(server)]


def is_single_subject(subject: str) -> bool:
    """Return whether this is the one subject of a message, not a pattern for several."""
    return not {"*", ">"} & set(subject.split("."))


def quote_part(text: str, limit: int = 80) -> str:
    """Return a part of what should be an address, for an error; not repeated if a password may be in it."""
    return "what stands there" if _may_hold_password(text) else repr(escape(text, limit))


def _may_hold_password(text: str) -> bool:
    """Return whether it may contain a user and a password, in front of an `@` that may be written %40, or twice so."""
    return "@" in unquote(unquote(text))


def _reject_password(url: str, broker: Broker) -> None:
    """Refuse a URL with a password; searched up to the last `@`, because a password may contain anything."""
    user, at, _ = url.partition("://")[2].rpartition("@")
    if not at:
        return
    userinfo = _USERINFO.fullmatch(user)
    is_token = broker is Broker.NATS and userinfo is not None and userinfo["password"] is None
    if userinfo is None or (is_token and not _SECRET.fullmatch(userinfo["user"])):
        raise OptionError(
            "the address of the queue has a password or token in it, which would be stored and shown",
            hint="Set it as a secret, MAINSPRING_SECRET_NAME, and write its name in its place: "
            f"{url.partition('://')[0]}://{'' if is_token else 'USER:'}{{secret:NAME}}@HOST."
            " An @ elsewhere is written %40.",
        )


def _read_parameters(broker: Broker, query: str) -> dict[str, str]:
    """Return the parameters after the `?`, each name once and known."""
    known = _PARAMETERS[broker] | (_LIBPQ_PARAMETERS if broker is Broker.POSTGRESQL else set())
    parameters: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in known:
            if _may_hold_password(key):
                raise _invalid_address(broker, "the address of the queue has a parameter that is none of this broker's")
            raise UnknownNameError("parameter in the address of a queue", escape(key, 80), known)
        if key in parameters or not value:
            raise _invalid_address(
                broker, f"the address of the queue has {key}= {'twice' if key in parameters else 'without a value'}"
            )
        parameters[key] = value
    return parameters


def _check_parts(broker: Broker, hosts: str, path: str, name: str) -> None:
    """Refuse parts that cannot lead to a queue."""
    if not hosts and broker is not Broker.POSTGRESQL:
        raise _invalid_address(
            broker, "the address of the queue names no host" if broker is not Broker.SQS else "it names no region"
        )
    if broker is Broker.SQS and not _REGION.fullmatch(hosts):
        raise _invalid_address(broker, f"{quote_part(hosts)} is not the name of a region")
    if broker in _PATHS and not _PATHS[broker].fullmatch(path):
        raise _invalid_address(broker, f"{quote_part('/' + path)} is not valid for this broker")
    if not name:
        raise _invalid_address(broker, "the address of the queue does not name the queue")
    if not is_plain_line(name) or not _NAMES[broker].fullmatch(name):
        raise _invalid_address(broker, f"{quote_part(name)} is not a valid name")


def _read_detail(broker: Broker, parameters: dict[str, str], name: str) -> str:
    """Return the subject, endpoint or channel."""
    match broker:
        case Broker.NATS:
            detail, form = parameters.get("subject", ""), _SUBJECT
        case Broker.SQS:
            detail, form = parameters.get("endpoint", ""), _ENDPOINT
        case Broker.POSTGRESQL:
            detail, form = parameters.get("channel", name.rpartition(".")[2]), _CHANNEL
        case _:
            return ""
    if detail and not form.fullmatch(detail):
        raise _invalid_address(broker, f"{quote_part(detail)} is not valid in the address of a queue")
    return detail


def _invalid_address(broker: Broker, problem: str) -> OptionError:
    return OptionError(problem, hint=f"Write {QUEUE_ADDRESS_FORMS[broker]}")


def _list_forms() -> str:
    return "Write one of\n" + "\n".join(f"  {form}" for form in QUEUE_ADDRESS_FORMS.values())
