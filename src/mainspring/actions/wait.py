"""Wait actions: until a condition is met, a port accepts connections, a file or a row exists, or a URL answers.

Each of them asks again and again, reports progress, and ends with an error that names what it waits for. A wait of hours or days belongs
into the body of a workflow: `run.sleep` and `run.event` use no thread.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.base.stop_request import watch_stop_request
from mainspring.actions.http.exchange import open_response, run_blocking
from mainspring.actions.http.prepared_call import prepare_call
from mainspring.actions.sql import SqlUnavailableError, query
from mainspring.actions.sql.sessions import Database, describe_database
from mainspring.domain.duration import SpanInput, format_duration, parse_duration
from mainspring.domain.errors import ArgumentError, MainspringError, NotSent, OptionError, Transient
from mainspring.domain.failures.classifier import classify
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.text.escaping import escape

__all__ = [
    "WaitTimeoutError",
    "file",
    "file_async",
    "port",
    "port_async",
    "row",
    "row_async",
    "until",
    "until_async",
    "url",
    "url_async",
]

T = TypeVar("T")
_REQUEST_S = 10.0
_EVERY = "5s"
_WITHIN = "10m"


class WaitTimeoutError(Transient):
    """The end of a wait without success; a retry waits again."""

    code = "wait_timeout"


def until(
    condition: Callable[[], T], *, every: SpanInput = _EVERY, within: SpanInput = _WITHIN, name: str | None = None
) -> T:
    """Call `condition()` until its result is true, and return that result. `name` = what it waits for, in errors and progress.

    `every` = the pause between two calls. `within` = the longest wait; the condition is called at least once. An exception of the condition
    ends the wait.

    Safe to run twice because it only asks, if the condition does: a second call waits again, or returns at once.

    Example:
        wait.until(lambda: find_export(day), every="30s", within="1h", name="the export of today")

    Raises:
        WaitTimeoutError: the condition was not met in time.
        ArgumentError, OptionError: an argument cannot be used.
    """
    if not callable(condition):
        raise ArgumentError(f"the condition is no function: {escape(repr(condition), 100)}", hint="Write a lambda.")
    subject = name or f"{getattr(condition, '__qualname__', 'the condition')} is true"

    def check() -> tuple[T | None, str]:
        return condition() or None, "it is not met"

    return _wait("until", check, subject, every, within)


until_async = in_thread(until)


def port(host: str, number: int, *, every: SpanInput = "1s", within: SpanInput = _WITHIN) -> None:
    """Wait until a TCP port accepts a connection, which is closed at once.

    Safe to run twice because it only connects: a second call waits again, or returns at once.

    Example:
        wait.port("db.internal", 5432, within="2m")

    Raises:
        WaitTimeoutError: no connection was accepted in time; it has the last reason.
        ArgumentError, OptionError: an argument cannot be used.
    """
    if not 0 < number < 65_536:
        raise ArgumentError(f"{number} is not the number of a port", hint="Write a number from 1 to 65535.")

    def check() -> tuple[bool | None, str]:
        try:
            with socket.create_connection((host, number), timeout=_REQUEST_S):
                return True, ""
        except OSError as error:
            return None, error.strerror or type(error).__name__

    _wait("port", check, f"port {number} of {escape(host, 200)}", every, within)


port_async = in_thread(port)


def file(
    path: str | os.PathLike[str], *, min_size: int = 0, every: SpanInput = _EVERY, within: SpanInput = _WITHIN
) -> str:
    """Wait until a file or folder exists, and return its path. `min_size` = wait until it has this many bytes.

    A program may still write to the file. To start a run for each complete file, use the trigger `ms.on.files`.

    Safe to run twice because it only reads: a second call waits again, or returns at once.

    Example:
        wait.file("inbox/export.csv", min_size=1, within="1h")

    Raises:
        WaitTimeoutError: the file was not there in time.
        OptionError: an option cannot be used.
    """
    target = Path(path)

    def check() -> tuple[str | None, str]:
        try:
            size = target.stat().st_size
        except OSError as error:
            return None, error.strerror or type(error).__name__
        return (str(target), "") if size >= min_size else (None, f"it has {size:,} of {min_size:,} bytes")

    return _wait("file", check, f"the file {escape(str(target), 200)}", every, within)


file_async = in_thread(file)


def url(
    address: str,
    *,
    status: int | Sequence[int] = 200,
    headers: Mapping[str, str] | None = None,
    allow: Sequence[str] = (),
    every: SpanInput = _EVERY,
    within: SpanInput = _WITHIN,
) -> int:
    """Wait until a GET of a URL answers with this status, or one of several, and return it. Redirects are not followed.

    `headers`, `allow` = those of `http.request`: a value of a header may be "secret:NAME", and hosts and networks that are not public must
    be allowed.

    Safe to run twice because GET only reads: a second call waits again, or returns at once.

    Example:
        wait.url("https://api.example.com/health", within="5m")

    Raises:
        WaitTimeoutError: the status was not returned in time; it has the last answer.
        HttpAddressError: the address cannot be used, or is not public and not allowed.
        ArgumentError, OptionError, ConfigError: an argument cannot be used.
    """
    expected = {status} if isinstance(status, int) else set(status)
    call = prepare_call(
        "GET", address, {"headers": headers or {}, "allow": allow, "timeout": _REQUEST_S, "expect": range(200, 600)}
    )

    async def read_status() -> int:
        async with open_response(call) as response:
            return response.status

    def check() -> tuple[int | None, str]:
        try:
            answer = run_blocking("wait.url", read_status)
        except MainspringError as error:
            if classify(error).kind is not FailureKind.TRANSIENT:
                raise
            return None, error.message.partition("\n")[0].removeprefix(f"{call.place}: ")
        return (answer, "") if answer in expected else (None, f"it answers {answer}")

    return _wait("url", check, f"the URL {escape(call.place.partition(' ')[2], 200)}", every, within)


url_async = in_thread(url)


def row(
    database: Database,
    statement: str,
    parameters: Sequence[Any] | Mapping[str, Any] = (),
    *,
    every: SpanInput = _EVERY,
    within: SpanInput = _WITHIN,
) -> dict[str, Any]:
    """Wait until a query of a database returns a row, and return the first one, as `sql.query` does.

    A database that is away or busy counts as one without the row.

    Safe to run twice because it only reads: a second call waits again, or returns at once.

    Example:
        wait.row("shop", "select id from exports where day = ?", [day], within="1h")

    Raises:
        WaitTimeoutError: there was no row in time.
        SqlActionError, ConfigError: as `sql.query`.
    """

    def check() -> tuple[dict[str, Any] | None, str]:
        try:
            rows = query(database, statement, parameters)
        except (SqlUnavailableError, NotSent) as error:
            return None, error.message.partition("\n")[0]
        return (rows[0], "") if rows else (None, "there is no row")

    return _wait(
        "row",
        check,
        f"a row of {escape(statement, 200)!r} in the database {describe_database(database)}",
        every,
        within,
    )


row_async = in_thread(row)


def _wait(
    action: str, check: Callable[[], tuple[T | None, str]], subject: str, every: SpanInput, within: SpanInput
) -> T:
    """Call `check` until it returns a result; with None it returns the reason."""
    refuse_event_loop(f"wait.{action}")
    pause_s, limit_s = parse_duration(every).total_seconds(), parse_duration(within).total_seconds()
    if pause_s <= 0:
        raise OptionError(f"every={every!r}: the duration must be greater than zero")
    started = time.monotonic()
    with watch_stop_request("wait") as stop:
        while True:
            result, reason = check()
            if result is not None:
                return result
            waited_s = time.monotonic() - started
            if waited_s >= limit_s:
                error = WaitTimeoutError(f"waited {format_duration(parse_duration(within))} for {subject}: {reason}")
                error.hint = "Check what should bring it, or raise within=."
                raise error
            stop.report(int(waited_s), int(limit_s))
            stop.pause(min(pause_s, limit_s - waited_s))
