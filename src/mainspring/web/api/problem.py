"""A problem as a response (RFC 9457): a status, a code for programs, how to fix it, and the place in the value."""

from http import HTTPStatus
from typing import Final

import msgspec

from mainspring.domain import errors
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import CodecUnavailableError, MainspringError, SealedError
from mainspring.domain.runs.stream import Truncated

CONTENT_TYPE: Final = "application/problem+json"
ERRORS_PAGE: Final = "docs/reference/errors.md"
API_PAGE: Final = "docs/reference/api.md"
_AGAIN_S = 5
ERROR_STATUSES: Final[tuple[tuple[type[MainspringError], int], ...]] = (
    (errors.NotFoundError, 404),
    (errors.ConflictError, 409),
    (CodecUnavailableError, 503),
    (SealedError, 409),
    (errors.FileRefError, 409),
    (errors.UnknownNameError, 422),
    (errors.ArgumentError, 422),
    (errors.OptionError, 422),
    (errors.ValueRefusedError, 422),
    (errors.BusyError, 429),
    (errors.StoreError, 503),
    (errors.FencedError, 503),
    (Truncated, 410),
)
"""The first match counts; an error that is not listed is a fault of Mainspring."""

CODES: Final[dict[str, str]] = {
    "unauthenticated": "the request has no valid token or session",
    "other_site": "a page of another site sent the request",
    "old_form": "a change by cookie without the form token of its session (`X-Form-Token`)",
    "bad_type": "a change whose body is not `application/json`",
    "too_often": "too many requests from this sender: see `Retry-After`",
    "too_busy": "too many requests at the same time: see `Retry-After`",
    "store_unreachable": "the store did not answer the sign-in check",
    "forbidden": "the role does not allow this",
    "no_path": "there is nothing at this path",
    "method": "the path does not have this method",
    "bad_query": "a parameter is unknown, sent twice, or not valid",
    "bad_body": "the body does not have the required form",
    "body_rejected": "the body is not unambiguous JSON: malformed, too deep, a repeated key, compressed, or of "
    "another type",
    "too_large": "the body is larger than `store.payload_max` and 64 KiB",
    "slow": "the body did not arrive in time",
    "store_silent": "the store did not answer in time; a repeat with the same Idempotency-Key counts once",
    "bad_range": "no byte of the file is in the requested range",
    "ending": "the web process is stopping: send the request again",
    "too_many_downloads": "too many open downloads, of all visitors or of this one",
    "too_many_streams": "too many open streams, of all visitors or of this one",
    "unexpected": "a bug of Mainspring; it is in the log of the web process",
}
"""Codes besides those of errors, with their meanings."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """`type` = where it is explained; `at` = the place inside the value that was sent; `retry_after_ms` = sooner is useless."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str | None = None
    at: str | None = None
    retry_after_ms: int | None = None


def build_problem(status: int, code: str, detail: str, **more: str | int | None) -> Problem:
    """Return a problem of a code in CODES."""
    return Problem(
        type=f"{API_PAGE}#{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        **more,  # type: ignore[arg-type]
    )


def problem_from_error(error: MainspringError) -> Problem:
    """Return the problem for an error."""
    status = next((listed_status for kind, listed_status in ERROR_STATUSES if isinstance(error, kind)), 500)
    place = getattr(error, "path", None) or getattr(error, "at", None)
    wait = _AGAIN_S * 1_000 if status == 503 else None
    if isinstance(error, errors.BusyError):
        wait = to_milliseconds(error.retry_after)
    return Problem(
        type=f"{ERRORS_PAGE}#{error.code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=error.code,
        detail=error.message,
        hint=error.hint,
        at=str(place) if isinstance(place, str | int) else None,
        retry_after_ms=wait,
    )
