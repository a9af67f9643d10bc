"""Handlers of messages in a body: functions that its code registers for updates and queries."""

import inspect
from collections.abc import Callable, Container
from typing import Any, NamedTuple

from mainspring.domain.errors import OptionError, ValueRefusedError
from mainspring.domain.runs.outbox import NOT_IN_HANDLER_NAMES
from mainspring.domain.values.codec import decode
from mainspring.domain.values.function_signature import Signature, read_signature


class MessageHandler(NamedTuple):
    """A function of the value of a message, or of nothing. `noun` = the kind of message.

    A message without a value has the default of the parameter, if there is one and its type does not allow None.
    """

    noun: str
    name: str
    function: Callable[..., Any]
    signature: Signature
    validate: Callable[..., Any] | None = None

    def read(self, data: bytes | None) -> tuple[Any, ...]:
        """Return the arguments of the function. Raises ValueRefusedError: the value does not fit its type."""
        data = b"null" if data is None else data
        for parameter in self.signature.parameters:
            try:
                return (decode(data, annotation=parameter.annotation, value_name=f"{self.noun} {self.name}"),)
            except ValueRefusedError:
                if data != b"null" or parameter.is_required:
                    raise
                return (parameter.default,)
        if data != b"null":
            raise ValueRefusedError(f"{self.noun} {self.name}", "$", "its handler takes no value")
        return ()


def make_handler(
    noun: str,
    name: str,
    function: Callable[..., Any],
    known_names: Container[str],
    validate: Callable[..., Any] | None = None,
) -> MessageHandler:
    """Return the handler of a name.

    Raises:
        OptionError: the name or the function cannot be used, or the name has a handler already.
    """
    call = f"run.on_{noun}({name!r})"
    if not name or not name.isprintable() or NOT_IN_HANDLER_NAMES & set(name):
        raise OptionError(f"{call}: this cannot be a name", hint="Use letters, digits and _ - . : only.")
    if name in known_names:
        raise OptionError(f"{call}: the run has a handler of this name already")
    signature = _read_message_signature(call, "the handler", function)
    if validate is not None:
        if inspect.iscoroutinefunction(validate):
            raise OptionError(f"{call}: validate= is `async def`", hint="A check only reads: write `def`.")
        checked = _read_message_signature(call, "validate=", validate)
        if len(checked.parameters) != len(signature.parameters):
            raise OptionError(f"{call}: validate= must have the same parameters as the handler")
    return MessageHandler(noun, name, function, signature, validate)


def _read_message_signature(call: str, role: str, function: Callable[..., Any]) -> Signature:
    """Return the signature of a function of one value or of none. Raises OptionError."""
    if not callable(function):
        raise OptionError(f"{call}: {role} is no function, but {function!r}")
    signature = read_signature(function)
    if len(signature.parameters) > 1 or any(
        parameter.name not in signature.positional for parameter in signature.parameters
    ):
        raise OptionError(
            f"{call}: {role} has other parameters than one value, or none",
            hint="A message carries one value: give the function one parameter, such as a dataclass.",
        )
    return signature
