"""Errors of HTTP actions: each says what is wrong, where and how to fix it, and never a header, a secret or the query of an address.

The class decides how a step is retried, and whether the effect may have happened: `NotSent` and `Permanent` prove that it did not.
"""

import shlex
from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus

import msgspec

from mainspring.domain.duration import format_rounded_duration
from mainspring.domain.effects.target_limits import TargetRefusal, TargetRefused
from mainspring.domain.errors import MainspringError, NotSent, Permanent, Transient
from mainspring.domain.failures.http_errors import parse_retry_after
from mainspring.domain.text.escaping import escape

MAX_BODY_TEXT = 300
"""Characters of a response in an error."""
_CONFLICT = 409
_NOT_PERFORMED = frozenset({307, 308})
_REDIRECTS = range(300, 400)


class FailedResponse(msgspec.Struct, frozen=True):
    """The part of a response that a classifier reads."""

    status_code: int
    headers: dict[str, str]


class HttpStatusError(MainspringError):
    """The target answered with a status that is not expected. `response` has the status, and `Retry-After` if it was sent."""

    code = "http_status"

    def __init__(self, message: str, response: FailedResponse, *, hint: str | None = None) -> None:
        MainspringError.__init__(self, message, hint=hint)
        self.response = response
        self.status = response.status_code


class HttpInProgressError(HttpStatusError, Transient):
    """The target still performs a request with the same idempotency key (409)."""

    code = "http_409"

    def __init__(self, message: str, response: FailedResponse, *, hint: str | None = None) -> None:
        HttpStatusError.__init__(self, message, response, hint=hint)
        self.reason = message
        self.retry_after = parse_retry_after(response.headers.get("retry-after"), None)
        self.retry_at = None


class HttpRedirectError(Permanent):
    """The target has moved, and did not perform the request (307, 308)."""

    code = "http_redirect"


class HttpAddressError(Permanent):
    """An address cannot be used, or leads to a host that is not public and not allowed. Nothing was sent."""

    code = "http_address"


class HttpCertificateError(Permanent):
    """The certificate of the target is not valid for it. Nothing was sent."""

    code = "http_certificate"


class HttpNotSentError(NotSent):
    """There was no connection to the target. Nothing was sent."""

    code = "http_not_sent"

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint


class HttpLimitError(HttpNotSentError):
    """The rate of the target is used up, or its circuit breaker is open. Nothing was sent; `retry_after` = when a request may be sent."""

    def __init__(self, place: str, host: str, refused: TargetRefused) -> None:
        span = format_rounded_duration(refused.retry_after_ms)
        if refused.reason is TargetRefusal.CIRCUIT_OPEN:
            number = "request" if refused.failures == 1 else f"{refused.failures} requests"
            reason = f"the last {number} to {host} failed, so the next one is sent in {span}"
            hint = (
                f"Check the target. After its repair, close the breaker: mainspring targets reset {host}. "
                "A step still waits for its next attempt."
            )
        else:
            reason = f"the rate of {host} is used up, the next request may be sent in {span}"
            hint = "A step waits and tries again. The rate is in [actions.http.targets] of the configuration."
        super().__init__(f"{place}: {reason}", hint=hint)
        self.code = refused.reason.value
        self.retry_after = timedelta(milliseconds=refused.retry_after_ms)


class HttpConnectionError(Transient):
    """The connection or the time ended before the response did: the outcome is not known."""

    code = "http_connection"

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint


class HttpTimeoutError(HttpConnectionError):
    """The response was not complete in time: the outcome is not known."""

    code = "http_timeout"


class HttpBodyError(MainspringError):
    """The body of a response cannot be used: too large, not the expected format, or another checksum."""

    code = "http_body"


class HttpPollError(MainspringError):
    """The condition of `http.poll` was not met in time."""

    code = "http_poll"


def make_status_error(
    place: str,
    method: str,
    status: int,
    text: str,
    retry_after: str | None,
    *,
    is_keyed: bool,
    secrets: Sequence[str] = (),
) -> MainspringError:
    """Return the error of a status. `place` = method and address without its query; `text` = the body, without secrets.

    `secrets` = the names of those that the call used.
    """
    response = FailedResponse(status, {} if retry_after is None else {"retry-after": retry_after})
    excerpt = escape(" ".join(text.split()), MAX_BODY_TEXT)
    message = f"{place}: {format_status(status)}{': ' + excerpt if excerpt else ''}"
    if status in _REDIRECTS:
        hint = f"A redirect of {method} is not followed: write the new address."
        if status in _NOT_PERFORMED:
            return HttpRedirectError(message, hint=hint)
        return HttpStatusError(message, response, hint=hint)
    if status == _CONFLICT and is_keyed:
        return HttpInProgressError(message, response, hint="The request is sent again, under the same key.")
    return HttpStatusError(message, response, hint=_suggest_fix(status, secrets))


def _suggest_fix(status: int, secrets: Sequence[str]) -> str:
    if status in (401, 403, 407):
        if not secrets:
            return "Check the credentials of the call: bearer=, auth= or headers=."
        commands = ", or ".join(f"mainspring secrets set {shlex.quote(name)}" for name in secrets)
        return f"Check the secret of the call. To store a new value: {commands}"
    if status in (408, 425, 429) or status >= 500:
        return "The target may recover. A step tries a call again by its retry policy, unless its effect is in doubt."
    return "Correct the request, or list the status in expect= if it is a valid answer."


def format_status(status: int) -> str:
    """Return a status for people: "404 Not Found"."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
