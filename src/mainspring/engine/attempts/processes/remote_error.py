"""A remote error: an exception of a child process as data, and the exception that is rebuilt from it for retry policies.

Never pickle: the class is found among the loaded modules, `__init__` is not called, and only
arguments and attributes with a JSON form are sent. So `isinstance`, `args` and plain attributes work; an attribute
such as a response object does not.
"""

import sys
from typing import Any

import msgspec

from mainspring.engine.attempts.isolation import MAIN_ALIAS

_MAX_ATTRIBUTES = 50
_MAX_BYTES = 16_384


class RemoteError(msgspec.Struct, frozen=True):
    """The class of an exception by its module and qualified name, its arguments and its attributes."""

    module: str
    qualname: str
    args: list[Any]
    attributes: dict[str, Any]


def describe_error(error: BaseException) -> RemoteError | None:
    """Return an exception as data; None if that fails."""
    try:
        cls = type(error)
        attributes = {key: value for key, value in vars(error).items() if key != "__notes__" and _is_plain(value)}
        args = [value if _is_plain(value) else str(value) for value in error.args]
        image = RemoteError(cls.__module__, cls.__qualname__, args, dict([*attributes.items()][:_MAX_ATTRIBUTES]))
        return image if len(msgspec.json.encode(image)) <= _MAX_BYTES else None
    except Exception:  # noqa: BLE001 - properties of a foreign class
        return None


def rebuild_error(image: RemoteError | None) -> BaseException | None:
    """Return an exception of the same class; None if the class is not loaded here, or cannot be created."""
    if image is None:
        return None
    found: Any = sys.modules.get("__main__" if image.module == MAIN_ALIAS else image.module)
    for part in image.qualname.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not issubclass(found, BaseException):
        return None
    try:
        error: BaseException = found.__new__(found, *image.args)
        error.args = tuple(image.args)
        vars(error).update(image.attributes)
    except Exception:  # noqa: BLE001 - a foreign class
        return None
    return error


def _is_plain(value: Any) -> bool:
    if isinstance(value, bytes):
        return False
    try:
        return bool(msgspec.json.decode(msgspec.json.encode(value)) == value)
    except Exception:  # noqa: BLE001 - any error means that it is not plain
        return False
