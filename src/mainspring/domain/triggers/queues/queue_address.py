"""The address of a queue as data. It holds only names of secrets, so it may be stored and shown as it is."""

import msgspec


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
