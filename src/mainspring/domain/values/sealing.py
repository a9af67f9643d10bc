"""Sealing of values on their way to the store and back: their largest size, and their codec.

Role: between the JSON of `domain.values.codec` and the stored bytes. A sealed value names its codec in front of the codec's bytes, so
that plain and sealed values can be mixed (a store that was plain before) without guessing. JSON never begins with a zero byte, nor does a
printable text with a control character. A sealed value of many bytes is put into a place for blobs, and a reference stands for it.
Invariants: data that does not affect the decisions of the engine stays inside the seal; a failure keeps the words outside by which it
is counted and classified. A codec that fails never writes plain data.
"""

import hashlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from mainspring.domain.errors import BlobMissingError, CodecUnavailableError, OptionError, SealedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.text.byte_size import parse_size
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.values.codec import DEFAULT_LIMIT, Codec, JsonCodec, SealedParts

if TYPE_CHECKING:
    from mainspring.domain.failures.classifier import Classifier
    from mainspring.domain.values.blob import BlobReference, LargeValues

_SEALED_PREFIX = b"\x00"
_SEALED_TEXT_PREFIX = "\x01"
_REFERENCE_PREFIX = b"\x00@"
_LIST_PREFIX = b"\x00@["
FILE_MARK = b'"mainspring.FileRef"'
"""JSON that holds no reference to a file never has these bytes."""
_ID = lazy_pattern(r"[a-z0-9][a-z0-9._-]{0,39}")
MAX_PAYLOAD_BYTES = 256 * 1024 * 1024
"""A child process receives a value in one frame, which has bounds of its own."""

_HINT = 'Name it where this program can import it: [store] codec = "module:name", or MAINSPRING_STORE_CODEC; in Python App(codec=...).'
_HINT_OF_PLACE = "Run it with the configuration of the project, whose `store.blobs` names the place."
_RETRY_HINT = "Check that its key service can be reached, then try again."
_FAILURE = msgspec.json.Decoder(Failure)


def split_sealed(data: bytes) -> SealedParts | None:
    """Return the parts of a sealed value, None of a plain one."""
    if data[:1] != _SEALED_PREFIX:
        return None
    data = strip_held_blobs(data)
    name, mark, rest = data[1:].partition(_SEALED_PREFIX)
    text = name.decode("ascii", "replace")
    return SealedParts(text, rest) if mark and _ID.fullmatch(text) else None


def codec_of(data: bytes) -> str:
    """Return the id of the codec of a stored value, large or not: a reference has a digest that the same codec sealed."""
    reference = find_reference(data)
    sealed = split_sealed(strip_held_blobs(data) if reference is None else reference.digest)
    return JsonCodec.id if sealed is None else sealed.codec


def stored_size(data: bytes | None) -> int:
    """Return the stored bytes of a value, those of its blob included."""
    if data is None:
        return 0
    reference = find_reference(data)
    return len(data) if reference is None else reference.blob.size


def read_payload_limit(size: int | str) -> int:
    """Return the largest size of a value in bytes, as a person writes it.

    Raises:
        OptionError: it is no size, or out of bounds.
    """
    limit = parse_size(size)
    if not 1 <= limit <= MAX_PAYLOAD_BYTES:
        raise OptionError(
            f"the largest value cannot be {limit:,} bytes",
            hint="Write a size from 1B to 256MiB; larger data belongs into a file, an object store or a table.",
        )
    return limit


