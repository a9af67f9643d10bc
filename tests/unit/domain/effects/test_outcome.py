"""The outcome of an effect whose code raised: released with a proof, unknown without."""

import asyncio
import http.client
import socket
import urllib.error
from datetime import timedelta
from email.message import Message
from types import SimpleNamespace
from typing import Any

import pytest

from mainspring.domain.effects.effect import CallOutcome
from mainspring.domain.effects.outcome import outcome_of_error
from mainspring.domain.errors import BusyError, NotSent, Permanent
from mainspring.domain.failures.classifier import classify


class HTTPStatusError(Exception):
    """Like that of httpx and requests: the answer is an attribute."""

    def __init__(self, status: Any) -> None:
        super().__init__(f"status {status}")
        self.response = SimpleNamespace(status_code=status, headers={})


class ClientResponseError(Exception):
    """Like that of aiohttp: the status is an attribute of its own."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class ApiStatusError(Exception):
    """Like those of SDKs."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status_code = status


def urllib_error(status: int) -> Exception:
    return urllib.error.HTTPError("http://x", status, "no", Message(), None)


def refused_by_urllib() -> Exception:
    return urllib.error.URLError(ConnectionRefusedError(111, "refused"))


RELEASED = [
    NotSent("queue full"),
    Permanent("no such customer"),
    ConnectionRefusedError(111, "refused"),
    socket.gaierror(-2, "unknown name"),
    refused_by_urllib(),
    *(make(status) for make in (HTTPStatusError, ClientResponseError, ApiStatusError, urllib_error)
      for status in (400, 401, 403, 404, 410, 422, 429, 451)),
]  # fmt: skip
UNKNOWN = [
    *(make(status) for make in (HTTPStatusError, ClientResponseError, ApiStatusError, urllib_error)
      for status in (408, 409, 499, 500, 502, 503, 504)),
    HTTPStatusError(200),
    HTTPStatusError(None),
    HTTPStatusError("404"),
    HTTPStatusError(True),
    TimeoutError("too slow"),
    ConnectionResetError(104, "reset"),
    BrokenPipeError(32, "pipe"),
    http.client.RemoteDisconnected("gone"),
    http.client.IncompleteRead(b""),
    KeyError("id"),
    ValueError("404"),
    OSError(5, "disk"),
    RuntimeError("boom"),
    BusyError(timedelta(seconds=1), "later"),
    asyncio.CancelledError(),
    KeyboardInterrupt(),
    SystemExit(1),
]  # fmt: skip


def name_of(error: BaseException) -> str:
    return f"{type(error).__name__}-{error}"


@pytest.mark.parametrize("error", RELEASED, ids=name_of)
def test_error_that_proves_that_nothing_happened_releases(error: BaseException) -> None:
    """The target was not reached, or refused the request, or the code says so."""
    assert outcome_of_error(error, classify(error)) is CallOutcome.RELEASED


@pytest.mark.parametrize("error", UNKNOWN, ids=name_of)
def test_error_that_proves_nothing_leaves_the_outcome_unknown(error: BaseException) -> None:
    """The request may have arrived, however clear the error is."""
    assert outcome_of_error(error, classify(error)) is CallOutcome.UNKNOWN


def test_hostile_error_proves_nothing() -> None:
    """An attribute that raises is no status."""

    class Hostile(Exception):
        @property
        def response(self) -> Any:
            raise ValueError("no")

    error = Hostile()
    assert outcome_of_error(error, classify(error)) is CallOutcome.UNKNOWN
