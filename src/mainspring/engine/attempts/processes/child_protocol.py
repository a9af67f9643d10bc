"""The protocol between the engine and a child: JSON messages, each behind four bytes of length.

Role: the messages, how they are encoded, and how they are read from a stream that cuts them anywhere. Values of users are sent
as the JSON they already are (`msgspec.Raw`). No message makes the reader run anything but a function that it imports by name.
Invariant: a length beyond the limit, or an invalid message, ends the channel; nothing is guessed.
"""

import struct
import sys
from typing import Any, Generic, TypeVar

import msgspec

from mainspring.domain.effects.target_limits import TargetLimits, TargetRefused, TargetTurn
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import Verdict
from mainspring.domain.flags.flag import FlagAnswer
from mainspring.domain.runs.measurement import StepRecord
from mainspring.domain.secrets.secret_use import SecretRead
from mainspring.domain.values.sealing import MAX_PAYLOAD_BYTES
from mainspring.domain.values.stored_file import StoredFile
from mainspring.engine.attempts.isolation import MAIN_ALIAS
from mainspring.resources.effects import EffectAnswer, EffectRequest, EffectSettlement
from mainspring.resources.lock_backends import LockAddress
from mainspring.resources.locks import LockSpec
from mainspring.resources.project_source import ProjectSource
from mainspring.store.commands.flags import AnswerFlag
from mainspring.store.commands.results import LockGranted
from mainspring.store.commands.targets import EnterTarget, LeaveTarget

MAX_FRAME_BYTES = 2 * MAX_PAYLOAD_BYTES
_LENGTH = struct.Struct(">I")
_encode = msgspec.json.Encoder().encode
M = TypeVar("M")
JSON_NULL = msgspec.Raw(b"null")  # used for "no value", because a field cannot be "Raw or None"

_MAX_ATTRIBUTES = 50
_MAX_BYTES = 16_384


class RemoteError(msgspec.Struct, frozen=True):
    """The class of an exception by its module and qualified name, its arguments and its attributes.

    Never pickle: the class is found among the loaded modules, `__init__` is not called, and only
    arguments and attributes with a JSON form are sent. So `isinstance`, `args` and plain attributes work; an attribute
    such as a response object does not.
    """

    module: str
    qualname: str
    args: list[Any]
    attributes: dict[str, Any]


def describe_error(error: BaseException) -> RemoteError | None:
    """Return an exception as data; None if that fails."""
    try:
        cls = type(error)
        attributes = {key: value for key, value in vars(error).items() if key != "__notes__" and _is_plain(value)}
        args = [value if _is_plain(value) else str(value) for value in error.args]
        image = RemoteError(cls.__module__, cls.__qualname__, args, dict([*attributes.items()][:_MAX_ATTRIBUTES]))
        return image if len(msgspec.json.encode(image)) <= _MAX_BYTES else None
    except Exception:  # noqa: BLE001 - properties of a foreign class
        return None


def rebuild_error(image: RemoteError | None) -> BaseException | None:
    """Return an exception of the same class; None if the class is not loaded here, or cannot be created."""
    if image is None:
        return None
    found: Any = sys.modules.get("__main__" if image.module == MAIN_ALIAS else image.module)
    for part in image.qualname.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not issubclass(found, BaseException):
        return None
    try:
        error: BaseException = found.__new__(found, *image.args)
        error.args = tuple(image.args)
        vars(error).update(image.attributes)
    except Exception:  # noqa: BLE001 - a foreign class
        return None
    return error


def _is_plain(value: Any) -> bool:
    if isinstance(value, bytes):
        return False
    try:
        return bool(msgspec.json.decode(msgspec.json.encode(value)) == value)
    except Exception:  # noqa: BLE001 - any error means that it is not plain
        return False


class FrameError(MainspringError):
    """Error: the other side of a channel sent an invalid message."""

    code = "bad_frame"


class HelloMessage(msgspec.Struct, tag="hello"):
    """First message to a child: import path, intended environment, the user's classifier rules, the level of logging.

    `passed` = names of variables that commands receive although they hold secrets; `hosts` = those that actions may call;
    `limits` = the limits of such hosts; `locks` = the addresses of lock backends; `databases` = the places of the databases that actions
    find by name; `project` = from where the worker has its configuration.
    """

    path: list[str]
    environ: dict[str, str | None]
    rules: list[str]
    log_level: int
    passed: list[str] = []
    hosts: list[str] = []
    locks: dict[str, LockAddress] = {}
    limits: dict[str, TargetLimits] = {}
    databases: dict[str, str] = {}
    project: ProjectSource | None = None


