"""`ms.FileRef`: a file of any size as a value, whose bytes are read only when code opens it.

Role: puts files and reads them in steps (loop, thread, child process) and in programs. Invariants: at most one chunk of a file is in
memory; a body never reads one, because no journal would record what it read; calls that block are refused in a coroutine.
See docs/adr/0057-files-of-many-blobs.md.
"""

import asyncio
import contextlib
import hashlib
import io
import mimetypes
import os
import re
from collections.abc import Generator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self, TypeVar

import msgspec
from msgspec.structs import force_setattr, replace

from mainspring.domain.errors import ArgumentError, ConflictError, FileRefError
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.stored_file import CHUNK_SIZE, MAX_FILE_SIZE, FileChunks, StoredFile, describe_name
from mainspring.engine.attempts.attempt_reports import HeartbeatReport
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.step_context import CURRENT_STEP, NotInStepError, StepContext
from mainspring.resources.file_copy import FileCopy

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FILE_SOURCE: ContextVar[FileChunks | None] = ContextVar("mainspring_file_source", default=None)
"""The place from which a program that runs no step can read the files that are decoded now."""
_SOURCE_FIELD: Final = "_source"
_MAX_NAME: Final = 255
_CONTENT_TYPE: Final = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}(; ?[\w.+-]{1,50}=[\w.+-]{1,100})?", re.ASCII)

F = TypeVar("F", bound="FileRef")
FileSource = str | os.PathLike[str] | BinaryIO


