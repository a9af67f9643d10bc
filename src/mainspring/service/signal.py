"""Sending a message to one run."""

from typing import Any

from mainspring.domain.codec import encode
from mainspring.domain.journal import FactKind
from mainspring.domain.sealing import PLAIN, Sealing
from mainspring.service.actor import Act
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.inbox import Deliver


def signal(store: Store, run: str, name: str, value: Any = None, *, act: Act, sealing: Sealing = PLAIN) -> None:
    """Give a run a message; it takes it in with `run.receive(name)`, now or later.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it has ended.
        ValueRefusedError: the value cannot be saved.
    """
    payload = sealing.seal(encode(value, what=f"signal {name}", limit=sealing.limit))
    command = Deliver(run, FactKind.SIGNAL, name, source=act.command, payload=payload)
    perform(store, act, "signal", f"run:{run}", command, {"signal": name})
