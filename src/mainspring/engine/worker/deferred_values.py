"""Deferred values: a command may hold values that are sealed later, when the codec answers or a thread has put them into a bucket."""

from typing import Any

import msgspec
from msgspec.structs import replace

from mainspring.domain.errors import CodecUnavailableError, SealedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.values.sealing import Sealing, drop_failure_text
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.runs import StartRun


class UnsealedValue:
    """A value that waits for the codec, in the place of its sealed form. No database accepts it."""

    __slots__ = ("data", "is_inline", "is_text", "sealed")

    def __init__(self, data: bytes, *, is_text: bool = False, is_inline: bool = False) -> None:
        self.data = data
        self.is_text = is_text
        self.is_inline = is_inline
        self.sealed: bytes | None = None
        """Its sealed form, if another value of its command still waits: a large one is put once."""


def run_of(command: StoreCommand[object]) -> str | None:
    """Return the run whose order of commands this one keeps: the start of a child is a command of its parent."""
    if isinstance(command, StartRun):
        return None if command.parent is None else command.parent.run
    return getattr(command, "run", None)


def holds_unsealed(value: Any) -> bool:
    """Return whether a command, or a part of one, has a value that waits."""
    if isinstance(value, UnsealedValue):
        return True
    if isinstance(value, msgspec.Struct):
        return any(holds_unsealed(getattr(value, name)) for name in value.__struct_fields__)
    return isinstance(value, tuple) and any(holds_unsealed(item) for item in value)


def seal_waiting(value: Any, sealing: Sealing) -> Any:
    """Return the value with each waiting part sealed. Raises SealedError."""
    if isinstance(value, UnsealedValue):
        if value.is_text:
            return sealing.seal_text(value.data.decode("utf-8", "surrogatepass"))
        if value.sealed is None:
            value.sealed = sealing.seal_inline(value.data) if value.is_inline else sealing.seal(value.data)
        value = value.sealed
    if isinstance(value, bytes):
        return value if sealing.large is None else sealing.large.renew(value)
    if isinstance(value, Failure) and isinstance(value.sealed, UnsealedValue):
        return _seal_failure(value, sealing)
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        sealed = {name: seal_waiting(field, sealing) for name, field in fields.items()}
        return replace(value, **{name: field for name, field in sealed.items() if field is not fields[name]})
    if isinstance(value, tuple) and holds_unsealed(value):
        return tuple(seal_waiting(item, sealing) for item in value)
    return value


def _seal_failure(failure: Failure, sealing: Sealing) -> Failure:
    """Return the failure sealed, or without its text if waiting cannot help: its kind and code are written all the same."""
    try:
        return replace(failure, sealed=seal_waiting(failure.sealed, sealing))
    except CodecUnavailableError:
        raise
    except SealedError as error:
        return drop_failure_text(failure, error)
