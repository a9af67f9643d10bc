"""The saved result of an effect, read as its action needs it: a person may have given it another form."""

import shlex
from typing import Any, TypeVar

import msgspec

from mainspring.domain.errors import ValueRefusedError
from mainspring.domain.values.annotation import format_annotation
from mainspring.domain.values.codec import decode

R = TypeVar("R")


def read_effect_result(key: str, data: bytes, kind: type[R]) -> R:
    """Return the result of the effect with this key.

    Raises:
        ValueRefusedError: it has another form; the error names the one that the action needs.
    """
    try:
        result: R = decode(data, kind, value_name=f"result of effect {key!r}")
    except ValueRefusedError as error:
        word = shlex.quote(key)
        hint = (
            f"The form is {_describe_form(kind)}. To correct the result of a person: mainspring effects confirm {word} "
            f"--result JSON. To let the next call perform the effect: mainspring effects forget {word}"
        )
        raise ValueRefusedError(error.value_name, error.path, error.reason, hint=hint) from None
    return result


def _describe_form(kind: Any) -> str:
    """Return the required fields of a result with their types."""
    fields = [field for field in msgspec.structs.fields(kind) if field.required]
    return "{" + ", ".join(f'"{field.encode_name}": {format_annotation(field.type)}' for field in fields) + "}"