class Sealing:
    """Seals and opens the values of one program.

    `limit` in bytes of JSON, before they are sealed; the codec may be the plain one. `large` = where large values go; None = into
    their columns, like all others.
    """

    def __init__(
        self,
        codec: Codec | None = None,
        limit: int = DEFAULT_LIMIT,
        classifier: "Classifier | None" = None,
        large: "LargeValues | None" = None,
    ) -> None:
        self.codec = codec or JsonCodec()
        self.classifier = classifier
        self.large = large
        self.is_plain = isinstance(self.codec, JsonCodec)
        self.id = self.codec.id
        self.limit = limit
        if not self.is_plain and (self.id == JsonCodec.id or not _ID.fullmatch(self.id)):
            raise OptionError(
                f"a codec cannot have the id {escape(repr(self.id), 60)}",
                hint='Use your own word such as "aes-2026": it is in front of each value, and "json" means plain.',
            )
        self._front = _SEALED_PREFIX + self.id.encode() + _SEALED_PREFIX

    @property
    def unchanged_size(self) -> int:
        """The size of JSON up to which a value is stored as it is; -1 = no value is."""
        if not self.is_plain:
            return -1
        return self.limit if self.large is None else self.large.threshold

    def with_classifier(self, classifier: "Classifier | None") -> "Sealing":
        """Return the same with another table of errors, which decides whether an error of the codec passes; None = the usual one."""
        return self if self.is_plain or classifier is None else Sealing(self.codec, self.limit, classifier, self.large)

    def seal(self, data: bytes) -> bytes:
        """Return the stored form of the JSON `data`, for a column of values: a large one is put among the blobs first.

        Raises:
            SealedError: the codec failed, or the place for blobs; nothing may be stored then.
        """
        sealed = Sealing.seal_inline(self, data)
        # The bytes of a request may begin like a reference. They are no JSON, so that none of our values does.
        if self.large is None:
            return sealed
        if len(sealed) > self.large.threshold or sealed[:2] == _REFERENCE_PREFIX:
            sealed = self.large.put(sealed, Sealing.seal_inline(self, hashlib.sha256(data).hexdigest().encode()))
        return self._hold_files(sealed, data, self.large) if FILE_MARK in data else sealed

    @staticmethod
    def _hold_files(stored: bytes, data: bytes, large: "LargeValues") -> bytes:
        """Return the stored form of a value that may name files of this store: then it holds their chunks."""
        from mainspring.domain.values.blob import encode_with_blobs  # noqa: PLC0415 - few programs meet a file
        from mainspring.domain.values.stored_file import list_sealed_files  # noqa: PLC0415

        keys = [chunk for file in list_sealed_files(data, large.read_file_key()) for chunk in file.chunks]
        return encode_with_blobs(keys, stored) if keys else stored

    def seal_inline(self, data: bytes) -> bytes:
        """Return the stored form of the JSON `data`, whatever its size: for all that is no column of values.

        Raises:
            SealedError: the codec failed; nothing may be stored then.
        """
        if self.is_plain:
            return data
        try:
            return self._front + self.codec.encode(data)
        except Exception as error:
            kind = self._error_type(error)
            passes = (
                _RETRY_HINT
                if kind is CodecUnavailableError
                else "Fix the codec (its key, its key service), then try again."
            )
            raise kind(
                f"codec {self.id!r} could not seal a value: {type(error).__name__}",
                hint=f"Nothing was stored. {passes}",
            ) from error

    def seal_now(self, data: bytes) -> bytes:
        """Seal a value that cannot wait and stays inline; see `engine.codec_outage`. Raises SealedError."""
        return self.seal_inline(data)

    def open(self, data: bytes) -> bytes:
        """Return the JSON of a stored value; a plain one is returned unchanged.

        Raises:
            SealedError: another codec sealed it, or ours cannot read it.
            BlobMissingError: it was stored by reference, and its blob is absent or damaged.
        """
        if data[:1] != _SEALED_PREFIX:
            return data
        data = strip_held_blobs(data)
        reference = find_reference(data)
        if reference is not None:
            if self.large is None:
                raise BlobMissingError(
                    "a large value cannot be read here: this program has no place for blobs", hint=_HINT_OF_PLACE
                )
            data = self.large.get(reference)
        sealed = split_sealed(data)
        if sealed is None:
            return data
        if sealed.codec != self.id or self.is_plain:
            raise SealedError(f"a value is sealed by codec {sealed.codec!r}, which is not at hand here", hint=_HINT)
        try:
            return self.codec.decode(sealed.data)
        except Exception as error:
            kind = self._error_type(error)
            other_key = "Most often it has another key than the one that sealed it."
            raise kind(
                f"codec {self.id!r} could not open a value: {type(error).__name__}",
                hint=_RETRY_HINT if kind is CodecUnavailableError else other_key,
            ) from error

    def open_digest(self, data: bytes) -> bytes:
        """Return a reference with its digest opened, so that the input of a step can be compared unread; another value opened.

        Raises:
            SealedError, BlobMissingError: as `open`.
        """
        reference = find_reference(data)
        if reference is None:
            return self.open(data)
        return replace(reference, digest=self.open(reference.digest)).encode()

    def is_own(self, data: bytes) -> bool:
        """Return whether this codec sealed the value."""
        return not self.is_plain and strip_held_blobs(data).startswith(self._front)

    def _error_type(self, error: Exception) -> type[SealedError]:
        """Return the error type of a codec's error: an unknown one passes only if the system raised it: a wrong key is unknown, too."""
        from mainspring.domain.failures.classifier import Classifier  # noqa: PLC0415 - its tables are only needed after an error

        kind = (self.classifier or Classifier()).classify(error).kind
        passes = kind is FailureKind.TRANSIENT or (kind is FailureKind.UNKNOWN and isinstance(error, OSError))
        return CodecUnavailableError if passes else SealedError

    def seal_if(self, data: bytes | None) -> bytes | None:
        """Seal a value that may be absent."""
        return None if data is None else self.seal(data)

    def open_if(self, data: bytes | None) -> bytes | None:
        """Open a value that may be absent."""
        return None if data is None else self.open(data)

    def seal_text(self, text: str) -> str:
        """Return the stored form of a text. Raises SealedError."""
        if self.is_plain:
            return text
        return self._as_text(self.seal_inline(text.encode("utf-8", "surrogatepass")))

    def _as_text(self, sealed: bytes) -> str:
        return _SEALED_TEXT_PREFIX + b64encode(sealed).decode()

    def open_text(self, text: str) -> str:
        """Return the text again. Raises SealedError."""
        if not is_sealed_text(text):
            return text
        return self.open(b64decode(text[1:])).decode("utf-8", "surrogatepass")

    def seal_failure(self, failure: Failure | None) -> Failure | None:
        """Return a failure whose words are sealed: its type, code, kind and frames stay outside. Never raises."""
        if self.is_plain or failure is None or failure.sealed is not None:
            return failure
        wordless = replace(failure, message=f"(sealed by codec {self.id!r})", hint=None, data=None, cause=None)
        try:
            return replace(wordless, sealed=self.seal_inline(msgspec.json.encode(failure)))
        except SealedError as error:
            return drop_failure_text(wordless, error)

    def open_failure(self, failure: Failure | None) -> Failure | None:
        """Return the failure as it was. Raises SealedError."""
        if failure is None or failure.sealed is None:
            return failure
        return _FAILURE.decode(self.open(failure.sealed))


PLAIN_SEALING = Sealing()


def find_reference(data: bytes) -> "BlobReference | None":
    """Return the reference that a column holds, None if it holds the value itself."""
    if data[:2] != _REFERENCE_PREFIX:
        return None
    from mainspring.domain.values.blob import parse_reference  # noqa: PLC0415 - few programs meet a large value

    return parse_reference(data)


def strip_held_blobs(data: bytes) -> bytes:
    """Return a stored value without the list of blobs that it holds: most have none."""
    if data[:3] != _LIST_PREFIX:
        return data
    from mainspring.domain.values.blob import split_held_blobs  # noqa: PLC0415 - few programs meet a file

    return split_held_blobs(data)[1]


def drop_failure_text(failure: Failure, error: SealedError) -> Failure:
    """Return a failure whose words could not be sealed because of `error`: its message states that they are lost."""
    return replace(failure, message=f"(its words were lost: {error.message})", sealed=None)


def is_sealed_text(text: str) -> bool:
    """Return whether a stored text is sealed."""
    return text.startswith(_SEALED_TEXT_PREFIX)
