"""An answer of the API that says what is wrong, as the error that the same act raises where the store is at hand."""

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from mainspring.domain.errors import (
    ArgumentError,
    BusyError,
    MainspringError,
    NotFoundError,
    StoreUnavailableError,
    UnknownNameError,
    ValueRefusedError,
)

_REFUSED_VALUE_TEXT = " cannot be saved or read: "


class DeniedError(MainspringError):
    """A project that was asked by its API does not know whoever asks, or their role does not reach so far."""

    code = "denied"


_ERROR_BY_STATUS: dict[int, type[MainspringError]] = {
    400: ArgumentError,
    401: DeniedError,
    403: DeniedError,
    404: NotFoundError,
    413: ArgumentError,
    429: StoreUnavailableError,
    503: StoreUnavailableError,
}
"""What a code that no error has stands for."""


class ProblemDetails(msgspec.Struct, frozen=True):
    """What a problem says, as far as a program needs it."""

    code: str
    detail: str
    hint: str | None = None
    at: str | None = None
    retry_after_ms: int | None = None


def make_api_error(status: int, body: bytes, where: str) -> MainspringError:
    """Return the error for an answer; `where` = the address of the project."""
    kind = _ERROR_BY_STATUS.get(status, StoreUnavailableError if status >= 500 else MainspringError)
    try:
        told = msgspec.json.decode(body, type=ProblemDetails)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        hint = "Is this the address of its pages, and the token one of its own? Something in between may have answered."
        return kind(f"{where} answered {status}, and not as a project does", hint=hint)
    if kind is DeniedError:
        return DeniedError(told.detail, hint=told.hint or "Look at the token: an admin of the project makes one.")
    kinds = {one.code: one for one in _error_classes(MainspringError)}
    return _make_error(kinds.get(told.code, kind), told)


def _error_classes(kind: type[MainspringError]) -> Iterator[type[MainspringError]]:
    """Yield a class and all below it; of two with one code the upper one counts."""
    for inner in kind.__subclasses__():
        yield from _error_classes(inner)
    yield kind


def _make_error(kind: type[MainspringError], told: ProblemDetails) -> MainspringError:
    if issubclass(kind, BusyError):
        return kind(timedelta(milliseconds=told.retry_after_ms or 1_000), told.detail, hint=told.hint)
    error = kind.__new__(kind)
    MainspringError.__init__(error, told.detail, hint=told.hint)
    if isinstance(error, ValueRefusedError):
        error.what, _, rest = told.detail.partition(_REFUSED_VALUE_TEXT)
        error.why, error.path = rest.partition("\n")[0], told.at or "$"
    elif isinstance(error, UnknownNameError):
        error.kind, error.name, error.nearest = "", "", None
    return error