class CallMessage(msgspec.Struct, tag="call", kw_only=True):
    """Run this attempt; the fields are those of AttemptSpec, `fn` the name to import. `middleware` = the names of classes to import."""

    fn: str
    skip: int
    run_id: str
    ident: str
    name: str
    key: str
    attempt: int
    input: msgspec.Raw
    checkpoint: msgspec.Raw
    has_checkpoint: bool
    slot_at: int | None
    automation: str
    payload_max: int
    is_first: bool
    headers: msgspec.Raw = JSON_NULL
    middleware: list[str] = []


class CheckpointAnswer(msgspec.Struct, tag="acked"):
    """Answer to a CheckpointMessage: number `n` is committed, or (`error`) never will be."""

    n: int
    error: str | None


class LockAnswer(msgspec.Struct, tag="locked"):
    """Answer to a LockMessage: request number `n` is granted, or failed (`error`); `code` is that of the error's class."""

    n: int
    granted: LockGranted | None = None
    error: str | None = None
    code: str = ""


class EffectAnswerMessage(msgspec.Struct, tag="effect_answered"):
    """Answer to an EffectMessage or EffectSettledMessage: request number `n` got `answer`, or failed (`error`).

    Without both, the outcome is saved.
    """

    n: int
    answer: EffectAnswer | None = None
    error: str | None = None
    code: str = ""


class CommandAnswer(msgspec.Struct, tag="command_answered"):
    """Answer to a CommandMessage: the answer of the command of request number `n`, or its error. Without both, it is done."""

    n: int
    answer: FlagAnswer | TargetTurn | TargetRefused | None = None
    error: str | None = None
    code: str = ""


class SecretAnswer(msgspec.Struct, tag="secret"):
    """Answer to a SecretMessage: request number `n` got `read`, or failed (`error`, its hint, whether trying again can help)."""

    n: int
    read: SecretRead | None = None
    error: str = ""
    hint: str | None = None
    code: str = ""
    is_transient: bool = False


class FileAnswer(msgspec.Struct, tag="file"):
    """Answer to a FileMessage: request number `n` got `text` or `data`, or failed (`error`, its hint, the code of its class)."""

    n: int
    text: str = ""
    data: bytes = b""
    error: str | None = None
    hint: str | None = None
    code: str = ""


class StackRequest(msgspec.Struct, tag="place_asked"):
    """Answer with a StackAnswer of the same number."""

    n: int


class StreamAnswer(msgspec.Struct, tag="streamed"):
    """`n` more records are committed, or (`error`) never will be; `code` is that of the error's class."""

    n: int
    error: str | None = None
    code: str = ""


class StartMessage(msgspec.Struct, tag="began"):
    """The function was imported and is being called now."""


class LogMessage(msgspec.Struct, tag="logged"):
    """One line of `ms.log`, or of a logger."""

    level: str
    text: str
    fields: dict[str, Any]
    logger: str = ""


class ProgressMessage(msgspec.Struct, tag="progressed"):
    """Progress of the step."""

    done: int
    total: int | None


class HeartbeatMessage(msgspec.Struct, tag="beat"):
    """A sign of life."""


class StreamMessage(msgspec.Struct, tag="record"):
    """Number `n` of the records of this attempt in a stream."""

    stream: str
    n: int
    data: msgspec.Raw


class StreamFlushMessage(msgspec.Struct, tag="flush"):
    """Send all records now."""


class CheckpointMessage(msgspec.Struct, tag="checkpointed"):
    """Save this value and answer with a CheckpointAnswer."""

    n: int
    data: msgspec.Raw


class RecordMessage(msgspec.Struct, tag="recorded"):
    """Commit this if the attempt succeeds."""

    record: StepRecord


class LockMessage(msgspec.Struct, tag="lock_asked"):
    """Acquire this lock, and answer with a LockAnswer."""

    n: int
    spec: LockSpec


class UnlockMessage(msgspec.Struct, tag="unlocked"):
    """Release the lock of request number `n`, or stop waiting for it."""

    n: int


