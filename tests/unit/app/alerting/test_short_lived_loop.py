"""A loop of a program that ends waits for no name server."""

import asyncio
import socket
import threading

import pytest

from mainspring.app.alerting.short_lived_loop import run_in_short_lived_loop


async def find_address(name, within_s=30.0):
    async with asyncio.timeout(within_s):
        return await asyncio.get_running_loop().getaddrinfo(name, 80, type=socket.SOCK_STREAM)


def test_names_are_resolved():
    """As in any other loop, also what there is no address for."""
    assert ("127.0.0.1", 80) in [place for *_, place in run_in_short_lived_loop(find_address("127.0.0.1"))]
    with pytest.raises(socket.gaierror):
        run_in_short_lived_loop(find_address("127.0.0.1.invalid."))


def test_name_server_that_does_not_answer_is_left_behind(monkeypatch):
    """Neither the end of the loop waits for it nor that of the interpreter."""
    answers = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args: answers.wait() and [])
    with pytest.raises(TimeoutError):
        run_in_short_lived_loop(find_address("hooks.example.net", 0.01))
    (left,) = [thread for thread in threading.enumerate() if thread.name == "mainspring-names"]
    assert left.daemon
    answers.set()
    left.join()
