"""Protocol between a program that replays runs and its process: one JSON message a line, over a pair of sockets. Nothing is pickled."""

import os
import socket
import time
from typing import Any, TypeVar

import msgspec

from mainspring.engine.definitions.flag_questions import FlagQuestionPlace
from mainspring.engine.definitions.load_problem import LoadProblem
from mainspring.engine.driver.journal_replay import JournalReplay
from mainspring.engine.driver.replay import ReplayResult

M = TypeVar("M", bound=msgspec.Struct)
_END = b"\n"
_BLOCKED = b'{"blocked_at":'
_PART = 256 * 1024


class ReplaySpec(msgspec.Struct, frozen=True):
    """The code to load: flags of the configuration, its file, and modules or files to load too; `parent` = the process to end with.

    `limit_s`, `load_limit_s` = seconds after which code that does not come to rest is reported with its line. `is_traced` = runs are
    replayed for a test, with all differences.
    """

    flags: dict[str, Any]
    config: str | None
    modules: tuple[str, ...]
    parent: int = 0
    limit_s: float = 10.0
    load_limit_s: float = 60.0
    is_traced: bool = False


class CodeChange(msgspec.Struct, frozen=True):
    """The newest version of a change (`run.version`) in the code of an automation."""

    automation: str
    version: int
    change: str
    newest: int


class LoadedCode(msgspec.Struct, frozen=True):
    """The loaded code: definitions as data, former name -> name, problems, and where it asks for flags by a constant name.

    `refused` = calls that were refused while it was loaded. `changes` = those for which it asks with constants.
    """

    definitions: list[dict[str, Any]]
    former_names: dict[str, str]
    problems: list[LoadProblem]
    questions: list[FlagQuestionPlace]
    refused: list[str] = []
    changes: list[CodeChange] = []


class ReplayReport(msgspec.Struct, frozen=True):
    """The result of one replay, and the calls of the body that were refused."""

    result: ReplayResult
    refused: list[str] = []


class TracedReplay(msgspec.Struct, frozen=True):
    """The replay of one journal for a test, and the calls of the body that were refused."""

    replay: JournalReplay
    refused: list[str] = []


class BlockedReport(msgspec.Struct, frozen=True):
    """The last message of a process whose code does not come to rest: the line, "FILE:LINE in FUNCTION", or ""."""

    blocked_at: str


class CodeBlockedError(Exception):
    """The other process has sent a BlockedReport."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


class MessageChannel:
    """One end of the connection."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._rest = bytearray()

    @classmethod
    def take_stdin(cls) -> "MessageChannel":
        """Return the end that stands as standard input; code of this process finds an empty one."""
        channel = cls(socket.socket(fileno=os.dup(0)))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        return channel

    def send(self, message: msgspec.Struct, timeout_s: float | None = None) -> None:
        """Send a message. Raises TimeoutError, OSError if the other process has ended."""
        self._line.settimeout(timeout_s)
        self._line.sendall(msgspec.json.encode(message) + _END)

    def receive(self, kind: type[M], timeout_s: float | None = None) -> M:
        """Return the next message.

        Raises:
            TimeoutError, DecodeError.
            EOFError: the other process has ended.
            CodeBlockedError: its code does not come to rest.
        """
        ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        while (place := self._rest.find(_END)) < 0:
            if ends_at is not None and (left := ends_at - time.monotonic()) <= 0:
                raise TimeoutError
            self._line.settimeout(None if ends_at is None else left)
            part = self._line.recv(_PART)
            if not part:
                raise EOFError
            self._rest += part
        message = bytes(self._rest[:place])
        del self._rest[: place + 1]
        if message.startswith(_BLOCKED):
            raise CodeBlockedError(msgspec.json.decode(message, type=BlockedReport).blocked_at)
        return msgspec.json.decode(message, type=kind)

    def close(self) -> None:
        """Close this end."""
        self._line.close()
