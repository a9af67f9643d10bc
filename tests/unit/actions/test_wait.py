"""Waiting: it ends when the thing is there, or in time with an error that names it."""

import asyncio
import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.actions import shell, wait
from mainspring.actions.http.errors import HttpAddressError
from mainspring.domain.errors import ArgumentError, DefinitionError, OptionError, Transient
from tests.free_port import free_port
from tests.unit.actions.sql.conftest import make_sqlite_shop

UPCOMING: dict[str, Any] = {"every": "10ms", "within": "60s"}
LOCAL: dict[str, Any] = {"allow": ["127.0.0.1"]}
NEVER: dict[str, Any] = {"every": "10ms", "within": "50ms"}


@contextlib.contextmanager
def later(call: Callable[[], object]) -> Iterator[None]:
    """Call it after the wait has begun."""
    timer = threading.Timer(0.1, call)
    timer.start()
    yield
    timer.join()


def test_until_returns_the_first_true_result() -> None:
    """Each call asks again."""
    results = iter([None, 0, "", "there"])
    assert wait.until(lambda: next(results), **UPCOMING) == "there"


def test_condition_is_called_once_without_time() -> None:
    """`within` of zero only asks."""
    assert wait.until(lambda: 7, within="0s") == 7
    with pytest.raises(wait.WaitTimeoutError, match="for the export of today: it is not met"):
        wait.until(lambda: None, name="the export of today", **NEVER)


def test_error_of_the_condition_ends_the_wait() -> None:
    """It is the user's own."""
    with pytest.raises(ZeroDivisionError):
        wait.until(lambda: 1 // 0, **UPCOMING)


def test_port_is_awaited() -> None:
    """A server that starts later."""
    number = free_port()
    server = socket.socket()

    def listen() -> None:
        server.bind(("127.0.0.1", number))
        server.listen()

    with server, later(listen):
        wait.port("127.0.0.1", number, **UPCOMING)
    with pytest.raises(wait.WaitTimeoutError, match=rf"for port {number} of 127\.0\.0\.1: Connection refused"):
        wait.port("127.0.0.1", number, **NEVER)


def test_file_is_awaited(tmp_path: Path) -> None:
    """Until it is large enough."""
    path = tmp_path / "a"
    with later(lambda: path.write_text("12345")):
        assert wait.file(path, min_size=5, **UPCOMING) == str(path)
    with pytest.raises(wait.WaitTimeoutError, match=r"it has 5 of 6 bytes"):
        wait.file(path, min_size=6, **NEVER)
    with pytest.raises(wait.WaitTimeoutError, match=r"for the file .*/b: No such file"):
        wait.file(tmp_path / "b", **NEVER)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers 503 twice, then 200."""

    answers: list[int]

    def do_GET(self) -> None:
        self.send_response(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_url_is_awaited() -> None:
    """The error has the last answer, and no password."""
    Handler.answers = [503, 503, 200]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"127.0.0.1:{server.server_port}/health"
        assert wait.url(f"http://{address}", **UPCOMING, **LOCAL) == 200
        with pytest.raises(wait.WaitTimeoutError, match="it answers 200") as caught:
            wait.url(f"http://{address}?key=secret_password", status=[204, 205], **NEVER, **LOCAL)
        assert "secret_password" not in str(caught.value)
        server.shutdown()
        thread.join()
    with pytest.raises(wait.WaitTimeoutError, match=rf"for the URL http://{address}: no connection"):
        wait.url(f"http://{address}", **NEVER, **LOCAL)


def test_url_that_is_not_public_must_be_allowed() -> None:
    """As for every action of HTTP."""
    with pytest.raises(HttpAddressError, match=r"127\.0\.0\.1"):
        wait.url("http://127.0.0.1:1/health", **NEVER)


def test_row_is_awaited(tmp_path: Path) -> None:
    """A query that returns a row; an error of the statement ends the wait."""
    shop = make_sqlite_shop(tmp_path)
    with later(lambda: shop.execute("insert into orders (id, state) values (7, 'open')")):
        assert wait.row(shop.url, "select id from orders where state = ?", ["open"], **UPCOMING) == {"id": 7}
    with pytest.raises(wait.WaitTimeoutError, match=r"a row of 'select .*' in the database .*: there is no row"):
        wait.row(shop.url, "select id from orders where id = 9", **NEVER)
    with pytest.raises(ms.MainspringError, match="no such table"):
        wait.row(shop.url, "select id from nope", **UPCOMING)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: wait.until(7), ArgumentError),  # type: ignore[arg-type]
        (lambda: wait.port("h", 0), ArgumentError),
        (lambda: wait.url("ftp://h"), HttpAddressError),
        (lambda: wait.until(lambda: 1, every="0s"), OptionError),
        (lambda: wait.until(lambda: 1, within="soon"), OptionError),
    ],
)
def test_bad_argument_is_refused(call: Callable[[], object], error: type[Exception]) -> None:
    """Before the first question."""
    with pytest.raises(error):
        call()


def test_wait_in_an_event_loop_is_refused() -> None:
    """It would block it."""

    async def call() -> None:
        wait.until(lambda: None)

    with pytest.raises(DefinitionError):
        asyncio.run(call())


def test_timeout_can_be_tried_again() -> None:
    """A retry waits again."""
    assert issubclass(wait.WaitTimeoutError, Transient)


STARTED = threading.Event()
ENDED = threading.Event()


@ms.step
def wait_long(command: list[str]) -> None:
    def ask() -> None:
        if command:
            shell.run(command)
        STARTED.set()

    try:
        wait.until(ask, every="1h", within="2h")
    finally:
        ENDED.set()


@pytest.mark.parametrize("command", [[], ["true"]], ids=["function", "command"])
def test_cancelled_run_ends_the_wait_at_once(command: list[str], tmp_path: Path) -> None:
    """Its thread ends, and does not wait for an hour, also after a condition that could be stopped by itself."""
    STARTED.clear()
    ENDED.clear()

    @ms.workflow(name=f"condition_waits_{len(command)}")
    async def waits(run: ms.Run) -> None:
        await run.step(wait_long, command)

    async def cancel() -> None:
        app = ms.App(tmp_path / "store.db")
        async with app.running():
            handle = await app.start(waits)
            until = time.monotonic() + 60
            while not STARTED.is_set():
                assert time.monotonic() < until
                await asyncio.sleep(0.02)
            await app.cancel(handle.id)
            with pytest.raises(ms.RunFailed):
                await handle.result()

    asyncio.run(cancel())
    assert ENDED.wait(60)
