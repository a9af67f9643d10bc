"""HTTP errors: read an HTTP answer out of an exception of any library, without importing one.

The status is read where libraries store it: `exc.response.status_code` (requests, httpx), `.status` (aiohttp, urllib3, Kubernetes),
`.status_code` (SDKs), `.code` (urllib). Nothing here raises, whatever the attributes do.
"""

from datetime import UTC, datetime, timedelta

from mainspring.domain.failures.error_tables import HTTP_STATUSES
from mainspring.domain.failures.verdict import FailureKind, Verdict, permanent, transient

_LONGEST_WAIT = timedelta(days=365)
_LONGEST_TEXT = 64


def read_attribute(obj: object, name: str) -> object:
    """Return an attribute, or None if it is missing or its property raises."""
    try:
        return getattr(obj, name, None)
    except Exception:  # noqa: BLE001 - a property of a foreign class may raise anything
        return None


def status_verdict(status: int) -> Verdict | None:
    """Return the verdict on an HTTP status, None below 400."""
    if status in HTTP_STATUSES:
        return HTTP_STATUSES[status]
    if 400 <= status < 500:
        return permanent(f"http_{status}")
    return transient(f"http_{status}") if 500 <= status < 600 else None


def http_verdict(exc: BaseException, now: datetime | None) -> Verdict | None:
    """Return the verdict on the answer inside `exc`, with its `Retry-After` if trying again can help."""
    status = find_status(exc)
    verdict = None if status is None else status_verdict(status)
    if verdict is None:
        return None
    return add_retry_after(verdict, _retry_after_header(exc, read_attribute(exc, "response")), now)


def find_status(exc: BaseException) -> int | None:
    """Return the first HTTP status from 400 to 599 inside `exc`, None if there is none."""
    response = read_attribute(exc, "response")
    statuses = [
        read_attribute(response, "status_code"),
        read_attribute(response, "status"),
        read_attribute(exc, "status_code"),
        read_attribute(exc, "status"),
    ]
    if any("http" in cls.__name__.lower() or cls.__module__.startswith("google.") for cls in type(exc).__mro__):
        statuses.append(read_attribute(exc, "code"))
    for status in statuses:
        if isinstance(status, int) and not isinstance(status, bool) and 400 <= status < 600:
            return int(status)
    return None


def add_retry_after(verdict: Verdict, text: object, now: datetime | None) -> Verdict:
    """Return the verdict with the span of a `Retry-After` header; permanent ones unchanged."""
    if verdict.kind is FailureKind.PERMANENT or text is None:
        return verdict
    return Verdict(verdict.kind, verdict.code, parse_retry_after(text, now), verdict.not_sent)


def parse_retry_after(text: object, now: datetime | None) -> timedelta | None:
    """Return the span of the header: seconds, or an HTTP date counted from `now`.

    None if it is neither, or is a date and `now` (with a time zone) is not given. A date in the past is a span of zero.
    """
    try:
        text_value = text.decode("ascii") if isinstance(text, bytes) else str(text).strip()
        if len(text_value) > _LONGEST_TEXT:
            return None
        if text_value.replace(".", "", 1).isdecimal():
            return min(timedelta(seconds=min(float(text_value), 1e9)), _LONGEST_WAIT)
        return None if now is None else _time_until(text_value, now)
    except Exception:  # noqa: BLE001 - a foreign object as header, or an invalid date
        return None


def _time_until(date: str, now: datetime) -> timedelta:
    """Return the span from `now` to an HTTP date, not below zero."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - 10 ms for a rare header

    due = parsedate_to_datetime(date)
    due = due if due.tzinfo is not None else due.replace(tzinfo=UTC)
    return max(timedelta(0), min(due - now, _LONGEST_WAIT))


def _retry_after_header(exc: BaseException, response: object) -> object:
    """Return the text of `Retry-After` from the answer's headers, whatever kind of mapping they are."""
    for holder in (response, exc):
        headers = read_attribute(holder, "headers") or read_attribute(holder, "hdrs")
        if headers is not None:
            text = find_retry_after(headers)
            if text is not None:
                return text
    return None


def find_retry_after(headers: object) -> object:
    """Return `Retry-After` from a mapping or a list of pairs, upper and lower case alike."""
    try:
        pairs = headers if isinstance(headers, list | tuple) else headers.items()  # type: ignore[attr-defined]
        return next((value for name, value in pairs if str(name).lower() == "retry-after"), None)
    except Exception:  # noqa: BLE001 - not a mapping at all
        return None