class FileRef(StoredFile, frozen=True, kw_only=True):
    """A file of any size that Mainspring stores: pass it between steps, to children, and out as a result.

    `name` = for people and downloads. `size` in bytes; `sha256` in hex; `content_type` = such as "application/pdf". It holds no bytes:
    `open` and `save_to` read them, in steps and in programs. A workflow body may only pass it on. It stays as long as a run that has it.
    """

    def __post_init__(self) -> None:
        source = FILE_SOURCE.get()
        if source is not None:
            force_setattr(self, _SOURCE_FIELD, source)

    @classmethod
    def put(cls, source: FileSource, *, name: str | None = None, content_type: str | None = None) -> Self:
        """Store a file, and return the reference to it. For steps in threads and processes; it blocks.

        `source` = a path, or a binary file that is read from its position to its end. `name` = default: that of the path.

        Raises:
            NotInStepError: no step is running here; in a program, use `app.put_file`.
            ConflictError: a coroutine calls it; use `await put_async(...)`.
            FileRefError: the file has more than 64 GiB.
            CodecUnavailableError: it cannot be stored now; trying again can help.
        """
        chunks = _find_chunks("FileRef.put()", None)
        _require_thread("put", "await ms.FileRef.put_async(...)")
        return put_file(cls, chunks, source, name, content_type)

    @classmethod
    async def put_async(cls, source: FileSource, *, name: str | None = None, content_type: str | None = None) -> Self:
        """Store a file as `put` does, in a thread, and return the reference to it. For `async def` steps."""
        return await asyncio.to_thread(cls.put, source, name=name, content_type=content_type)

    def open(self) -> io.BufferedReader:
        """Return a binary file to read and seek in: `with ref.open() as file`. It reads 4 MiB at a time.

        Raises:
            NotInStepError: a workflow body calls it.
            ConflictError: a coroutine calls it; read it in a function, `await asyncio.to_thread(function, ref)`.
            FileRefError: it is not a file of this store, or this program has no store. Reads raise it for a part that is absent or damaged.
        """
        chunks = _find_chunks("FileRef.open()", self)
        _require_thread("open", "await asyncio.to_thread(read, ref)   # `read` = your function that opens it")
        return io.BufferedReader(_ChunkStream(self, chunks))

    def save_to(self, path: str | os.PathLike[str]) -> Path:
        """Write the file to a path and return it. The path has all bytes or does not change. It blocks.

        Raises:
            FileRefError: a part of the file is absent or damaged, or the bytes are not those that were put.
            ConflictError: a coroutine calls it; use `await ref.save_to_async(path)`.
        """
        chunks = _find_chunks("FileRef.save_to()", self)
        _require_thread("save_to", "await ref.save_to_async(path)")
        return _save(self, chunks, Path(path))

    async def save_to_async(self, path: str | os.PathLike[str]) -> Path:
        """Write the file to a path as `save_to` does, in a thread, and return the path."""
        return await asyncio.to_thread(self.save_to, path)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Let a pydantic model have a field of this type."""
        from pydantic_core import core_schema  # noqa: PLC0415 - only programs with pydantic call this

        def read(value: Any) -> Any:
            return value if isinstance(value, cls) else msgspec.convert(value, cls)

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.plain_serializer_function_ser_schema(msgspec.to_builtins)
        )


@contextlib.contextmanager
def files_from(source: FileChunks) -> Generator[None]:
    """Inside, files that are decoded can be opened from `source`."""
    token = FILE_SOURCE.set(source)
    try:
        yield
    finally:
        FILE_SOURCE.reset(token)


def bind_file(file: StoredFile, source: FileChunks) -> FileRef:
    """Return a file that a program can open from `source`."""
    with files_from(source):
        return FileRef(**msgspec.structs.asdict(file))


class _ChunksOfStep:
    """The chunks that a step puts and reads. Each one is a sign of life."""

    def __init__(self, step: StepContext) -> None:
        self._channel = step.channel

    def put_chunk(self, data: bytes) -> str:
        self._channel.post(HeartbeatReport())
        return self._channel.files.put_chunk(data)

    def seal_file(self, file: StoredFile) -> str:
        return self._channel.files.seal_file(file)

    def read_chunk(self, file: StoredFile, index: int) -> bytes:
        self._channel.post(HeartbeatReport())
        return self._channel.files.read_chunk(file, index)


def _find_chunks(call: str, file: FileRef | None) -> FileChunks:
    """Return where the calling code puts and reads chunks. Raises NotInStepError, FileRefError: nowhere."""
    step = None if IN_BODY.get() else CURRENT_STEP.get()
    if step is not None:
        return _ChunksOfStep(step)
    bound: FileChunks | None = None if file is None else getattr(file, _SOURCE_FIELD, None)
    if file is None or IN_BODY.get():
        raise NotInStepError(call)
    if bound is None:
        raise FileRefError(
            f"{call}: this program does not have the store of file {describe_name(file)}",
            hint="Download it from its run: await handle.save_file(name, path)",
        )
    return bound


def _require_thread(method: str, instead: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConflictError(
        f"FileRef.{method} blocks, but an event loop runs in this thread", hint=f"Write instead: {instead}"
    )


def put_file(kind: type[F], chunks: FileChunks, source: FileSource, name: str | None, content_type: str | None) -> F:
    """Store a file chunk by chunk, and return the reference to it. Raises as `FileRef.put`."""
    safe_name = _clean_name(_name_of(source) if name is None else name)
    content_type = content_type or mimetypes.guess_type(safe_name)[0]
    if content_type is not None and not _CONTENT_TYPE.fullmatch(content_type):
        raise ArgumentError(
            f"content_type={escape(repr(content_type), 100)} is not valid",
            hint='Write a media type, such as content_type="application/pdf".',
        )
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb", buffering=0) as file:
            keys, size, digest = _put_chunks(chunks, file, safe_name)
    else:
        keys, size, digest = _put_chunks(chunks, source, safe_name)
    reference = kind(
        name=safe_name, size=size, sha256=digest, content_type=content_type, chunk_size=CHUNK_SIZE, chunks=tuple(keys)
    )
    return replace(reference, seal=chunks.seal_file(reference))


def _put_chunks(chunks: FileChunks, file: Any, name: str) -> tuple[list[str], int, str]:
    """Return the keys of the chunks, the size of the file and its SHA-256. An empty file has one chunk, so each file has a key."""
    keys: list[str] = []
    size, digest = 0, hashlib.sha256()
    while data := _read_chunk(file):
        size += len(data)
        if size > MAX_FILE_SIZE:
            raise FileRefError(
                f"file {escape(repr(name), 100)} has more than {MAX_FILE_SIZE // 1024**3} GiB",
                hint="Put it into a bucket or a shared folder, and pass its address.",
            )
        digest.update(data)
        keys.append(chunks.put_chunk(data))
    if not keys:
        keys.append(chunks.put_chunk(b""))
    return keys, size, digest.hexdigest()


def _read_chunk(file: Any) -> bytes:
    """Return the next bytes of a file, as many as a chunk has unless it ends: a pipe gives a few at a time."""
    parts: list[bytes] = []
    rest = CHUNK_SIZE
    while rest and (part := file.read(rest)):
        if not isinstance(part, bytes | bytearray | memoryview):
            raise ArgumentError(f"the file gives {type(part).__name__}, not bytes", hint='Open it with mode "rb".')
        parts.append(bytes(part))
        rest -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _name_of(source: Any) -> str:
    path = source if isinstance(source, str | os.PathLike) else getattr(source, "name", "")
    return os.fspath(path) if isinstance(path, str | os.PathLike) else ""


def _clean_name(text: str) -> str:
    """Return the last part of a path, safe in a header and as the name of a file."""
    last = re.split(r"[/\\]", text.rstrip("/\\"))[-1][-_MAX_NAME:]
    printable = "".join(character if character.isprintable() else "_" for character in last).strip()
    while len(printable.encode("utf-8", "replace")) > _MAX_NAME:
        printable = printable[1:]  # the end has the suffix
    return "file" if printable in ("", ".", "..") else printable


def _save(file: FileRef, chunks: FileChunks, path: Path) -> Path:
    with FileCopy(path) as copy:
        for index in range(len(file.chunks)):
            copy.write(chunks.read_chunk(file, index))
        copy.finish(file.sha256, describe_name(file))
    return path


class _ChunkStream(io.RawIOBase):
    """A file in chunks, as a stream to read and seek in. The last chunk that was read is in memory."""

    def __init__(self, file: StoredFile, chunks: FileChunks) -> None:
        self._file = file
        self._chunks = chunks
        self._at = 0
        self._loaded: tuple[int, bytes] = (-1, b"")
        self.name = file.name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        if start + offset < 0:
            raise ValueError(f"negative seek position {start + offset}")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        target = memoryview(buffer).cast("B")
        if self._at >= self._file.size or not target:
            return 0
        index, offset = divmod(self._at, self._file.chunk_size)
        if self._loaded[0] != index:
            self._loaded = (-1, b"")  # free it first: one chunk is in memory
            self._loaded = (index, self._chunks.read_chunk(self._file, index))
        data = memoryview(self._loaded[1])[offset : offset + len(target)]
        target[: len(data)] = data
        self._at += len(data)
        return len(data)
