"""Handlers of messages in a body: functions that its code registers for updates and queries."""

from collections.abc import Callable, Container
from typing import Any, NamedTuple

from mainspring.domain.errors import OptionError, ValueRefusedError
from mainspring.domain.values.codec import decode
from mainspring.domain.values.function_signature import Signature, read_signature

_NOT_IN_NAMES = frozenset("#/[]%")


class MessageHandler(NamedTuple):
    """A function of the value of a message, or of nothing. `noun` = the kind of message.

    A message without a value leaves it to the default of the parameter, if there is one.
    """

    noun: str
    name: str
    function: Callable[..., Any]
    signature: Signature
    validate: Callable[..., Any] | None = None

    def read(self, data: bytes | None) -> tuple[Any, ...]:
        """Return the arguments of the function. Raises ValueRefusedError: the value does not fit its type."""
        data = b"null" if data is None else data
        parameters = self.signature.parameters
        if data == b"null" and parameters and not parameters[0].is_required:
            return ()
        if parameters:
            return (decode(data, annotation=parameters[0].annotation, value_name=f"{self.noun} {self.name}"),)
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
    if not name or not name.isprintable() or _NOT_IN_NAMES & set(name):
        raise OptionError(f"{call}: this cannot be a name", hint="Use letters, digits and _ - . : only.")
    if name in known_names:
        raise OptionError(f"{call}: the run has a handler of this name already")
    signature = read_signature(function)
    if len(signature.parameters) > 1:
        raise OptionError(
            f"{call}: the handler has {len(signature.parameters)} parameters",
            hint="A message carries one value: give the handler one parameter, such as a dataclass.",
        )
    return MessageHandler(noun, name, function, signature, validate)
