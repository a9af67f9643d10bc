"""Errors of the API: the error that a program gets for a response, the same as in a program with the store."""

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
from mainspring.domain.runs.stream import Truncated

RETRYABLE_STATUSES = frozenset({502, 503, 504})
"""Statuses of temporary failures, also of proxies."""
_REFUSED_VALUE_TEXT = " cannot be saved or read: "


class DeniedError(MainspringError):
    """The project does not know the caller of its API, or the caller's role is not sufficient."""

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
"""The error for a status, if no error has the response's code."""


class ProblemDetails(msgspec.Struct, frozen=True):
    """The problem details of a response, as far as a program needs them."""

    code: str
    detail: str
    hint: str | None = None
    at: str | None = None
    retry_after_ms: int | None = None


def make_api_error(status: int, body: bytes, where: str) -> MainspringError:
    """Return the error for a response; `where` = the address of the project."""
    kind = _ERROR_BY_STATUS.get(status, StoreUnavailableError if status >= 500 else MainspringError)
    try:
        problem = msgspec.json.decode(body, type=ProblemDetails)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        hint = "Check that the address is that of its API and that the token is valid there. A proxy may have answered."
        return kind(f"{where} answered {status}, but not as a project of Mainspring", hint=hint)
    if kind is DeniedError:
        return DeniedError(
            problem.detail, hint=problem.hint or "Check the token: an admin of the project can create one."
        )
    kinds = {error_class.code: error_class for error_class in _error_classes(MainspringError)}
    return _make_error(kinds.get(problem.code, kind), problem)


def _error_classes(kind: type[MainspringError]) -> Iterator[type[MainspringError]]:
    """Yield a class and all its subclasses. If two have one code, the upper one counts."""
    for inner in kind.__subclasses__():
        yield from _error_classes(inner)
    yield kind


def _make_error(kind: type[MainspringError], problem: ProblemDetails) -> MainspringError:
    if issubclass(kind, BusyError):
        return kind(timedelta(milliseconds=problem.retry_after_ms or 1_000), problem.detail, hint=problem.hint)
    error = kind.__new__(kind)
    MainspringError.__init__(error, problem.detail, hint=problem.hint)
    if isinstance(error, ValueRefusedError):
        error.value_name, _, rest = problem.detail.partition(_REFUSED_VALUE_TEXT)
        error.reason, error.path = rest.partition("\n")[0], problem.at or "$"
    elif isinstance(error, Truncated):
        error.at = int(problem.at or 0)
    elif isinstance(error, UnknownNameError):
        error.kind, error.name, error.nearest = "", "", None
    return error
