"""Stored files: a reference to a file whose bytes are blobs, and the chunks of such files.

Role: the fields of `ms.FileRef`, its seal, and how chunks are put and read. A file is cut into chunks, each an ordinary blob. The seal
proves that a program of this store made the reference. Invariants: a value holds only the chunks of sealed references; what leaves the
engine has neither the keys of chunks nor a seal. See docs/adr/0057-files-of-many-blobs.md.
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any, Final, Protocol

import msgspec
from msgspec.structs import replace

from mainspring.domain.errors import BlobMissingError, FileRefError, ValueRefusedError
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.sealing import FILE_MARK, Sealing

CHUNK_SIZE: Final = 4 * 1024 * 1024
MAX_FILE_SIZE: Final = 64 * 1024**3
_TAG: Final = FILE_MARK.decode().strip('"')
_HIDDEN: Final = frozenset({"chunk_size", "chunks", "seal"})
_CHUNK_MARK: Final = b"f"
"""In front of the bytes of a chunk, so that none of them begins like a sealed value."""


class StoredFile(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_TAG, dict=True):
    """A file whose bytes are blobs.

    `name` = for people and downloads, never a path. `size` in bytes, `sha256` of all bytes in hex. `chunks` = the keys of its blobs, each
    of `chunk_size` bytes but the last.
    """

    name: str
    size: int
    sha256: str
    content_type: str | None = None
    chunk_size: int = CHUNK_SIZE
    chunks: tuple[str, ...] = ()
    seal: str = ""


class FileChunks(Protocol):
    """A place for the chunks of files. Every method may be called from any thread, and may block."""

    def put_chunk(self, data: bytes) -> str:
        """Store a chunk and return its key. Raises CodecUnavailableError: it cannot be stored now."""
        ...

    def seal_file(self, file: StoredFile) -> str:
        """Return the seal of a file. Raises CodecUnavailableError: the store cannot be read now."""
        ...

    def read_chunk(self, file: StoredFile, index: int) -> bytes:
        """Return a chunk of a file.

        Raises:
            FileRefError: the file is not one of this store, or the chunk is absent or damaged.
            CodecUnavailableError: it cannot be read now.
        """
        ...


class StoreFileChunks:
    """The chunks of the files of one store, sealed by its codec."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing

    def put_chunk(self, data: bytes) -> str:
        """Store a chunk and return its key. Raises CodecUnavailableError, SealedError: it cannot be stored."""
        if self._sealing.large is None:
            raise FileRefError("this program has no place for files", hint="Use ms.FileRef with a store.")
        return self._sealing.large.put_chunk(self._sealing.seal_inline(_CHUNK_MARK + data))

    def seal_file(self, file: StoredFile) -> str:
        """Return the seal of a file."""
        key = b"" if self._sealing.large is None else self._sealing.large.read_file_key()
        if not key:
            raise FileRefError(
                "the store has no key for files",
                hint="It is of an earlier version: start a worker of this version, which upgrades it.",
            )
        return _make_seal(file, key)

    def read_chunk(self, file: StoredFile, index: int) -> bytes:
        """Return a chunk of a file."""
        large = self._sealing.large
        if large is None or not is_sealed(file, large.read_file_key()):
            raise FileRefError(
                f"file {describe_name(file)} was not put by a program of this store",
                hint="Make it with ms.FileRef.put(path) in a step, or with app.put_file(path). JSON from outside cannot name a file.",
            )
        try:
            return self._sealing.open(large.get_chunk(file.chunks[index]))[len(_CHUNK_MARK) :]
        except BlobMissingError as error:
            raise FileRefError(
                f"part {index + 1} of {len(file.chunks)} of file {describe_name(file)}: {error.message}",
                hint=error.hint,
            ) from error


def describe_name(file: StoredFile) -> str:
    """Return the name of a file, quoted, for messages."""
    return repr(escape(file.name, 100))


def is_sealed(file: StoredFile, key: bytes) -> bool:
    """Return whether a program of the store with this key made the reference."""
    return bool(key) and hmac.compare_digest(file.seal.encode("utf-8", "surrogatepass"), _make_seal(file, key).encode())


def list_sealed_files(data: bytes, key: bytes) -> list[StoredFile]:
    """Return the files in the JSON `data` that the store with this key sealed; none, if it is no JSON."""
    return [file for file in _decode_files(data) if is_sealed(file, key)]


def refuse_files(data: bytes, value_name: str) -> bytes:
    """Return JSON that stays inline, and so holds no blobs. Raises ValueRefusedError: it has a reference to a file."""
    if FILE_MARK in data and any(_decode_files(data)):
        raise ValueRefusedError(
            value_name,
            "$",
            "it has an ms.FileRef",
            hint="Pass files as arguments, results, checkpoints or signals of runs: these keep their bytes.",
        )
    return data


def _decode_files(data: bytes) -> list[StoredFile]:
    """Return the files in JSON. What is no JSON, or nested deeper than a program could write it, has none."""
    try:
        return list(find_files(msgspec.json.decode(data)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def find_files(value: Any) -> Iterator[StoredFile]:
    """Yield the references to files in JSON data, in their order."""
    for part in _list_objects(value):
        if part.get("type") == _TAG and (file := _convert(part)) is not None:
            yield file


def hide_file_keys(value: Any) -> Any:
    """Remove the keys and seals of files from JSON data and return it: it may leave the engine."""
    for part in _list_objects(value):
        if part.get("type") == _TAG:
            for name in _HIDDEN:
                part.pop(name, None)
    return value


def decode_without_keys(data: bytes) -> Any:
    """Return a JSON value to compare: in place of the keys and the seal of a file it has a digest of them."""
    value = msgspec.json.decode(data)
    for part in _list_objects(value):
        if part.get("type") == _TAG:
            hidden = {name: part.pop(name) for name in sorted(_HIDDEN & part.keys())}
            part["parts"] = hashlib.sha256(msgspec.json.encode(hidden, order="deterministic")).hexdigest()
    return value


def _list_objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects in JSON data, in their order. Bytes from outside may be nested deeper than Python calls."""
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
            left.extend(reversed(part.values()))
        elif isinstance(part, list):
            left.extend(reversed(part))


def _convert(value: dict[str, Any]) -> StoredFile | None:
    try:
        return msgspec.convert(value, StoredFile)
    except msgspec.ValidationError:
        return None


def _make_seal(file: StoredFile, key: bytes) -> str:
    """Return the HMAC of all fields but the seal."""
    bare = msgspec.json.encode(msgspec.structs.astuple(replace(file, seal="")))
    return hmac.new(key, bare, hashlib.sha256).hexdigest()
