"""A child's end of the channel to its worker: calls come in, the signs of the call that runs go out, answers find who waits for them."""

import itertools
import os
import signal
import socket
import threading
from queue import SimpleQueue

import msgspec

from mainspring.domain.errors import ConflictError, MainspringError
from mainspring.domain.runs.outbox import OutboxEntry
from mainspring.engine import frames
from mainspring.engine.frames import FrameReader
from mainspring.engine.grant import Grant
from mainspring.engine.parentage import kill_group
from mainspring.engine.signs import LogSign, ProcessSign, ProgressSign, UnlockSign
from mainspring.engine.stacks import stack_of
from mainspring.engine.step_context import SAVED, Saved
from mainspring.resources.locks import LockHeldError

_CHUNK = 256 * 1024


class Link:
    """The child's end of the channel; also the `Channel` of the call that runs."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader: FrameReader[frames.ToChild] = FrameReader(frames.ToChild)
        self._send_lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._saves: dict[int, SimpleQueue[frames.Acked]] = {}
        self._grants: dict[int, Grant] = {}
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
                elif isinstance(message, frames.Acked) and (save := self._saves.pop(message.n, None)):
                    save.put(message)
                elif isinstance(message, frames.Locked) and (grant := self._grants.pop(message.n, None)):
                    grant.answer(message.token if message.error is None else _raised(message.code, message.error))
                elif isinstance(message, frames.PlaceAsked):
                    self.send(frames.Place(message.n, stack_of(threading.main_thread().ident or 0)))

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
        elif isinstance(sign, UnlockSign) and sign.number is not None:
            self.send(frames.Unlocked(sign.number))

    def save(self, data: bytes) -> Saved:
        """Hand a checkpoint over and wait for its commit."""
        number = next(self._numbers)
        answer = self._saves[number] = SimpleQueue()
        self.send(frames.Checkpointed(number, msgspec.Raw(data)))
        error = answer.get().error
        if error is not None:
            raise MainspringError(f"the checkpoint was not saved: {error}")
        return SAVED

    def record(self, outgoing: OutboxEntry) -> None:
        """Hand over what is to be sent if the call succeeds."""
        self.send(frames.Recorded(outgoing))

    def lock(self, name: str, within_s: float) -> Grant:
        """Ask for a lock."""
        grant = Grant(next(self._numbers))
        self._grants[grant.number] = grant
        self.send(frames.LockAsked(grant.number, name, within_s))
        return grant


def _raised(code: str, text: str) -> MainspringError:
    """Return the error that the worker was told, in its class as far as steps can tell: code that catches it runs in every place."""
    return {kind.code: kind for kind in (LockHeldError, ConflictError)}.get(code, MainspringError)(text)
