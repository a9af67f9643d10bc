"""A child's end of the channel to its worker: calls come in, the signs of the call that runs go out, answers find who waits for them."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Generator
from queue import SimpleQueue
from typing import Any

import msgspec

from mainspring.domain.errors import MainspringError
from mainspring.domain.outgoing import Outgoing
from mainspring.engine import frames
from mainspring.engine.frames import FrameReader
from mainspring.engine.parentage import kill_group
from mainspring.engine.signs import LogSign, ProcessSign, ProgressSign, UnlockSign
from mainspring.engine.step_context import SAVED, Saved
from mainspring.resources.locks import LockHeldError

_CHUNK = 256 * 1024


class Link:
    """The child's end of the channel; also the `Channel` of the call that runs."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader: FrameReader[frames.ToChild] = FrameReader(frames.ToChild)
        self._send_lock = threading.Lock()
        self._count = 0
        self._waiting: dict[int, SimpleQueue[frames.Acked | frames.Locked]] = {}
        self.calls: SimpleQueue[frames.Call] = SimpleQueue()

    def read(self) -> list[frames.ToChild]:
        """Return the next messages; when the worker is gone, end with all that we started."""
        data = self._socket.recv(_CHUNK)
        if not data:
            kill_group(os.getpid(), signal.SIGKILL)
            os._exit(1)
        return self._reader.feed(data)

    def leave(self) -> None:
        """Let go of the channel, in a process that the step forked: only the child itself speaks for the call."""
        self._socket.close()

    def listen(self) -> None:
        """Hand on what comes, for ever."""
        while True:
            for message in self.read():
                if isinstance(message, frames.Call):
                    self.calls.put(message)
                elif not isinstance(message, frames.Hello) and (waiting := self._waiting.pop(message.n, None)):
                    waiting.put(message)

    def send(self, message: frames.FromChild) -> None:
        """Send a message; from any thread."""
        data = frames.frame(message)
        with self._send_lock:
            self._socket.sendall(data)

    def post(self, sign: LogSign | ProgressSign | ProcessSign | UnlockSign) -> None:
        """Hand a sign over; of groups nothing need be said, for all we start dies with us."""
        if isinstance(sign, ProcessSign) and sign.ack is not None:
            sign.ack(None)
        if isinstance(sign, LogSign):
            self.send(frames.Logged(sign.level, sign.text, sign.fields, sign.logger))
        elif isinstance(sign, ProgressSign):
            self.send(frames.Progressed(sign.done, sign.total))
        elif isinstance(sign, UnlockSign) and sign.name is not None:
            self.send(frames.Unlocked(sign.name))

    def save(self, data: bytes) -> Saved:
        """Hand a checkpoint over and wait for its commit."""
        number, answer = self._expect()
        self.send(frames.Checkpointed(number, msgspec.Raw(data)))
        error = answer.get().error
        if error is not None:
            raise MainspringError(f"the checkpoint was not saved: {error}")
        return SAVED

    def record(self, outgoing: Outgoing) -> None:
        """Hand over what is to be sent if the call succeeds."""
        self.send(frames.Recorded(outgoing))

    def lock(self, name: str, within_s: float) -> "Grant":
        """Ask for a lock."""
        number, answer = self._expect()
        self.send(frames.LockAsked(number, name, within_s))
        return Grant(answer)

    def _expect(self) -> "tuple[int, SimpleQueue[frames.Acked | frames.Locked]]":
        """Return a number for a request, and where its answer will be."""
        with self._send_lock:
            self._count += 1
            number = self._count
        answer: SimpleQueue[frames.Acked | frames.Locked] = SimpleQueue()
        self._waiting[number] = answer
        return number, answer


class Grant:
    """One lock on its way."""

    def __init__(self, answer: "SimpleQueue[frames.Acked | frames.Locked]") -> None:
        self._answer = answer

    def wait(self) -> int:
        """Block this thread for it."""
        found = self._answer.get()
        assert isinstance(found, frames.Locked)
        if found.error is not None:
            raise LockHeldError(found.error) if found.is_held else MainspringError(found.error)
        return found.token

    def __await__(self) -> Generator[Any, None, int]:
        """Wait for it in the step's own event loop."""
        return (yield from asyncio.get_running_loop().run_in_executor(None, self.wait).__await__())
