"""A child's end of the channel to its worker: receives calls, sends the reports of the running call, passes answers to their waiters."""

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
    """The child's end of the channel; also the `AttemptChannel` of the running call."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader: FrameReader[child_protocol.MessageToChild] = FrameReader(child_protocol.MessageToChild)
        self._send_lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._checkpoint_answers: dict[int, SimpleQueue[child_protocol.CheckpointAnswer]] = {}
        self._lock_requests: dict[int, LockRequest] = {}
        self.calls: SimpleQueue[child_protocol.CallMessage] = SimpleQueue()

    def read(self) -> list[child_protocol.MessageToChild]:
        """Return the next messages; if the worker has ended, kill this process and all that it started."""
        data = self._socket.recv(_CHUNK)
        if not data:
            kill_group(os.getpid(), signal.SIGKILL)
            os._exit(1)
        return self._reader.feed(data)

    def leave(self) -> None:
        """Close the channel in a process that the step forked: only the child itself may send for the call."""
        self._socket.close()

    def listen(self) -> None:
        """Receive and dispatch messages, without end."""
        while True:
            for message in self.read():
                if isinstance(message, child_protocol.CallMessage):
                    self.calls.put(message)
                elif isinstance(message, child_protocol.CheckpointAnswer) and (
                    answers := self._checkpoint_answers.pop(message.n, None)
                ):
                    answers.put(message)
                elif isinstance(message, child_protocol.LockAnswer) and (
                    request := self._lock_requests.pop(message.n, None)
                ):
                    request.answer(
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

    def post(self, report: LogReport | ProgressReport | ProcessReport | UnlockReport) -> None:
        """Send a report; process groups need none, because all that this process starts dies with it."""
        if isinstance(report, ProcessReport) and report.ack is not None:
            report.ack(None)
        if isinstance(report, LogReport):
            self.send(child_protocol.LogMessage(report.level, report.text, report.fields, report.logger))
        elif isinstance(report, ProgressReport):
            self.send(child_protocol.ProgressMessage(report.done, report.total))
        elif isinstance(report, UnlockReport) and report.number is not None:
            self.send(child_protocol.UnlockMessage(report.number))

    def save(self, data: bytes) -> SavedCheckpoint:
        """Send a checkpoint and wait for its commit."""
        number = next(self._numbers)
        answer = self._checkpoint_answers[number] = SimpleQueue()
        self.send(child_protocol.CheckpointMessage(number, msgspec.Raw(data)))
        error = answer.get().error
        if error is not None:
            raise MainspringError(f"the checkpoint was not saved: {error}")
        return SAVED_CHECKPOINT

    def record(self, outgoing: OutboxEntry) -> None:
        """Add an event or message to send if the call succeeds."""
        self.send(child_protocol.OutgoingMessage(outgoing))

    def lock(self, name: str, within_s: float) -> LockRequest:
        """Request a lock."""
        request = LockRequest(next(self._numbers))
        self._lock_requests[request.number] = request
        self.send(child_protocol.LockMessage(request.number, name, within_s))
        return request


def _rebuild_error(code: str, text: str) -> MainspringError:
    """Return the error that the worker sent, in its own class if steps may catch it: so the same code works with every isolation."""
    return {kind.code: kind for kind in (LockHeldError, ConflictError)}.get(code, MainspringError)(text)
