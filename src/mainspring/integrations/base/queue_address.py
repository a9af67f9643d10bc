"""The address of a queue, one URL for each broker, as text: its parts, and checks that never repeat a password.

    SCHEME://[USER:{secret:NAME}@]HOST[:PORT][,HOST...][/PATH][?PARAMETER=VALUE&...]

Invariant: an accepted address holds only names of secrets.
"""

import re
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.redaction.secret_name import SECRET_REFERENCE, SET_SECRET_HINT, fill_references, list_references
from mainspring.domain.text.escaping import escape, is_plain_line
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.text.server_url import explain_unreadable_url
from mainspring.domain.triggers.queues.queue_address import BrokerServer

_USERINFO = lazy_pattern(
    rf"(?P<user>{SECRET_REFERENCE.pattern}|[^:{{}}]*)(?::(?P<password>{SECRET_REFERENCE.pattern})?)?", re.ASCII
)
_URL = lazy_pattern(
    r"(?P<scheme>[a-z]+)://(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]*)(?:/(?P<path>[^?#]*))?(?:\?(?P<query>[^#]*))?"
)


class QueueAddressParts(msgspec.Struct, frozen=True):
    """The parts of an address as they are written; `server` = the URL without its query. `form` = an example, for hints.

    All methods raise OptionError for an invalid part.
    """

    form: str
    server: str
    hosts: str
    path: str
    query: str
    noun: str = "queue"

    @classmethod
    def of(cls, url: str, form: str, *, accepts_token: bool, noun: str = "queue") -> "QueueAddressParts":
        """Split an address. `accepts_token` = a secret may be the whole user information; `noun` = what it is the address of."""
        _reject_password(url, accepts_token=accepts_token, noun=noun)
        match = _URL.fullmatch(url)
        problem = explain_unreadable_url(url)
        if match is None or problem is not None:
            reason = problem or "there is text after it"
            raise OptionError(f"the address of the {noun} cannot be read: {reason}", hint=f"Write {form}")
        return cls(form, url.partition("?")[0], match["hosts"], match["path"] or "", match["query"] or "", noun)

    def invalid(self, problem: str) -> OptionError:
        """Return the error for an invalid part."""
        return OptionError(problem, hint=f"Write {self.form}")

    def parameters(self, *known: str) -> dict[str, str]:
        """Return the parameters, each name once. Raises UnknownNameError for one that is not known."""
        parameters: dict[str, str] = {}
        for key, value in parse_qsl(self.query, keep_blank_values=True):
            if key not in known:
                if _may_hold_password(key):
                    raise self.invalid(f"the address of the {self.noun} has a parameter that is none of this broker's")
                raise UnknownNameError(f"parameter in the address of a {self.noun}", escape(key, 80), known)
            if key in parameters or not value:
                problem = "twice" if key in parameters else "without a value"
                raise self.invalid(f"the address of the {self.noun} has {key}= {problem}")
            parameters[key] = value
        return parameters

    def check_host(self) -> None:
        """Refuse an address without a host."""
        if not self.hosts:
            raise self.invalid(f"the address of the {self.noun} names no host")

    def check_path(self, pattern: re.Pattern[str]) -> None:
        """Refuse a path that leads nowhere on this broker."""
        if not pattern.fullmatch(self.path):
            raise self.invalid(
                f"{quote_part('/' + self.path)} is not valid for this {'broker' if self.noun == 'queue' else self.noun}"
            )

    def check_name(self, name: str, pattern: re.Pattern[str]) -> None:
        """Refuse what cannot be the name of a queue."""
        if not name:
            raise self.invalid("the address of the queue does not name the queue")
        if not is_plain_line(name) or not pattern.fullmatch(name):
            raise self.invalid(f"{quote_part(name)} is not a valid name")

    def check_detail(self, detail: str, pattern: re.Pattern[str]) -> None:
        """Refuse a subject, endpoint or channel that cannot be one."""
        if detail and not pattern.fullmatch(detail):
            raise self.invalid(f"{quote_part(detail)} is not valid in the address of a queue")


def resolve_server(server: str, secret: Callable[[str], str]) -> BrokerServer:
    """Return the address with the values of its secrets, parsed and as a whole, encoded as a URL.

    Raises:
        ConfigError: `secret` does not know one of them.
    """
    values = {name: secret(name) for name in list_references(server)}
    parts = _URL.fullmatch(server)
    userinfo = _USERINFO.fullmatch((parts["user"] if parts else None) or "")
    assert parts is not None and userinfo is not None, "the address was read before"

    def resolve(text: str | None) -> str:
        match = SECRET_REFERENCE.fullmatch(text or "")
        return values[match[1]] if match else unquote(text or "")

    return BrokerServer(
        scheme=parts["scheme"],
        user=resolve(userinfo["user"]),
        password=resolve(userinfo["password"]),
        hosts=[_read_host(host) for host in parts["hosts"].split(",")],
        path=unquote(parts["path"] or ""),
        url=fill_references(server, values.__getitem__),
    )


def append_parameter(url: str, parameter: str, value: str) -> str:
    """Return an address with one more parameter."""
    server, _, query = url.partition("?")
    return f"{server.rstrip('/')}?{query}{'&' if query else ''}{parameter}={quote(value, safe='')}"


def quote_part(text: str, limit: int = 80) -> str:
    """Return a part of what should be an address, for an error; not repeated if a password may be in it."""
    return "what stands there" if _may_hold_password(text) else repr(escape(text, limit))


def _read_host(text: str) -> tuple[str, int]:
    """Return a host, without the brackets of IPv6, and its port."""
    bracketed = text.endswith("]") or ":" not in text
    host, _, port = (text, "", "") if bracketed else text.rpartition(":")
    return host.strip("[]"), int(port or 0)


def _may_hold_password(text: str) -> bool:
    """Return whether it may contain a user and a password, in front of an `@` that may be written %40, or twice so."""
    return "@" in unquote(unquote(text))


def _reject_password(url: str, *, accepts_token: bool, noun: str) -> None:
    """Refuse a URL with a password; searched up to the last `@`, because a password may contain anything."""
    user, at, _ = url.partition("://")[2].rpartition("@")
    if not at:
        return
    userinfo = _USERINFO.fullmatch(user)
    is_token = accepts_token and userinfo is not None and userinfo["password"] is None
    if userinfo is None or (is_token and not SECRET_REFERENCE.fullmatch(userinfo["user"])):
        raise OptionError(
            f"the address of the {noun} has a password or token in it, which would be stored and shown",
            hint="Write the name of a secret in its place: "
            f"{url.partition('://')[0]}://{'' if is_token else 'USER:'}{{secret:NAME}}@HOST. {SET_SECRET_HINT} "
            "An @ elsewhere is written %40.",
        )
