"""The address of a queue as data. It holds only names of secrets, so it may be stored and shown as it is."""

import re

import msgspec

from mainspring.domain.redaction.secret_name import SECRET_NAME
from mainspring.domain.text.lazy_pattern import lazy_pattern

SECRET_REFERENCE = lazy_pattern(rf"\{{secret:({SECRET_NAME.pattern})\}}", re.ASCII)
"""The name of a secret in an address, where its value is needed."""


class QueueAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed URL: `server` = the address of the broker, `name` = stream, queue or table there, `detail` = the other details."""

    broker: str
    server: str
    name: str
    detail: str = ""


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


def list_secrets(server: str) -> list[str]:
    """Return the names of the secrets in an address."""
    return [match[1] for match in SECRET_REFERENCE.finditer(server)]