class EffectMessage(msgspec.Struct, tag="effect_asked"):
    """Ask for an effect, and answer with an EffectAnswerMessage."""

    n: int
    request: EffectRequest


class EffectSettledMessage(msgspec.Struct, tag="effect_settled"):
    """Save the outcome of an effect, and answer with an EffectAnswerMessage."""

    n: int
    settlement: EffectSettlement


class SecretMessage(msgspec.Struct, tag="secret_asked"):
    """Read a secret, and answer with a SecretAnswer; `instead_of` = a value that a target refused."""

    n: int
    name: str
    instead_of: str | None

    def __repr__(self) -> str:
        return f"<request {self.n} for secret {self.name!r}>"


class CommandMessage(msgspec.Struct, tag="command"):
    """Commit this command, and answer with a CommandAnswer."""

    n: int
    command: AnswerFlag | EnterTarget | LeaveTarget


class PutChunk(msgspec.Struct, tag="put"):
    """Store a chunk of a file; the answer has its key."""

    data: bytes


class SealFile(msgspec.Struct, tag="seal"):
    """Seal a file; the answer has the seal."""

    file: StoredFile


class ReadChunk(msgspec.Struct, tag="read"):
    """Read a chunk of a file; the answer has its data."""

    file: StoredFile
    index: int


FileRequest = PutChunk | SealFile | ReadChunk


class FileMessage(msgspec.Struct, tag="file_asked"):
    """Put or read a part of a file, and answer with a FileAnswer."""

    n: int
    request: FileRequest


class StackAnswer(msgspec.Struct, tag="place"):
    """The stack of the call's code, as lines."""

    n: int
    lines: list[str]


class EndMessage(msgspec.Struct, tag="ended", kw_only=True):
    """The attempt ended; the fields are those of AttemptEnd. `is_spent`: this child should serve no other call."""

    ok: bool
    output: msgspec.Raw = JSON_NULL
    failure: Failure | None = None
    verdict: Verdict | None = None
    refused: Failure | None = None
    error: RemoteError | None = None
    duration_us: int
    memory: int
    is_spent: bool


MessageToChild = (
    HelloMessage
    | CallMessage
    | CheckpointAnswer
    | LockAnswer
    | EffectAnswerMessage
    | CommandAnswer
    | SecretAnswer
    | FileAnswer
    | StreamAnswer
    | StackRequest
)
MessageFromChild = (
    StartMessage
    | LogMessage
    | ProgressMessage
    | HeartbeatMessage
    | StreamMessage
    | StreamFlushMessage
    | CheckpointMessage
    | RecordMessage
    | LockMessage
    | UnlockMessage
    | EffectMessage
    | EffectSettledMessage
    | SecretMessage
    | CommandMessage
    | FileMessage
    | StackAnswer
    | EndMessage
)


def encode_frame(message: MessageToChild | MessageFromChild) -> bytes:
    """Return the bytes of a message.

    Raises:
        FrameError: it is larger than any frame may be.
    """
    data = _encode(message)
    if len(data) > MAX_FRAME_BYTES:
        raise FrameError(f"a message of {len(data):,} bytes is larger than a frame may be ({MAX_FRAME_BYTES:,})")
    return _LENGTH.pack(len(data)) + data


class FrameReader(Generic[M]):
    """Collects bytes and returns whole messages."""

    def __init__(self, message_type: Any, most_bytes: int = MAX_FRAME_BYTES) -> None:
        self._decode = msgspec.json.Decoder(message_type).decode
        self._most_bytes = most_bytes
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[M]:
        """Add bytes; return the messages that are complete now.

        Raises:
            FrameError: the data is no message.
        """
        self._buffer += received
        messages: list[M] = []
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            if length > self._most_bytes:
                raise FrameError(f"a frame of {length:,} bytes was announced, {self._most_bytes:,} are allowed")
            end = start + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            with memoryview(self._buffer) as view, view[start + _LENGTH.size : end] as frame:
                data = bytes(frame)  # one copy: a frame with a part of a file has some megabytes
            messages.append(self._message(data))
            start = end
        del self._buffer[:start]
        return messages

    def _message(self, data: bytes) -> M:
        try:
            message: M = self._decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise FrameError(f"a frame holds no message: {error}") from None
        return message
