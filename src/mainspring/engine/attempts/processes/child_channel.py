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
from mainspring.engine.attempts.attempt_reports import LogReport, ProcessReport, ProgressReport, UnlockReport
from mainspring.engine.attempts.lock_request import LockRequest
from mainspring.engine.attempts.processes import child_protocol
from mainspring.engine.attempts.processes.child_protocol import FrameReader
from mainspring.engine.attempts.processes.process_lifetime import kill_group
from mainspring.engine.attempts.stacks import read_thread_stack
from mainspring.engine.attempts.step_context import SAVED_CHECKPOINT, SavedCheckpoint
from mainspring.resources.locks import LockHeldError

_CHUNK = 256 * 1024


class ChildChannel:
    """The child's end of the channel; also the `AttemptChannel` of the call that runs."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader: FrameReader[child_protocol.MessageToChild] = FrameReader(child_protocol.MessageToChild)
        self._send_lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._saves: dict[int, SimpleQueue[child_protocol.CheckpointAnswer]] = {}
        self._grants: dict[int, LockRequest] = {}
        self.calls: SimpleQueue[child_protocol.CallMessage] = SimpleQueue()

    def read(self) -> list[child_protocol.MessageToChild]:
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
                if isinstance(message, child_protocol.CallMessage):
                    self.calls.put(message)
                elif isinstance(message, child_protocol.CheckpointAnswer) and (
                    save := self._saves.pop(message.n, None)
                ):
                    save.put(message)
                elif isinstance(message, child_protocol.LockAnswer) and (grant := self._grants.pop(message.n, None)):
                    grant.answer(
                        message.token if message.error is None else _rebuild_error(message.code, message.error)
                    )
                elif isinstance(message, child_protocol.StackRequest):
                    self.send(
                        child_protocol.StackAnswer(message.n, read_thread_stack(threading.main_thread().ident or 0))
                    )

    def send(self, message: child_protocol.MessageFromChild) -> None:
        """Send a message; from any thread."""
        data = child_protocol.encode_frame(message)
        with self._send_lock:
            self._socket.sendall(data)

    def post(self, sign: LogReport | ProgressReport | ProcessReport | UnlockReport) -> None:
        """Hand a sign over; of groups nothing need be said, for all we start dies with us."""
        if isinstance(sign, ProcessReport) and sign.ack is not None:
            sign.ack(None)
        if isinstance(sign, LogReport):
            self.send(child_protocol.LogMessage(sign.level, sign.text, sign.fields, sign.logger))
        elif isinstance(sign, ProgressReport):
            self.send(child_protocol.ProgressMessage(sign.done, sign.total))
        elif isinstance(sign, UnlockReport) and sign.number is not None:
            self.send(child_protocol.UnlockMessage(sign.number))

    def save(self, data: bytes) -> SavedCheckpoint:
        """Hand a checkpoint over and wait for its commit."""
        number = next(self._numbers)
        answer = self._saves[number] = SimpleQueue()
        self.send(child_protocol.CheckpointMessage(number, msgspec.Raw(data)))
        error = answer.get().error
        if error is not None:
            raise MainspringError(f"the checkpoint was not saved: {error}")
        return SAVED_CHECKPOINT

    def record(self, outgoing: OutboxEntry) -> None:
        """Hand over what is to be sent if the call succeeds."""
        self.send(child_protocol.OutgoingMessage(outgoing))

    def lock(self, name: str, within_s: float) -> LockRequest:
        """Ask for a lock."""
        grant = LockRequest(next(self._numbers))
        self._grants[grant.number] = grant
        self.send(child_protocol.LockMessage(grant.number, name, within_s))
        return grant


def _rebuild_error(code: str, text: str) -> MainspringError:
    """Return the error that the worker was told, in its class as far as steps can tell: code that catches it runs in every place."""
    return {kind.code: kind for kind in (LockHeldError, ConflictError)}.get(code, MainspringError)(text)
