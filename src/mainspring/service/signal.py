"""Sending a message to one run."""

from typing import Any

from mainspring.domain.codec import Codec, JsonCodec, encode
from mainspring.domain.journal import FactKind
from mainspring.service.actor import Act
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.inbox import Deliver

_JSON = JsonCodec()


def signal(store: Store, run: str, name: str, value: Any = None, *, act: Act, codec: Codec = _JSON) -> None:
    """Give a run a message; it takes it in with `run.receive(name)`, now or later.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it has ended.
        ValueRefusedError: the value cannot be saved.
    """
    payload = codec.encode(encode(value, what=f"signal {name}"))
    command = Deliver(run, FactKind.SIGNAL, name, source=act.command, payload=payload)
    perform(store, act, "signal", f"run:{run}", command, {"signal": name})
